"""Servers of several processes: every request is counted once, by the worker that served it."""

from __future__ import annotations

import signal
import socket
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from metrics.exposed import attributes, points
from support.program import start
from support.sink import Sink

pytestmark = pytest.mark.process

APP = """
import os
import flask

app = flask.Flask("shop")
app.get("/")(lambda: str(os.getpid()))
"""


def ask(port: int) -> int:
    """The number of the process that answers; 0 if none does yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as response:
            return int(response.read())
    except (URLError, ConnectionError):
        return 0


def counted(requests: list[Any]) -> Counter[int]:
    """What each process measured, by its newest report."""
    found: Counter[int] = Counter()
    for request in requests:
        pid = attributes(request.resource_metrics[0].resource)["process.pid"]
        found[pid] = sum(point.count for point in points([request], "http.server.request.duration"))
    return +found


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["workers import", "preload"])
def test_gunicorn(tmp_path: Path, sink: Sink, options: tuple[str, ...]) -> None:
    """Workers report what they served themselves, and the master reports nothing of theirs."""
    (tmp_path / "shop.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    bind = ("--bind", f"127.0.0.1:{port}", "-w", "2")
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "OTEL_METRIC_EXPORT_INTERVAL": "200"}
    server = start("gunicorn", *bind, *options, "shop:app", cwd=tmp_path, OTEL_METRICS_EXPORTER="otlp", **variables)
    try:
        answers: Counter[int] = Counter()
        until = time.monotonic() + 60
        while (len(answers) < 2 or answers.total() < 20) and time.monotonic() < until:
            pid = ask(port)
            if pid:
                answers[pid] += 1
            else:
                time.sleep(0.05)
        assert len(answers) == 2
        sink.wait_metrics(lambda requests: counted(requests) == answers, 60.0)
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert counted(sink.metrics) == answers
