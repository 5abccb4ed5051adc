"""A real Prometheus scrapes the shop, and a server of several workers: one endpoint for each process."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from services.daemon import Daemon, free_port
from services.plugin import do_without
from services.service import Service, folder_for
from support.program import ROOT, environment, start

SHOP = ROOT / "examples" / "shop"
SERVED = "http_server_request_duration_seconds_count"
PATIENCE = 60.0
# The endpoints of a test: more than it has processes.
PORTS = 8
WORKERS = 3
APP = """
import os
from flask import Flask
app = Flask(__name__)
app.get("/hello/<name>")(lambda name: str(os.getpid()))
"""


class Prometheus(Service):
    """A server that scrapes ``PORTS`` ports from ``first`` on, every 300 ms."""

    title = "Prometheus"

    def __init__(self, first: int) -> None:
        program = shutil.which("prometheus")
        if program is None:
            do_without("not run: Prometheus tests, because it was not found; install Debian's package prometheus")
        folder = folder_for("prometheus")
        targets = [f"127.0.0.1:{port}" for port in range(first, first + PORTS)]
        configuration = {
            "global": {"scrape_interval": "300ms"},
            "scrape_configs": [{"job_name": "shop", "static_configs": [{"targets": targets}]}],
        }
        # JSON is YAML.
        (folder / "prometheus.yaml").write_text(json.dumps(configuration))
        port = free_port()
        argv = [
            *(program, f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}"),
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        daemon = Daemon("prometheus", argv, folder, ready=b"Server is ready to receive web requests")
        super().__init__("127.0.0.1", port, folder, daemon)

    def values(self, expression: str) -> dict[str, float]:
        """The samples of an expression, by instance (empty for a sum over all)."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            found = json.load(answer)["data"]["result"]
        return {sample["metric"].get("instance", ""): float(sample["value"][1]) for sample in found}

    def wait(self, expression: str, wanted: float) -> None:
        """Wait until the one sample of an expression has a value; fails the test if that does not come."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.values(expression)) != {"": wanted}:
            assert time.monotonic() < deadline, (expression, found, self.values(SERVED))
            time.sleep(0.1)


@pytest.fixture
def first() -> int:
    """The first of ``PORTS`` free ports in a row."""
    return free_port(*range(1, PORTS))


def measured(first: int, **variables: str) -> dict[str, str]:
    """The variables of a program whose processes take ports from ``first`` on."""
    return {
        "OTEL_METRICS_EXPORTER": "prometheus",
        "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(first),
        "OTEL_TRACES_EXPORTER": "none",
        **variables,
    }


@contextmanager
def running(process: Any) -> Iterator[Any]:
    """A program, ended in good order; what it has printed is read to the end."""
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)


def test_the_shop(first: int) -> None:
    """The shop's services are scraped: each route has been served as often as its traffic says."""
    with Prometheus(first) as prometheus:
        prometheus.start()
        with running(start(sys.executable, SHOP / "run.py", "--serve", **measured(first))) as shop:
            (url,) = re.findall(r"http://[\d.:]+", shop.stdout.readline())
            command = [sys.executable, SHOP / "traffic.py", url]
            done = subprocess.run(
                command, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            prometheus.wait(f'sum({SERVED}{{http_route="/carts/<customer>/checkout"}})', 4)
            prometheus.wait(f'sum({SERVED}{{http_route="/carts/<customer>/checkout",error_type="502"}})', 1)
            prometheus.wait(f'sum({SERVED}{{http_route="/charges"}})', 4)
            # An endpoint for each of the three services' processes that serve.
            prometheus.wait(f"count(count by (instance) ({SERVED}))", 3)


def test_several_workers(first: int, tmp_path: Path) -> None:
    """Under gunicorn each worker has an endpoint of its own, and together they have every request once."""
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    command = ("gunicorn", "app:app", f"--workers={WORKERS}", f"--bind=127.0.0.1:{port}")
    with Prometheus(first) as prometheus:
        prometheus.start()
        with running(start(*command, cwd=tmp_path, **measured(first))):
            reach(port)
            count = ask_all(port)
            prometheus.wait(f'sum({SERVED}{{http_route="/hello/<name>",http_response_status_code="200"}})', count)
            ports = {int(instance.rpartition(":")[2]) for instance in prometheus.values("up == 1")}
            assert ports == {first + number for number in range(WORKERS)}


def ask_all(port: int) -> int:
    """Ask, a connection each, until every worker has answered: the system may give all connections to one of them.

    The number of requests.
    """
    count, pids = 0, set()
    deadline = time.monotonic() + PATIENCE
    with ThreadPoolExecutor(2 * WORKERS) as clients:
        while len(pids) < WORKERS:
            assert time.monotonic() < deadline, f"{count} requests were answered by {len(pids)} workers"
            pids |= set(clients.map(lambda number: ask(port, number), range(count, count + 20)))
            count += 20
    return count


def ask(port: int, number: int) -> bytes:
    """The answer to a request: who served it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/hello/{number}", timeout=PATIENCE) as answer:
        assert answer.status == 200
        served: bytes = answer.read()
        return served


def reach(port: int) -> None:
    """Wait until something listens; it is asked nothing."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
            return
        except (OSError, URLError):
            assert time.monotonic() < deadline
            time.sleep(0.05)
