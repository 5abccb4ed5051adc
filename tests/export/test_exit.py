"""The end of a process: what was recorded is sent, nobody waits long for it, and what was lost is one line."""

from __future__ import annotations

import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from export.servers import black_hole, closed_port
from support.program import run, start
from support.sink import Sink

pytestmark = pytest.mark.process

#: Far more than the 2 seconds that the end may take: for "it does not hang", not a measurement.
HANGS = 10.0

ENDINGS = {
    "normal": ("", 0),
    "sys.exit": ("sys.exit(3)", 3),
    "exception": ("raise ValueError('mine')", 1),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)", -signal.SIGTERM),
    "SIGTERM, own handler": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)",
        7,
    ),
    "SIGINT": ("os.kill(os.getpid(), signal.SIGINT); time.sleep(30)", -signal.SIGINT),
    "daemon threads": ("[threading.Thread(target=record, daemon=True).start() for _ in range(4)]; time.sleep(0.05)", 0),
}

PROGRAM = """
import atexit, os, signal, sys, threading, time

def late():
    tracer.start_span("at exit").end()

atexit.register(late)
from opentelemetry import trace
tracer = trace.get_tracer("own")

def record():
    while True:
        tracer.start_span("thread").end()
        time.sleep(0.001)

tracer.start_span("worked").end()
{end}
"""


def written(tmp_path: Path, end: str) -> Path:
    """The program that ends so."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(end=end))
    return program


def agents(stderr: str) -> list[str]:
    """The agent's own lines."""
    return [line for line in stderr.splitlines() if line.startswith("tracing-agent")]


@pytest.mark.parametrize("ending", ENDINGS)
def test_collector_answers(ending: str, sink: Sink, tmp_path: Path) -> None:
    """Every finished span arrives, also that of an `atexit` handler which was registered before the agent began."""
    end, status = ENDINGS[ending]
    done = run(
        sys.executable,
        written(tmp_path, end),
        timeout=60,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
    )
    assert done.returncode == status
    names = {span["name"] for span in sink.spans}
    # A signal that ends the process runs no handlers.
    assert names - {"thread"} == ({"worked"} if status == -signal.SIGTERM else {"worked", "at exit"})
    assert "Traceback" not in done.stderr or ending in ("exception", "SIGINT")
    # What daemon threads end at the very end is lost, and said to be; nothing else is.
    said = " ".join(agents(done.stderr))
    assert not said or (ending == "daemon threads" and re.search(r"not exported \([\d, a-z]+\)", said))


@pytest.mark.parametrize("dead", ["refused", "black hole"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_collector_is_dead(ending: str, dead: str, tmp_path: Path) -> None:
    """A collector that refuses, or never answers: the exit status is the same, in time, with one line of losses.

    user-pain row 11: a dead collector does not keep the program from ending.
    """
    end, status = ENDINGS[ending]
    with black_hole() as hole:
        port = hole if dead == "black hole" else closed_port()
        began = time.monotonic()
        done = run(
            sys.executable,
            written(tmp_path, end),
            timeout=60,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
        )
        took = time.monotonic() - began
    assert took < HANGS
    assert done.returncode == status
    (line,) = [line for line in agents(done.stderr) if "span queue full" not in line]
    assert "not exported (" in line
    if ending == "normal":
        reason = "connection" if dead == "refused" else "timeout"
        pending = f"(2 not sent before the exit); http://127.0.0.1:{port}/v1/traces has not answered"
        assert f"(2 {reason}" in line or (dead == "black hole" and pending in line)


def test_budget_can_be_lowered(tmp_path: Path) -> None:
    """OTEL_BSP_EXPORT_TIMEOUT below 2 s is what the end may take."""
    with black_hole() as port:
        done = run(
            sys.executable,
            written(tmp_path, ""),
            timeout=60,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
            OTEL_BSP_EXPORT_TIMEOUT="50",
        )
    assert done.returncode == 0
    (line,) = agents(done.stderr)
    assert "2 spans not exported" in line


def test_first_span_at_the_end(sink: Sink, tmp_path: Path) -> None:
    """A program whose first span ends while it exits, when no thread can be started any more (3.12), sends it."""
    program = tmp_path / "program.py"
    program.write_text(
        "import atexit\nfrom opentelemetry import trace\n"
        "tracer = trace.get_tracer('own')\n"
        "atexit.register(lambda: tracer.start_span('at exit').end())\n"
    )
    done = run(sys.executable, program, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    assert (done.returncode, done.stderr) == (0, "")
    assert [span["name"] for span in sink.spans] == ["at exit"]


def test_after_an_own_shutdown(sink: Sink, tmp_path: Path) -> None:
    """Spans that end after the program shut the provider down are lost, and said to be at the end."""
    program = tmp_path / "program.py"
    program.write_text(
        "from opentelemetry import trace\n"
        "tracer = trace.get_tracer('own')\n"
        "tracer.start_span('in time').end()\n"
        "trace.get_tracer_provider().shutdown()\n"
        "tracer.start_span('late').end()\n"
    )
    done = run(sys.executable, program, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    assert [span["name"] for span in sink.spans] == ["in time"]
    assert done.stderr == "tracing-agent: warning: 1 span not exported (1 after shutdown)\n"


def test_terminated_while_exporting(sink: Sink, tmp_path: Path) -> None:
    """SIGTERM in the middle of a stalled export: the process ends, by the signal."""
    program = tmp_path / "program.py"
    program.write_text(
        "import time\nfrom opentelemetry import trace\n"
        "tracer = trace.get_tracer('own')\n"
        "for _ in range(600):\n    tracer.start_span('a').end()\n"
        "print('ready', flush=True)\ntime.sleep(60)\n"
    )
    with black_hole() as port:
        process: Any = start(sys.executable, program, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    (line,) = agents(stderr)
    assert line.startswith("tracing-agent: warning: 600 spans not exported (")


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json", "grpc"])
def test_nothing_to_say(protocol: str, tmp_path: Path) -> None:
    """A program without spans ends without a word, a thread or a connection, whatever the protocol."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\nfrom opentelemetry import trace\nassert 'http.client' not in sys.modules\n"
        "assert 'grpc' not in sys.modules\nprint(len(sys._current_frames()))\n"
    )
    done = run(sys.executable, program, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


@pytest.mark.skipif(sys.version_info < (3, 13), reason="interpreters cannot be made from Python in this way")
def test_an_interpreter_that_ends(sink: Sink) -> None:
    """An interpreter beside the main one, as mod_wsgi makes them, ends as untraced, and its spans arrive."""
    work = "from opentelemetry import trace; trace.get_tracer('own').start_span({name!r}).end()"
    code = f"""
import _interpreters
beside = _interpreters.create()
assert _interpreters.exec(beside, {work.format(name="beside")!r}) is None
_interpreters.destroy(beside)
{work.format(name="main")}
"""
    done = run(sys.executable, "-c", code, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(span["name"] for span in sink.spans) == ["beside", "main"]
