"""How servers and programs with handlers of their own end: as untraced, with their spans sent."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import pytest

from launchers.applications import write
from launchers.launched import launched, needs, served
from support.program import run
from support.sink import Sink
from tracing_agent import ending

pytestmark = pytest.mark.process

GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "shop:app"]
UVICORN = ["uvicorn", "--port", "0", "shop_async:app"]

#: The command, the signal, and what has to be installed.
SERVERS: dict[str, tuple[list[str], int, str]] = {
    "gunicorn, SIGTERM": (GUNICORN, signal.SIGTERM, "gunicorn"),
    "gunicorn, SIGINT": (GUNICORN, signal.SIGINT, "gunicorn"),
    "gunicorn, SIGQUIT": (GUNICORN, signal.SIGQUIT, "gunicorn"),
    "uvicorn, SIGTERM": (UVICORN, signal.SIGTERM, "uvicorn"),
    "uvicorn, SIGINT": (UVICORN, signal.SIGINT, "uvicorn"),
    "uvicorn --workers, SIGTERM": ([*UVICORN, "--workers", "2"], signal.SIGTERM, "uvicorn"),
    "flask run, SIGINT": (["flask", "--app", "shop", "run", "--port", "0"], signal.SIGINT, "flask"),
    "flask run, SIGTERM": (["flask", "--app", "shop", "run", "--port", "0"], signal.SIGTERM, "flask"),
}


@pytest.mark.parametrize("case", SERVERS)
def test_servers(case: str, sink: Sink, tmp_path: Path) -> None:
    """User-pain row 11: a server that is told to end does so with its own exit status, and its last spans arrive."""
    command, number, module = SERVERS[case]
    needs(module)
    statuses = []
    for traced in (True, False):
        # Flask's threads may still close what they have answered with.
        delay = "50" if module == "flask" else "5000"
        with launched(
            *command, cwd=write(tmp_path), sink=sink, traced=traced, OTEL_BSP_SCHEDULE_DELAY=delay
        ) as running:
            running.work(bool)
            if traced and module == "flask":
                sink.wait(lambda spans: len(spans) >= len(running.answers))
            statuses.append(running.stop(number))
            assert not running.ours
            if traced:
                answers = running.answers
    assert statuses[0] == statuses[1]
    if number == signal.SIGTERM or module == "flask":
        assert served(sink.spans) == answers
    else:
        # Whoever has answered and is not done yet is not waited for.
        assert served(sink.spans).items() <= answers.items()
        assert served(sink.spans)


PRELUDE = """
import asyncio, os, select, signal, sys, threading, time
{before}
from opentelemetry.trace import get_tracer
{after}
tracer = get_tracer("own")
tracer.start_span("worked").end()

def terminate():
    os.kill(os.getpid(), signal.SIGTERM)
{end}
"""

AGAIN = """
def again(number, frame):
    print("handled")
    signal.signal(number, {restored})
    os.kill(os.getpid(), number)
signal.signal(signal.SIGTERM, again)
"""

CHAINED = """
def chained(number, frame):
    print("handled", before is signal.SIG_DFL)
    if callable(before):
        before(number, frame)
    sys.exit(4)
before = signal.signal(signal.SIGTERM, chained)
"""

LATER = "threading.Timer(0.2, terminate).start()\n"

#: What comes before the agent is started, after it, and at the end.
PROGRAMS: dict[str, tuple[str, str, str]] = {
    "handler before, raises it again": (AGAIN.format(restored="signal.SIG_DFL"), "", "terminate(); time.sleep(60)"),
    "handler after, raises it again": ("", AGAIN.format(restored="0"), "terminate(); time.sleep(60)"),
    "handler after, calls the one before it": ("", CHAINED, "terminate(); time.sleep(60)"),
    "what a program sees": (
        "",
        "",
        """
print(signal.getsignal(signal.SIGTERM), signal.signal(signal.SIGTERM, signal.SIG_IGN))
terminate()
print(signal.signal(signal.SIGTERM, signal.SIG_DFL), signal.getsignal(signal.SIGTERM))
terminate(); time.sleep(60)
""",
    ),
    "asyncio's handler": (
        "",
        "",
        """
async def main():
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    terminate()
    await stopped.wait()
    tracer.start_span("stopping").end()
    print("stopped")
