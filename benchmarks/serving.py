"""Real servers with one worker under load: all agents' servers run, and take turns at being loaded."""

import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from agents import Agent
from catalogue import Workload
from load import LoadFailed, load
from runs import SCRIPTS, Bench, last_line, received, variables
from samples import Comparison, RunFailed, Sample

START_SECONDS = 30.0
PATH = "/hello/world"


class Server:
    """A server that listens; `session` is the session id of its processes."""

    def __init__(self, port: int, session: int) -> None:
        self.session = session
        self.url = f"http://127.0.0.1:{port}{PATH}"
        self.served = 0.0

    def load(self, seconds: float) -> Sample:
        """One turn under load; raises `RunFailed`."""
        before = _session_cpu(self.session)
        try:
            figures = load(self.url, seconds)
        except LoadFailed as failure:
            raise RunFailed(str(failure)) from failure
        if figures["errors"] or not figures["requests"]:
            raise RunFailed(f"of {figures['requests']:.0f} requests {figures['errors']:.0f} failed")
        self.served += figures["requests"]
        return {**figures, "cpu_us": (_session_cpu(self.session) - before) * 1e6 / figures["requests"]}


def under_load(
    agents: Sequence[Agent], workload: Workload, bench: Bench, comparison: Comparison
) -> Generator[None, None, None]:
    """Rounds of load on servers that run throughout; goes on to the next when asked, and closed, stops the servers.

    Spans are counted when a server has ended, and stand in every sample of its agent.
    """
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for agent in agents:
            try:
                servers[agent.name] = stack.enter_context(_serving(agent, workload, bench, comparison))
                servers[agent.name].load(bench.seconds)
            except RunFailed as failure:
                comparison.add(agent.name, failure)
        while True:
            for agent in comparison.going(agents):
                try:
                    comparison.add(agent.name, servers[agent.name].load(bench.seconds))
                except RunFailed as failure:
                    comparison.add(agent.name, failure)
            yield


@contextmanager
def _serving(agent: Agent, workload: Workload, bench: Bench, comparison: Comparison) -> Iterator[Server]:
    port, sink = _free_port(), bench.sinks[agent.name]
    sink.reset()
    command = [*agent.launcher, *(word.replace("{port}", str(port)) for word in workload.command)]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            cwd=SCRIPTS,
            env=variables(agent, workload, bench),
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        server = None
        try:
            _answering(process, port)
            server = Server(port, process.pid)
            yield server
        except RunFailed as failure:
            raise RunFailed(f"{failure} (its last line: {last_line(errors)})") from failure
        finally:
            _stop(process)
            if server is not None and server.served:
                _credit(comparison, agent, received(sink, server.served, workload.kind))


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End a server as a service manager does, so that its agent sends what it still holds."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _credit(comparison: Comparison, agent: Agent, spans: Sample) -> None:
    for sample in comparison.rounds.get(agent.name, []):
        if sample is not None:
            sample.update(spans)


def _answering(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Wait for the first answer: a master listens before its worker is there."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RunFailed(f"the server ended with status {process.returncode}")
        connection = HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
        with closing(connection), suppress(OSError, HTTPException):
            connection.request("GET", PATH)
            if connection.getresponse().status == 200:
                return
        time.sleep(0.05)
    raise RunFailed(f"the server did not answer within {START_SECONDS:.0f} s")


def _free_port() -> int:
    """A port below those that the kernel gives to outgoing connections: nothing takes it before the server does."""
    while True:
        port = random.randrange(22_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _session_cpu(session: int) -> float:
    """CPU in seconds of the processes of a session, ended ones left out."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        # From the state on: session is the 4th, utime and stime the 12th and 13th (proc(5)).
        if int(fields[3]) == session:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
