"""Redis on a TCP port and a unix socket, and a Redis Cluster of three nodes."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from services.daemon import Daemon, ServerFailed, free_port
from services.service import Missing, Service, folder_for

GIVEN = "TEST_REDIS_URL"
GIVEN_CLUSTER = "TEST_REDIS_CLUSTER"
NODES = 3
# A node's bus listens this far above its port, unless told otherwise.
BUS = 10_000
PATIENCE = 30.0


class Redis(Service):
    """One Redis server: `url` (`redis://HOST:PORT/0`) and, if it is ours, `socket`, a unix socket's path."""

    title = "Redis"

    def __init__(self, url: str, folder: Path | None = None, *daemons: Daemon) -> None:
        parts = urlsplit(url)
        super().__init__(parts.hostname or "127.0.0.1", parts.port or 6379, folder, *daemons)
        self.url = url
        self.socket = None if folder is None else str(folder / "redis.sock")

    def environment(self) -> dict[str, str]:
        """TEST_REDIS_URL."""
        return {GIVEN: self.url}


class RedisCluster(Service):
    """Three masters that share the slots: `nodes` are their (host, port), `url` the first one's."""

    title = "Redis Cluster"

    def __init__(self, nodes: list[tuple[str, int]], folder: Path | None = None, *daemons: Daemon) -> None:
        super().__init__(*nodes[0], folder, *daemons)
        self.nodes = nodes
        self.url = f"redis://{self.host}:{self.port}"

    def environment(self) -> dict[str, str]:
        """TEST_REDIS_CLUSTER: `HOST:PORT,HOST:PORT,…`."""
        return {GIVEN_CLUSTER: ",".join(f"{host}:{port}" for host, port in self.nodes)}

    def start(self) -> None:
        """Start the nodes and wait until each sees every slot served."""
        super().start()
        deadline = time.monotonic() + PATIENCE
        for _, port in self.nodes:
            while "cluster_state:ok" not in _ask(port, "cluster", "info"):
                if time.monotonic() > deadline:
                    raise ServerFailed(f"the Redis Cluster node on port {port} did not come up")
                time.sleep(0.05)


def open_redis() -> Redis:
    """The server that TEST_REDIS_URL names, or a new one; raises `Missing` and `ServerFailed`."""
    given = os.environ.get(GIVEN)
    if given:
        return Redis(given)
    program = _program("redis-server", Redis.title, GIVEN)
    folder = folder_for("redis")
    port = free_port()
    daemon = _daemon(program, folder, port, "--unixsocket", str(folder / "redis.sock"))
    service = Redis(f"redis://127.0.0.1:{port}/0", folder, daemon)
    try:
        service.start()
    except BaseException:
        service.close()
        raise
    return service


def open_redis_cluster() -> RedisCluster:
    """The cluster that TEST_REDIS_CLUSTER names, or a new one; raises `Missing` and `ServerFailed`."""
    given = os.environ.get(GIVEN_CLUSTER)
    if given:
        pairs = (address.rpartition(":") for address in given.split(","))
        return RedisCluster([(host, int(port)) for host, _, port in pairs])
    program = _program("redis-server", RedisCluster.title, GIVEN_CLUSTER)
    _program("redis-cli", RedisCluster.title, GIVEN_CLUSTER)
    folder = folder_for("redis-cluster")
    ports: list[int] = []
    while len(ports) < NODES:
        port = free_port(BUS)
        if port not in ports:
            ports.append(port)
    daemons = [_daemon(program, folder, port, *_node(port)) for port in ports]
    service = RedisCluster([("127.0.0.1", port) for port in ports], folder, *daemons)
    try:
        for daemon in daemons:
            daemon.start()
        _join(ports)
        service.start()
    except BaseException:
        service.close()
        raise
    return service


def _program(name: str, title: str, variable: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(title, f"{name} was not found", f"install redis-server or set {variable}")
    return found


def _daemon(program: str, folder: Path, port: int, *options: str) -> Daemon:
    argv = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    # Without snapshots SIGTERM is immediate and removes the unix socket, which SIGKILL would leave.
    end = signal.SIGTERM
    return Daemon(f"redis-{port}", [*argv, *options], folder, ready=b"Ready to accept connections", end=end)


def _node(port: int) -> list[str]:
    file = f"nodes-{port}.conf"
    return ["--cluster-enabled", "yes", "--cluster-config-file", file, "--cluster-node-timeout", "2000"]


def _join(ports: list[int]) -> None:
    addresses = [f"127.0.0.1:{port}" for port in ports]
    done = subprocess.run(
        ["redis-cli", "--cluster", "create", *addresses, "--cluster-yes"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode != 0:
        raise ServerFailed(f"redis-cli --cluster create failed:\n{done.stdout}{done.stderr}")


def _ask(port: int, *command: str) -> str:
    argv = ["redis-cli", "-p", str(port), *command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False).stdout
