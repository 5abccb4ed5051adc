"""How traced programs end: as they do untraced, with their spans sent, whether or not anybody listens."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from subprocess import PIPE, Popen

import pytest

from support.program import TRACING_RUN, environment, start
from support.sink import Sink

pytestmark = pytest.mark.process

WORK = """
import atexit, os, signal, sys, threading, time

def handler(number, frame):
    print("handled", number)
    sys.exit(5)

{before}
from opentelemetry.trace import get_tracer
{after}
with get_tracer("own").start_as_current_span("worked"):
    pass
atexit.register(print, "at exit")
print("ready", flush=True)
{end}
"""

# Not signal.pause() or one long sleep, during which a signal that came just before it would wait.
WAIT = "while True: time.sleep(0.01)"
HANDLER = "signal.signal(signal.SIGTERM, handler)"

ENDINGS = {
    "the end": ("", "", ""),
    "sys.exit": ("", "", "sys.exit(3)"),
    "an exception": ("", "", "raise ValueError('no')"),
    "a daemon thread": ("", "", "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"),
    "SIGTERM": ("", "", WAIT),
    "SIGINT": ("", "", WAIT),
    "SIGTERM with a handler set before": (HANDLER, "", WAIT),
    "SIGTERM with a handler set after": ("", HANDLER, WAIT),
    "SIGTERM ignored": ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "", "os.kill(os.getpid(), signal.SIGTERM)"),
}


def ended(process: Popen[str], number: int | None) -> tuple[int, str, str]:
    """Exit code and output of a program that is sent this signal once it is ready."""
    assert process.stdout is not None
    assert process.stderr is not None
    with guarded(process):
        assert process.stdout.readline() == "ready\n"
        if number is not None:
            process.send_signal(number)
        # Not communicate(), which would miss what readline() has read ahead.
        return process.wait(), process.stdout.read(), process.stderr.read()


@contextmanager
def guarded(process: Popen[str]) -> Iterator[None]:
    """Kill a program that hangs, which fails its test, and close its pipes at the end."""
    guard = threading.Timer(60, process.kill)
    guard.start()
    try:
        yield
    finally:
        guard.cancel()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.mark.parametrize("case", ENDINGS)
def test_an_ending(case: str, sink: Sink, tmp_path: Path) -> None:
    """User-pain row 11: however a program ends, its spans arrive; its exit status, output and handlers are its own."""
    before, after, end = ENDINGS[case]
    program = tmp_path / "program.py"
    program.write_text(WORK.format(before=before, after=after, end=end))
    number = getattr(signal, case[:7].rstrip()) if WAIT in end else None
    traced, bare = (
        ended(
            start(sys.executable, program, traced=traced, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint),
            number,
        )
        for traced in (True, False)
    )
    if case == "SIGINT":  # the place in the code where it came may differ
        traced, bare = ((code, out, err.splitlines()[-1]) for code, out, err in (traced, bare))
    assert traced == bare
    assert [span["name"] for span in sink.wait(len)] == ["worked"]


def test_a_collector_that_never_answers(tmp_path: Path) -> None:
    """User-pain row 11: a collector that takes a connection and never answers does not keep the program from ending."""
    program = tmp_path / "program.py"
    program.write_text(WORK.format(before="", after="", end=""))
    with create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        code, out, err = ended(start(sys.executable, program, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint), None)
    assert (code, out) == (0, "at exit\n")
    assert err.count("\n") == 1
    assert "not exported" in err


LOOP = """
import sys
from opentelemetry.trace import get_tracer
for name in sys.stdin:
    with get_tracer("own").start_as_current_span(name.strip()):
        pass
    print("done", flush=True)
"""


def test_a_collector_that_comes_later(tmp_path: Path) -> None:
    """User-pain row 25: a collector that is down is one line, and one line when it is back; never a traceback."""
    absent = Sink()
    absent.close()
    program = tmp_path / "program.py"
    program.write_text(LOOP)
    process = Popen(
        [*TRACING_RUN, sys.executable, program],
        env=environment(OTEL_EXPORTER_OTLP_ENDPOINT=absent.endpoint, OTEL_BSP_SCHEDULE_DELAY="50"),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None

    def work(name: str) -> None:
        process.stdin.write(f"{name}\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        assert process.stdout.readline() == "done\n"  # type: ignore[union-attr]

    with guarded(process):
        work("early")
        assert "cannot export spans" in process.stderr.readline()
        work("early")
        present = Sink(absent.port)
        try:
            work("late")
            present.wait(lambda spans: [span for span in spans if span["name"] == "late"])
            process.stdin.close()
            assert process.wait() == 0
            err = process.stderr.read()
        finally:
            present.close()
    assert err.count("\n") == 1 + ("not exported" in err)
    assert "Traceback" not in err
