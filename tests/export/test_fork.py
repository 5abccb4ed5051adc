"""Across a fork nothing is shared: every span arrives once, from the process that began it, over its own connection."""

from __future__ import annotations

import builtins
import os
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from export.pipelines import Kept, exporting, settings, until
from export.servers import collector
from support.program import run
from support.sink import Sink
from tracing_agent.export.otlp_http import OtlpHttpExporter
from tracing_agent.export.thread import ENDS_FOR_FORK

pytestmark = pytest.mark.process

PRELUDE = """
import os, sys, threading, time
from opentelemetry import trace
from opentelemetry.trace import get_tracer_provider
tracer = trace.get_tracer("own")

def work(name, **more):
    tracer.start_span(name, **more).end()

def flush():
    assert get_tracer_provider().force_flush()

def wait(pid):
    assert os.waitpid(pid, 0)[1] == 0, "the child failed"
"""


def ran(sink: Sink, tmp_path: Path, code: str, unique: bool = True, **variables: str) -> list[Any]:
    """The spans that arrive from a program, which must end well and say nothing; ``unique``: no id comes twice."""
    program = tmp_path / "program.py"
    program.write_text(PRELUDE + code)
    # Python warns of a fork in a process with threads: of the program's own, and of ours where it is busy.
    variables.setdefault("PYTHONWARNINGS", "ignore::DeprecationWarning")
    done = run(sys.executable, program, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, **variables)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    ids = [span["id"] for span in sink.spans]
    assert not unique or len(ids) == len(set(ids)), "a span arrived twice, or two have one id"
    return sink.spans


def by_process(spans: list[Any]) -> list[list[str]]:
    """The names of the spans of each process."""
    return sorted(sorted(span["name"] for span in spans if span.pid == pid) for pid in {span.pid for span in spans})


def test_queue_and_connection(sink: Sink, tmp_path: Path) -> None:
    """What waits at the fork is the parent's; each process has a connection of its own; the parent keeps its own."""
    spans = ran(
        sink,
        tmp_path,
        """
work("before, sent")
flush()
work("before, waiting")
pid = os.fork()
if pid == 0:
    work("child")
    flush()
    work("child, at its end")
    sys.exit()
wait(pid)
work("after")
""",
    )
    assert by_process(spans) == [["after", "before, sent", "before, waiting"], ["child", "child, at its end"]]
    assert sink.connections == 2
    assert len({span["resource"]["service.instance.id"] for span in spans}) == 2


def test_connection_in_use(sink: Sink, tmp_path: Path) -> None:
    """A fork in the middle of a request leaves the request to the parent."""
    spans = ran(
        sink,
        tmp_path,
        """
work("x" * 3_000_000)
threading.Thread(target=flush).start()
pids = []
for number in range(10):
    pid = os.fork()
    if pid == 0:
        work(f"child {number}")
        flush()
        os._exit(0)
    pids.append(pid)
for pid in pids:
    wait(pid)
""",
    )
    assert len(spans) == 11 and len({span.pid for span in spans}) == 11


def test_in_flight(sink: Sink, tmp_path: Path) -> None:
    """Spans in flight at the fork come from the parent only, though the child ends them too; so do their events."""
    spans = ran(
        sink,
        tmp_path,
        """
detached = tracer.start_span("detached")
backdated = tracer.start_span("backdated", start_time=1)
with tracer.start_as_current_span("outer"):
    with tracer.start_as_current_span("inner"):
        pid = os.fork()
        work("parent's work" if pid else "child's work")
detached.end()
backdated.end()
if pid:
    wait(pid)
""",
    )
    assert by_process(spans) == [
        ["backdated", "detached", "inner", "outer", "parent's work"],
        ["child's work"],
    ]
    inner = next(span for span in spans if span["name"] == "inner")
    assert {span["parent"] for span in spans if span["name"].endswith("work")} == {inner["id"]}