asyncio.run(main())
""",
    ),
    "asyncio's handler, removed": (
        "",
        "",
        """
async def main():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, print)
    loop.remove_signal_handler(signal.SIGTERM)
    terminate()
    await asyncio.sleep(60)
asyncio.run(main())
""",
    ),
    "asyncio, no handler": ("", "", "async def main(): await asyncio.sleep(60)\n" + LATER + "asyncio.run(main())"),
    "while the main thread sleeps": ("", "", LATER + "time.sleep(60)"),
    "while it waits for an event": ("", "", LATER + "threading.Event().wait()"),
    "while it joins a thread": (
        "",
        "",
        LATER + "thread = threading.Thread(target=time.sleep, args=(60,), daemon=True); thread.start(); thread.join()",
    ),
    "while it reads": ("", "", LATER + "os.read(os.pipe()[0], 1)"),
    "while it selects": ("", "", LATER + "select.select([os.pipe()[0]], [], [])"),
    "an exception in a thread": (
        "",
        "",
        "thread = threading.Thread(target=int, args=('no',)); thread.start(); thread.join(); sys.exit(3)",
    ),
    "threads outlive the main thread": (
        "",
        "",
        "threading.Timer(0.2, lambda: print(tracer.start_span('stopping').end())).start()",
    ),
}


@pytest.mark.parametrize("case", PROGRAMS)
def test_programs(case: str, sink: Sink, tmp_path: Path) -> None:
    """User-pain row 11: exit status and output are the untraced ones, whoever handles SIGTERM; all spans arrive."""
    before, after, end = PROGRAMS[case]
    program = tmp_path / "program.py"
    program.write_text(PRELUDE.format(before=before, after=after, end=end))
    traced, bare = (
        run(sys.executable, program, traced=traced, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
        for traced in (True, False)
    )
    assert (traced.returncode, traced.stdout) == (bare.returncode, bare.stdout)
    assert numbered(traced.stderr) == numbered(bare.stderr)
    names = ["worked", "stopping"] if "stopping" in end else ["worked"]
    assert [span["name"] for span in sink.spans] == names


def numbered(text: str) -> str:
    """Without what differs from run to run."""
    return re.sub(r"\d+", "0", text)


def test_a_signal_while_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that comes while the last spans are sent ends the process after them; a second one ends it at once."""
    for name in ("_calls", "_interrupted"):
        monkeypatch.setattr(ending, name, [])
    done: list[str] = []

    def last() -> None:
        ending.interrupt(lambda: done.append("first signal"))
        done.append("sent")
        ending.interrupt(lambda: done.append("second signal"))

    ending.call(lambda: done.append("sent, too"))
    ending.call(last)
    ending.run()
    assert done == ["sent", "second signal", "sent, too", "first signal"]


SILENT: dict[str, tuple[str, dict[str, str], str]] = {
    "not sampled": (
        "tracer.start_span('a').end()",
        {"OTEL_TRACES_SAMPLER": "always_off"},
        "nothing was exported: the only span belonged to traces that are not sampled; see OTEL_TRACES_SAMPLER",
    ),
    "not ended": (
        "spans = [tracer.start_span('a') for _ in range(2)]",
        {},
        "nothing was exported: 2 spans had not ended when the process did",
    ),
    "nothing begun": ("", {}, ""),
    "exported": ("tracer.start_span('a').end(); tracer.start_span('b')", {}, ""),
    "no exporter": ("tracer.start_span('a').end()", {"OTEL_TRACES_EXPORTER": "none"}, ""),
}


@pytest.mark.parametrize("case", SILENT)
def test_one_line_at_exit(case: str, sink: Sink, tmp_path: Path) -> None:
    """A process that did traced work and exported nothing says why, in one line; others end without a word."""
    code, variables, line = SILENT[case]
    program = tmp_path / "program.py"
    program.write_text(f"from opentelemetry.trace import get_tracer\ntracer = get_tracer('own')\n{code}\n")
    done = run(sys.executable, program, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, **variables)
    assert done.returncode == 0
    assert done.stderr == (f"tracing-agent: warning: {line}\n" if line else "")
    assert [span["name"] for span in sink.spans] == (["a"] if case == "exported" else [])
