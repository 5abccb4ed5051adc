"""What is handed to other threads, and to tasks, belongs to the span that was current where it was handed over."""

from __future__ import annotations

import asyncio
import multiprocessing.dummy
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, ContextVar, copy_context
from multiprocessing.pool import ThreadPool
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
    recorder.patch("threading", "multiprocessing.pool")
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


def ignoring(work: Callable[[], None]) -> Callable[[object], None]:
    return lambda _: work()


def by_thread_pool(work: Callable[[], None]) -> None:
    with ThreadPool(1) as pool:
        pool.apply(work)


def by_thread_pool_later(work: Callable[[], None]) -> None:
    with ThreadPool(1) as pool:
        pool.apply_async(func=work).get()


def by_thread_pool_map(work: Callable[[], None]) -> None:
    with ThreadPool(2) as pool:
        pool.map(ignoring(work), [None])


def by_thread_pool_starmap(work: Callable[[], None]) -> None:
    with ThreadPool(2) as pool:
        pool.starmap_async(work, [()]).get()


def by_thread_pool_imap(work: Callable[[], None]) -> None:
    with ThreadPool(2) as pool:
        list(pool.imap(ignoring(work), [None]))


def by_thread_pool_chunks(work: Callable[[], None]) -> None:
    with ThreadPool(2) as pool:
        list(pool.imap_unordered(ignoring(work), [None], chunksize=2))


def by_thread_pool_iterable(work: Callable[[], None]) -> None:
    with ThreadPool(1) as pool:
        list(pool.imap(id, (work() for _ in range(1))))


def by_thread_pool_callback(work: Callable[[], None]) -> None:
    done = threading.Event()

    def called(result: object) -> None:
        work()
        done.set()

    with ThreadPool(1) as pool:
        pool.apply_async(int, callback=called)
        assert done.wait(30)


def by_thread_pool_error_callback(work: Callable[[], None]) -> None:
    done = threading.Event()

    def called(result: object) -> None:
        work()
        done.set()

    with ThreadPool(1) as pool:
        pool.map_async(int, ["no number"], error_callback=called)
        assert done.wait(30)


def by_dummy_pool(work: Callable[[], None]) -> None:
    with multiprocessing.dummy.Pool(1) as pool:
        pool.apply(work)


def by_dummy_process(work: Callable[[], None]) -> None:
    process = multiprocessing.dummy.Process(target=work)
    process.start()
    process.join()


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
    by_thread_pool,
    by_thread_pool_later,
    by_thread_pool_map,
    by_thread_pool_starmap,
    by_thread_pool_imap,
    by_thread_pool_chunks,
    by_thread_pool_iterable,
    by_thread_pool_callback,
    by_thread_pool_error_callback,
    by_dummy_pool,
    by_dummy_process,
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


@pytest.mark.parametrize("way", [by_thread, by_subclass, by_timer, by_pool, by_executor, by_thread_pool])
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


def test_thread_pools_forget(patched: Recorder) -> None:
    """User-pain row 29: the threads of a `ThreadPool` have no span current but while they do that span's work."""
    with patched.tracer.start_as_current_span("first"):
        pool = ThreadPool(1)
    with pool:
        assert pool.apply(trace.get_current_span) is trace.INVALID_SPAN
        with patched.tracer.start_as_current_span("second"):
            assert pool.apply(trace.get_current_span) is trace.get_current_span()
            with pytest.raises(ValueError, match="no number"):
                pool.apply(int, ("no number",))
            with pytest.raises(TypeError, match="'int' object is not callable"):
                pool.apply(7)  # type: ignore[arg-type]
        assert pool.apply(trace.get_current_span) is trace.INVALID_SPAN


def test_pools_of_processes_take_what_can_be_pickled(patched: Recorder) -> None:
    """The functions of a pool of processes are handed over as they are; its callbacks have the context here."""
    seen: list[Any] = []
    with patched.tracer.start_as_current_span("around") as around, multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
        pool.apply_async(abs, (-3,), callback=lambda result: seen.append((result, trace.get_current_span()))).wait(60)
    assert seen == [(3, around)]


def test_shared_threads_belong_to_nobody(patched: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that a library starts for everybody does not go on for ever in the trace of who came first."""
    seen: list[Any] = []

    def serve() -> None:
        seen.append(trace.get_current_span())

    monkeypatch.setattr(serve, "__module__", "psycopg_pool.pool")
    with patched.tracer.start_as_current_span("first"):
        by_thread(serve)
    assert seen == [trace.INVALID_SPAN]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="threads take context variables since Python 3.14")
def test_variables_that_the_program_gives_a_thread(patched: Recorder) -> None:
    """User-pain row 29: a thread to which the program gave context variables has those; they stay as they were."""
    seen: list[Any] = []
    with patched.tracer.start_as_current_span("given") as given:
        own = copy_context()
    with patched.tracer.start_as_current_span("around"):
        for context_given in (own, Context()):
            thread: Any = threading.Thread(
                target=lambda: seen.append(trace.get_current_span()),
                context=context_given,  # type: ignore[call-arg]
            )
            thread.start()
            thread.join()
    assert seen == [given, trace.INVALID_SPAN]
    assert own.run(trace.get_current_span) is given


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
    from multiprocessing.dummy import Pool
    with Pool(1) as pool:
        pool.apply(tracer.start_span, ("pooled",)).end()
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
    assert parents == {"around": False, "work": not disabled, "pooled": not disabled}


INHERITING = """
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from opentelemetry.trace import get_tracer
tracer = get_tracer("own")
own = ContextVar("own")
own.set("set")
def work():
    print(own.get())
    tracer.start_span("work").end()
with ThreadPoolExecutor(1) as pool:
    with tracer.start_as_current_span("around"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        pool.submit(lambda: tracer.start_span("submitted").end()).result()
    pool.submit(lambda: tracer.start_span("later").end()).result()
"""


@pytest.mark.process
@pytest.mark.skipif(sys.version_info < (3, 14), reason="threads can inherit context variables since Python 3.14")
def test_where_python_hands_all_variables_on(sink: Sink, tmp_path: Path) -> None:
    """User-pain row 29: with `-X thread_inherit_context=1`, too, a pool's thread forgets whose span it started in."""
    program = tmp_path / "program.py"
    program.write_text(INHERITING)
    flag = ("-X", "thread_inherit_context=1")
    done = run(sys.executable, *flag, program, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    assert (done.returncode, done.stdout, done.stderr) == (0, "set\n", "")
    parents = {span["name"]: span["parent"] is not None for span in sink.spans}
    assert parents == {"around": False, "work": True, "submitted": True, "later": False}