def test_backdated_in_the_child(sink: Sink, tmp_path: Path) -> None:
    """A span that the child begins is its own, though it says that it started before the fork."""
    spans = ran(
        sink,
        tmp_path,
        """
enqueued = time.time_ns()
pid = os.fork()
if pid == 0:
    work("waited in a queue", start_time=enqueued)
    sys.exit()
wait(pid)
""",
    )
    assert [span["name"] for span in spans] == ["waited in a queue"]


def test_ids(sink: Sink, tmp_path: Path) -> None:
    """Children of one parent do not repeat each other's ids."""
    spans = ran(
        sink,
        tmp_path,
        """
work("parent")
pids = []
for number in range(5):
    pid = os.fork()
    if pid == 0:
        for _ in range(20):
            work("child")
        sys.exit()
    pids.append(pid)
for pid in pids:
    wait(pid)
""",
    )
    assert len({span["trace"] for span in spans}) == len(spans) == 101


def test_while_threads_record(sink: Sink, tmp_path: Path) -> None:
    """Forks while other threads record, export and ask for tracers: none hangs, in the child or in the parent."""
    spans = ran(
        sink,
        tmp_path,
        """
sys.setswitchinterval(1e-5)
done = False
counts = [0] * 4
# From Python 3.14 on the lock of `warnings`, which the SDK takes for each tracer, may stay taken in a child.
ask = trace.get_tracer if sys.version_info < (3, 14) else lambda name: tracer

def busy(index):
    while not done:
        ask(f"scope {index}").start_span("thread", attributes={"k": ["b", "a"]}).end()
        counts[index] += 1
        if counts[index] % 50 == 0:
            flush()

threads = [threading.Thread(target=busy, args=(index,)) for index in range(4)]
for thread in threads:
    thread.start()
for number in range(40):
    pid = os.fork()
    if pid == 0:
        ask("scope 0")
        with tracer.start_as_current_span("child") as span:
            span.set_attributes({str(key): key for key in range(120)})
            work("below")
        if number % 2:
            flush()
            os._exit(0)
        sys.exit()
    wait(pid)
done = True
for thread in threads:
    thread.join()
flush()
""",
        OTEL_BSP_MAX_QUEUE_SIZE="200000",
    )
    names = [span["name"] for span in spans]
    assert (names.count("child"), names.count("below")) == (40, 40)
    assert len({span.pid for span in spans}) == 41
    assert {span.pid for span in spans if span["name"] == "thread"} == {
        next(span.pid for span in spans if span["name"] == "thread")
    }


def test_pools_imported_late(sink: Sink, tmp_path: Path) -> None:
    """A program that imports thread pools after the agent started, and forks, does not hang in the child.

    From 1.44 the SDK's hook in the child runs a thread pool; the pools' lock is free there only if their module was
    imported before the hook was registered.
    """
    spans = ran(
        sink,
        tmp_path,
        """
from concurrent.futures import ThreadPoolExecutor
ThreadPoolExecutor(1).submit(work, "in a pool").result()
from opentelemetry.sdk.trace import TracerProvider
other = TracerProvider()
pid = os.fork()
if pid == 0:
    ThreadPoolExecutor(1).submit(work, "in the child's pool").result()
    sys.exit()
wait(pid)
""",
    )
    assert by_process(spans) == [["in a pool"], ["in the child's pool"]]


def test_grandchildren(sink: Sink, tmp_path: Path) -> None:
    """A child's child is a process like any other."""
    spans = ran(
        sink,
        tmp_path,
        """
work("parent")
flush()
pid = os.fork()
if pid == 0:
    work("child")
    flush()
    pid = os.fork()
    if pid == 0:
        work("grandchild")
        sys.exit()
    work("child again")
wait(pid)
""",
    )
    assert by_process(spans) == [["child", "child again"], ["grandchild"], ["parent"]]
    assert sink.connections == 3


