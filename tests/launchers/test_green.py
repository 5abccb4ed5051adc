"""gevent, eventlet, uvloop and trio: they work as untraced, export goes on, and nothing leaks between their tasks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from launchers.launched import launched, needs
from support.program import run
from support.sink import Sink

pytestmark = pytest.mark.process

#: What each greenlet does: two spans, one in the other, with a switch to the other greenlets in between.
WORK = """
from opentelemetry import trace
tracer = trace.get_tracer("own")

def work(number):
    assert trace.get_current_span() is trace.INVALID_SPAN
    with tracer.start_as_current_span(f"outer {number}"):
        PAUSE
        with tracer.start_as_current_span(f"inner {number}"):
            PAUSE
"""

GEVENT = (
    "import gevent\n"
    + WORK.replace("PAUSE", "gevent.sleep(0.01)")
    + """
gevent.joinall([gevent.spawn(work, number) for number in range(5)], raise_error=True)
"""
)
EVENTLET = (
    "import eventlet\n"
    + WORK.replace("PAUSE", "eventlet.sleep(0.01)")
    + """
[thread.wait() for thread in [eventlet.spawn(work, number) for number in range(5)]]
"""
)
THREADS = (
    WORK.replace("PAUSE", "time.sleep(0.01)")
    + """
import threading, time
threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
)
ASYNC = (
    WORK.replace("def work", "async def work").replace("PAUSE", "await anyio.sleep(0.01)")
    + """
import anyio

async def main():
    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(work, number)
"""
)

PATCH = {
    "gevent": "from gevent import monkey; monkey.patch_all()\n",
    "eventlet": "import eventlet; eventlet.monkey_patch()\n",
}
LIBRARIES = "import ssl, flask, requests, redis\n"

PROGRAMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "gevent, patched first": (PATCH["gevent"] + LIBRARIES + GEVENT, ("gevent",)),
    "gevent, patched after the API": ("import opentelemetry.trace\n" + PATCH["gevent"] + GEVENT, ("gevent",)),
    "gevent, patched after Flask": (
        "import flask\n" + PATCH["gevent"] + LIBRARIES + "ssl.create_default_context()\n" + GEVENT,
        ("gevent",),
    ),
    "gevent, threads": (PATCH["gevent"] + THREADS, ("gevent",)),
    "gevent, not patched": (LIBRARIES + GEVENT, ("gevent",)),
    "eventlet, patched first": (PATCH["eventlet"] + LIBRARIES + EVENTLET, ("eventlet",)),
    "eventlet, threads": (PATCH["eventlet"] + THREADS, ("eventlet",)),
    "asyncio": (ASYNC + 'anyio.run(main, backend="asyncio")\n', ("anyio",)),
    "uvloop": (
        ASYNC + 'anyio.run(main, backend="asyncio", backend_options={"use_uvloop": True})\n',
        ("anyio", "uvloop"),
    ),
    "trio": (ASYNC + 'anyio.run(main, backend="trio")\n', ("anyio", "trio")),
}


@pytest.mark.parametrize("case", PROGRAMS)
def test_tasks(case: str, sink: Sink, tmp_path: Path) -> None:
    """User-pain rows 12 and 29: five tasks at once make five traces of two spans each; nothing is printed."""
    code, modules = PROGRAMS[case]
    needs(*modules)
    program = tmp_path / "program.py"
    program.write_text(code)
    bare = run(sys.executable, program, traced=False)
    done = run(sys.executable, program, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    assert (done.returncode, done.stdout, done.stderr) == (bare.returncode, bare.stdout, bare.stderr)
    assert done.returncode == 0, done.stderr
    outer = {span["trace"]: span for span in sink.spans if span["name"].startswith("outer")}
    inner = {span["trace"]: span for span in sink.spans if span["name"].startswith("inner")}
    assert len(sink.spans) == 10
    assert len(outer) == 5 and outer.keys() == inner.keys()
    for trace, span in inner.items():
        assert span["parent"] == outer[trace]["id"]
        assert span["name"][-1] == outer[trace]["name"][-1]


EXPORTS = """
PATCH
import os, time
from opentelemetry import trace
tracer = trace.get_tracer("own")
tracer.start_span("first").end()
while not os.path.exists("arrived"):
    time.sleep(0.01)
tracer.start_span("second").end()
"""


@pytest.mark.parametrize("library", PATCH)
def test_export_goes_on(library: str, sink: Sink, tmp_path: Path) -> None:
    """User-pain row 12: a program whose threads and sockets are replaced exports while it runs, and at its end."""
    needs(library)
    program = tmp_path / "program.py"
    program.write_text(EXPORTS.replace("PATCH", PATCH[library]))
    with launched(sys.executable, program, cwd=tmp_path, sink=sink, OTEL_BSP_SCHEDULE_DELAY="50") as running:
        sink.wait(lambda spans: [span for span in spans if span["name"] == "first"])
        (tmp_path / "arrived").touch()
        assert running.ended() == 0
        # eventlet warns of itself.
        assert library == "eventlet" or running.lines == []
        assert not running.ours
    assert [span["name"] for span in sink.spans] == ["first", "second"]
