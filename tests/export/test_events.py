"""The agent's own events: what an operator's programs read of them, and how rarely what comes often is said."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from support.program import run
from support.sink import Sink
from tracing_agent import faults
from tracing_agent.faults import LINES, WARN, Rarely

PROGRAM = """
from flask import Flask

app = Flask(__name__)

@app.get("/")
def root():
    return "ok"

client = app.test_client()
for _ in range(3):
    client.get("/", headers={"traceparent": "nonsense"}).get_data()
"""


def events(tmp_path: Path, sink: Sink, **variables: str) -> list[dict[str, Any]]:
    """What a program's agent says as JSON, one object a line."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = run(
        sys.executable,
        program,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
        OTEL_PYTHON_AGENT_LOG_FORMAT="json",
        OTEL_SERVICE_NAME="events",
        **variables,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.process
def test_every_event(sink: Sink, tmp_path: Path) -> None:
    """At debug level the start, each decision, what came in malformed and each batch are objects with their fields."""
    found = events(tmp_path, sink, OTEL_LOG_LEVEL="debug")
    by_event = {line["event"]: line for line in found if "event" in line}
    assert {"started", "sampling decision", "context propagation failure", "batch exported"} <= set(by_event)
    assert all({"time", "level", "logger", "pid", "message"} <= set(line) for line in found)
    assert by_event["started"]["exporters"] == "otlp" and by_event["started"]["level"] == "info"
    assert by_event["sampling decision"]["decision"] == "sampled"
    assert {span["trace"] for span in sink.spans} == {
        line["trace"] for line in found if line.get("event") == "sampling decision"
    }
    assert (by_event["batch exported"]["count"], by_event["batch exported"]["exporter"]) == (3, "spans")
    assert by_event["context propagation failure"]["direction"] == "in"


@pytest.mark.process
def test_malformed_context_is_said_once(sink: Sink, tmp_path: Path) -> None:
    """By default three malformed headers are one warning, which shows the value; nothing else is said."""
    (line,) = events(tmp_path, sink)
    assert line["level"] == "warning" and "'nonsense'" in line["message"] and line["count"] == 1


def test_rarely(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What comes often is a line at first, and then at most one in a period, which says how many there were."""
    monkeypatch.setattr(LINES, "repeats", {})
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    often = Rarely(WARN, "an event")
    for _ in range(5):
        often.say("it came")
    assert capsys.readouterr().err == "tracing-agent: warning: it came\n"
    now[0] += faults.PERIOD
    often.say("it came")
    assert capsys.readouterr().err == "tracing-agent: warning: it came (4 more since the last such line)\n"
    assert LINES.repeats["an event"] == 6
