"""What is handed to other threads, and to tasks, belongs to the span that was current where it was handed over."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage, context, trace

from support.program import run
from support.recorder import Recorder
from support.sink import Sink

OWN: ContextVar[str] = ContextVar("OWN", default="unset")


@pytest.fixture
def patched(recorder: Recorder) -> Iterator[Recorder]:
    """The recorder, with threads and pools patched."""
    recorder.patch("threading", "threading")
    recorder.patch("threading", "concurrent.futures.thread")
    yield recorder


def by_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def by_subclass(work: Callable[[], None]) -> None:
    class Own(threading.Thread):
        def run(self) -> None:
            work()

    thread = Own()
    thread.start()
    thread.join()


def by_timer(work: Callable[[], None]) -> None:
    timer = threading.Timer(0.0, work)
    timer.start()
    timer.join()


def by_pool(work: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def by_map(work: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1) as pool:
        list(pool.map(lambda _: work(), [None]))


def by_executor(work: Callable[[], None]) -> None:
    async def main() -> None:
        await asyncio.get_running_loop().run_in_executor(None, work)

    asyncio.run(main())


def by_to_thread(work: Callable[[], None]) -> None:
    asyncio.run(asyncio.to_thread(work))


def by_task(work: Callable[[], None]) -> None:
    async def task() -> None:
        work()

    async def main() -> None:
        await asyncio.create_task(task())

    asyncio.run(main())


def by_thread_in_a_thread(work: Callable[[], None]) -> None:
    by_thread(lambda: by_thread(work))


WAYS = [
    by_thread,
    by_subclass,
    by_timer,
    by_pool,
    by_map,
    by_executor,
    by_to_thread,
    by_task,
    by_thread_in_a_thread,
]


@pytest.mark.parametrize("way", WAYS)
def test_goes_along(way: Callable[[Callable[[], None]], None], patched: Recorder) -> None:
    """User-pain row 29: work in another thread or task has the span around it as its parent, and its baggage."""
    seen = []

    def work() -> None:
        seen.append(baggage.get_baggage("k"))
        patched.tracer.start_span("work").end()

    token = context.attach(baggage.set_baggage("k", "v"))
    with patched.tracer.start_as_current_span("around"):
        way(work)
    context.detach(token)
    work_span, around = patched.spans()
    assert (work_span["name"], work_span["parent"], work_span["trace"]) == ("work", around["id"], around["trace"])
    assert seen == ["v"]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_to_take_along(way: Callable[[Callable[[], None]], None], patched: Recorder) -> None:
    """Work that is handed over outside of any span begins a trace of its own."""
    way(lambda: patched.tracer.start_span("work").end())
    (span,) = patched.spans()
    assert span["parent"] is None


@pytest.mark.parametrize("way", [by_thread, by_subclass, by_timer, by_pool, by_executor])
def test_own_variables_stay(way: Callable[[Callable[[], None]], None], patched: Recorder) -> None:
    """A context variable of the program is in a new thread what it is untraced: unset."""
    seen = []
    token = OWN.set("set")
    with patched.tracer.start_as_current_span("around"):
        way(lambda: seen.append(OWN.get()))
    OWN.reset(token)
    assert seen == ["unset"]


def test_pools_forget(patched: Recorder) -> None:
    """User-pain row 29: a pool's thread has no span current but while it does that span's work, whoever started it."""
    with ThreadPoolExecutor(1) as pool:
        with patched.tracer.start_as_current_span("first"):
            pool.submit(int).result()
        with patched.tracer.start_as_current_span("second"):
            assert pool.submit(trace.get_current_span).result() is trace.get_current_span()
            failed = pool.submit(int, "no number")
            assert isinstance(failed.exception(), ValueError)
        assert pool.submit(trace.get_current_span).result() is trace.INVALID_SPAN


def test_shared_threads_belong_to_nobody(patched: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that a library starts for everybody does not go on for ever in the trace of who came first."""
    seen: list[Any] = []

    def serve() -> None:
        seen.append(trace.get_current_span())

    monkeypatch.setattr(serve, "__module__", "psycopg_pool.pool")
    with patched.tracer.start_as_current_span("first"):
        by_thread(serve)
    assert seen == [trace.INVALID_SPAN]


def test_looks_as_before(patched: Recorder) -> None:
    """What an application sees of a thread or a pool's future is what it sees untraced."""
    with patched.tracer.start_as_current_span("around"):
        thread = threading.Thread(target=int)
        before = set(vars(thread))
        thread.start()
        thread.join()
    assert set(vars(thread)) <= before | {"_context"}
    assert threading.Thread.start.__qualname__ == "Thread.start"
    with ThreadPoolExecutor(1) as pool:
        error = pool.submit(int, "no number").exception()
    assert error is not None and error.__traceback__ is not None
    frames = []
    traceback: Any = error.__traceback__
    while traceback is not None:
        frames.append(traceback.tb_frame.f_code.co_filename)
        traceback = traceback.tb_next
    assert not [frame for frame in frames if "tracing_" in frame]


PROGRAM = """
import threading
from opentelemetry.trace import get_tracer
tracer = get_tracer("own")
def work():
    tracer.start_span("work").end()
with tracer.start_as_current_span("around"):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""


@pytest.mark.process
@pytest.mark.parametrize("disabled", ["", "threading"])
def test_in_a_program(disabled: str, sink: Sink, tmp_path: Path) -> None:
    """Threads are patched when the agent starts, unless OTEL_PYTHON_DISABLED_INSTRUMENTATIONS names them."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    variables = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": disabled} if disabled else {}
    done = run(sys.executable, program, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, **variables)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    parents = {span["name"]: span["parent"] is not None for span in sink.spans}
    assert parents == {"around": False, "work": not disabled}