def test_untold_fork(sink: Sink, tmp_path: Path) -> None:
    """A fork past Python, as uWSGI's, is noticed when a span ends: queue, numbers, connection and later ids are new."""
    spans = ran(
        sink,
        tmp_path,
        """
import ctypes
tracer.start_span("open")
libc = ctypes.PyDLL(None)
pids = []
for number in range(3):
    pid = libc.fork()
    if pid == 0:
        work("first")
        for _ in range(3):
            work("child")
        flush()
        os._exit(0)
    pids.append(pid)
for pid in pids:
    wait(pid)
work("parent")
""",
        unique=False,
    )
    assert by_process(spans) == [["child"] * 3 + ["first"]] * 3 + [["parent"]]
    assert len({span["id"] for span in spans if span["name"] == "child"}) == 9
    assert len({span["resource"]["service.instance.id"] for span in spans}) == 4
    assert sink.connections == 4


# -- in this process ------------------------------------------------------------------------------------------------


def test_not_while_importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork while the export thread imports waits for it: the child can import the same module.

    A child that is forked in the middle of an import would wait for ever for the import to end.
    """
    (tmp_path / "slow_module.py").write_text("import time\nstarted.set()\ntime.sleep(0.1)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    started = threading.Event()
    monkeypatch.setattr(builtins, "started", started, raising=False)

    class Importing(Kept):
        def prepare(self) -> None:
            __import__("slow_module")

    importing = Importing()
    with exporting(importing, batch=1) as running:
        running.spans("a")
        assert started.wait(10)
        running.pipeline.forking()
        pid = forked()
        if pid == 0:
            try:
                __import__("slow_module")
                os._exit(0)
            finally:
                os._exit(1)
        running.pipeline.forked_parent()
        assert ended(pid) == 0
        running.spans("b")
        assert running.pipeline.flush(10)
        assert importing.names == ["a", "b"]


def test_thread_keeps_still() -> None:
    """While the process forks the export thread does nothing, and afterwards goes on."""
    kept = Kept()
    with exporting(kept, batch=2) as running:
        running.spans("a", "b")
        until(lambda: kept.names == ["a", "b"])
        running.pipeline.forking()
        running.spans("c", "d")
        flushing = threading.Thread(target=running.pipeline.flush, args=(10,))
        if not ENDS_FOR_FORK:
            flushing.start()
            flushing.join(0.1)
            assert flushing.is_alive() and kept.names == ["a", "b"]
        running.pipeline.forked_parent()
        if ENDS_FOR_FORK:
            running.spans("e", "f")
        until(lambda: kept.names[:4] == ["a", "b", "c", "d"])
        assert running.pipeline.started and kept.prepared == 1
        if not ENDS_FOR_FORK:
            flushing.join()


@pytest.mark.skipif(not ENDS_FOR_FORK, reason="Python does not count threads at a fork")
def test_thread_is_gone() -> None:
    """While the process forks there is no export thread, so that Python does not warn of it; afterwards there is."""
    kept = Kept()
    before = set(os.listdir("/proc/self/task"))
    with exporting(kept, batch=1) as running:
        running.spans("a")
        until(lambda: kept.names == ["a"])
        for _ in range(50):
            running.pipeline.forking()
            assert set(os.listdir("/proc/self/task")) <= before and not running.pipeline.started
            running.pipeline.forked_parent()
            running.spans("b")
            until(lambda: running.health["queued"] == running.health["sending"] == 0)


def test_waiting_spans_after_a_fork() -> None:
    """What waits at a fork is exported after the delay, by the parent; with another span, where the thread ended."""
    kept = Kept()
    with exporting(kept, delay=0.2) as running:
        running.spans("a")
        running.pipeline.forking()
        running.pipeline.forked_parent()
        assert running.pipeline.started is not ENDS_FOR_FORK
        if ENDS_FOR_FORK:
            running.spans("b")
        until(lambda: kept.names == ["a", "b"][: 1 + ENDS_FOR_FORK])


@pytest.mark.parametrize("waiting", [0, 3])
def test_fork_without_a_warning(sink: Sink, tmp_path: Path, waiting: int) -> None:
    """A program of one thread is not told by Python (3.12) that it has several, also where spans wait to be sent."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os\nfrom opentelemetry import trace\n"
        "tracer = trace.get_tracer('own')\ntracer.start_span('first').end()\n"
        "trace.get_tracer_provider().force_flush()\n"
        f"for _ in range({waiting}): tracer.start_span('waits').end()\n"
        "pid = os.fork()\n"
        "if pid == 0: os._exit(0)\n"
        "os.waitpid(pid, 0)\n"
    )
    done = run(sys.executable, program, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(sink.spans) == 1 + waiting


def test_flush_while_forking() -> None:
    """A flush that comes while the thread steps aside for a fork is answered."""
    kept = Kept()
    with exporting(kept) as running:
        for number in range(200):
            running.spans(str(number))
            forking = threading.Thread(target=running.pipeline.forking)
            forking.start()
            flushing = threading.Thread(target=running.pipeline.flush, args=(10,))
            flushing.start()
            forking.join()
            running.pipeline.forked_parent()
            flushing.join(10)
            assert not flushing.is_alive() and kept.names[-1] == str(number)


def test_stalled_export_does_not_stop_a_fork() -> None:
    """An export that takes long delays a fork by a moment only, and goes on after it; later forks find the thread."""
    kept = Kept()
    kept.open.clear()
    with exporting(kept, batch=1) as running:
        running.spans("a")
        assert kept.entered.wait(10)
        for _ in range(3):
            running.pipeline.forking()
            assert running.pipeline.started
            running.pipeline.forked_parent()
        kept.open.set()
        running.spans("b")
        until(lambda: kept.names == ["a", "b"])
        running.pipeline.forking()
        running.pipeline.forked_parent()
        assert running.pipeline.flush(10)


def test_retry_goes_on_over_a_fork() -> None:
    """A batch that waits to be tried again stays with its thread, which a fork does not wait for."""

    class Retrying(Kept):
        def export(self, spans: Any, resource: Any, pace: Any) -> None:
            self.entered.set()
            self.paused = pace.pause(1.0)
            super().export(spans, resource, pace)

    retrying = Retrying()
    with exporting(retrying, batch=1) as running:
        running.spans("a")
        assert retrying.entered.wait(10)
        running.pipeline.forking()
        assert running.pipeline.started
        running.pipeline.forked_parent()
        assert running.pipeline.flush(10)
        assert retrying.names == ["a"] and retrying.paused


def test_the_childs_pipeline() -> None:
    """In the child the numbers start from nothing, the queue is empty, and the exporter let go of what it had."""
    kept = Kept()
    with exporting(kept) as running:
        running.spans("a")
        running.pipeline.flush(10)
        running.spans("b")
        queue, health, pace = running.pipeline.queue, running.pipeline.health, running.pipeline.pace
        running.pipeline.forked()
        running.provider.forked()
        assert not running.pipeline.queue and len(queue) == 1
        assert running.pipeline.health is not health and running.pipeline.pace is not pace
        assert running.health["started"] == running.health["ended"] == 0 and kept.forgotten == 1
        running.spans("c")
        running.pipeline.flush(10)
        assert kept.names == ["a", "c"]
        pace.wake()  # the old thread ends


def test_forgotten_connection() -> None:
    """The child closes the parent's socket without a word on it: the parent's connection goes on."""
    with collector() as server:
        exporter = OtlpHttpExporter(settings(EXPORTER_OTLP_ENDPOINT=server.endpoint))
        with exporting(exporter) as running:
            running.spans("a")
            running.pipeline.flush(10)
            sender: Any = exporter._sender
            descriptor = sender.transport._connection.sock.fileno()
            pid = forked()
            if pid == 0:
                sender.transport.forget()
                try:
                    os.fstat(descriptor)
                except OSError:
                    os._exit(0)
                os._exit(1)
            assert ended(pid) == 0
            running.spans("b")
            running.pipeline.flush(10)
        assert [request.connection for request in server.requests] == [1, 1]


def forked() -> int:
    """`os.fork`, which warns in a process with threads, as this one is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def ended(pid: int) -> int:
    """The status of a child; fails the test if it hangs."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    raise AssertionError("the child hangs")
