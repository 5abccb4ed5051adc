"""The lines of the agent on standard error: what each level says, each on one line, each once."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from support.program import ROOT, run
from support.sink import Sink
from tracing_agent.faults import DEBUG, LINES, WARN, say

PROGRAM = "import flask, requests\nflask.Flask('shop').test_client().get('/').close()\n"
SOURCES = [path for folder in ("agent", "instrumentations", "sitecustomize") for path in (ROOT / folder).rglob("*.py")]
#: Functions whose second argument is printed, and the others whose text is.
PRINTING = frozenset(("say", "write"))


def lines(sink: Sink, level: str, **variables: str) -> list[str]:
    done = run(
        sys.executable,
        "-c",
        PROGRAM,
        OTEL_LOG_LEVEL=level,
        OTEL_SERVICE_NAME="shop",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
        **variables,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


@pytest.mark.process
def test_levels(sink: Sink) -> None:
    """At the default level nothing is said where nothing is wrong; at info one line; at debug one more a library."""
    assert lines(sink, "") == []
    (line,) = [line for line in lines(sink, "info") if "tracing 'shop'" in line]
    assert line.startswith(
        "tracing-agent: info: tracing 'shop' to otlp (http/protobuf " + sink.endpoint + "/v1/traces), "
    )
    assert "sampler ParentBased{root:AlwaysOnSampler} (tracing-agent " in line
    debug = lines(sink, "debug")
    assert debug.count(line) == 1
    assert "tracing-agent: debug: flask is traced: flask was imported and patched" in debug
    assert "tracing-agent: debug: requests is traced: requests was imported and patched" in debug


@pytest.mark.process
def test_the_line_keeps_secrets(sink: Sink) -> None:
    """Credentials of the endpoint are not in the line at the start, nor is anything of the headers."""
    endpoint = sink.endpoint.replace("//", "//me:hunter2@")
    told = lines(
        sink, "info", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=endpoint + "/v1/traces", OTEL_EXPORTER_OTLP_HEADERS="a=hunter2"
    )
    assert any("tracing 'shop'" in line for line in told)
    assert "hunter2" not in str(told)


@pytest.mark.process
def test_a_line_of_losses_at_exit() -> None:
    """User-pain row 6: requests seen and nothing exported is one line at the exit, with number and reason."""
    done = run(sys.executable, "-c", PROGRAM, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    (line,) = done.stderr.splitlines()
    assert line.startswith("tracing-agent: warning: 1 span not exported (1 connection)")
    assert "connection refused" in line


def test_one_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a message holds, it is one line; said again, it is counted; above the level, it is nothing."""
    say(WARN, "a value\nof two\r\nlines")
    say(WARN, "a value\nof two\r\nlines")
    say(DEBUG, "not asked for")
    assert capsys.readouterr().err == "tracing-agent: warning: a value of two  lines\n"
    assert LINES.repeats == {"a value\nof two\r\nlines": 1}


def test_other_lines_are_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    """However many different messages there are, a bounded number of them is printed and remembered."""
    for number in range(1000):
        say(WARN, f"message {number}")
    assert len(LINES.repeats) == len(capsys.readouterr().err.splitlines()) < 500


def messages() -> list[tuple[Path, ast.Call]]:
    """Every call in the sources that prints a message of the agent."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and len(node.args) == 2:
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                level = node.args[0]
                if name in PRINTING and isinstance(level, ast.Name) and level.id in ("ERROR", "WARN", "INFO", "DEBUG"):
                    found.append((path, node))
    return found


def test_every_message() -> None:
    """Every message in the sources is one sentence on one line, begun in lower case and without a full stop."""
    found = messages()
    assert len(found) > 20
    for path, call in found:
        for text in [part.value for part in ast.walk(call.args[1]) if isinstance(part, ast.Constant)]:
            if isinstance(text, str):
                assert "\n" not in text, f"{path}:{call.lineno}"
        last = [
            part for part in ast.walk(call.args[1]) if isinstance(part, ast.Constant) and isinstance(part.value, str)
        ]
        assert not last or not str(last[-1].value).endswith((".", "!")), f"{path}:{call.lineno}"


def test_messages_that_may_repeat_are_limited() -> None:
    """What prints without remembering is only what limits itself: outages, losses, recoveries and the farewell."""
    unlimited = {
        f"{path.parent.name}/{path.name}"
        for path, call in messages()
        if isinstance(call.func, ast.Attribute) and call.func.attr == "write"
    }
    assert unlimited <= {
        "export/notices.py",
        "tracing_agent/agent.py",
        "logs/capture.py",
        "metrics/senders.py",
        "sampling/told.py",
        "tracing_agent/execs.py",
    }
