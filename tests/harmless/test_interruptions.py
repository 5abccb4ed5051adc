"""Exceptions pass through every driver untouched, and end the span; being told to stop is no error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from opentelemetry.trace import SpanKind

from servers.asking import Ask, environ_of, scope_of
from support.recorder import Recorder
from tracing_agent.drivers import asgi, exchange, rewritten, wsgi
from tracing_agent.drivers.attempts import Attempts
from tracing_agent.drivers.batches import polled
from tracing_agent.drivers.beside import async_noticed, async_silenced, noticed, silenced
from tracing_agent.drivers.call import call, coroutine, noted, outgoing
from tracing_agent.drivers.completed import completed
from tracing_agent.drivers.consuming import Consumers
from tracing_agent.drivers.deferred import Deferred
from tracing_agent.drivers.outcome import outcome
from tracing_agent.drivers.request import request
from tracing_agent.drivers.routed import route
from tracing_agent.drivers.sending import Client
from tracing_agent.drivers.steps import async_block, async_generator, block, generator
from tracing_agent.drivers.task import task
from tracing_agent.drivers.told import told
from tracing_agent.faults import Breaker
from tracing_agent.operation import Operation
from tracing_agent.semconv import messaging
from tracing_agent.trace.sdk import current

BREAKER = Breaker("interrupted")
WORK = Operation("interrupted", "work", breaker=BREAKER)
SERVE = Operation("interrupted", "serve", SpanKind.SERVER, breaker=BREAKER)
FAILED: dict[str, str] = {"error.type": "ValueError"}
STOPS = (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError)


class Requests(Client):
    """Nothing is known of a request."""

    def url(self, request: Any) -> str:
        return "http://shop.example/"

    def start(self, span: Any, request: Any) -> None:
        pass

    def end(self, span: Any, response: Any) -> None:
        pass


class Consumer:
    """What the drivers of consumers take for one."""


def same(carrier: Any, identity: Any, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
    return args


def nothing(*args: Any, **kwargs: Any) -> None:
    pass


def failing(span: Any, given: Any, error: BaseException) -> None:
    from tracing_agent.semconv.errors import failed

    failed(span, error)


def failing_call(span: Any, error: BaseException) -> None:
    failing(span, None, error)


ATTEMPTS = Attempts(WORK, Requests)
CONSUMERS = Consumers(WORK, nothing, lambda message: (), lambda consumer: (messaging.Client("c", None, None), 60.0))


class Work:
    """Functions of every shape, which raise ``error``."""

    error: BaseException = ValueError("work")

    def function(self, *args: Any, **kwargs: Any) -> Any:
        raise self.error

    async def coroutine(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        raise self.error

    def generator(self, *args: Any, **kwargs: Any) -> Iterator[int]:
        yield 1
        raise self.error

    async def async_generator(self, *args: Any, **kwargs: Any) -> AsyncIterator[int]:
        yield 1
        raise self.error

    @contextmanager
    def block(self, *args: Any, **kwargs: Any) -> Iterator[int]:
        yield 1

    @asynccontextmanager
    async def async_block(self, *args: Any, **kwargs: Any) -> AsyncIterator[int]:
        yield 1


def consumed(drive: Any) -> Callable[[Any, Any], Any]:
    return lambda original, engine: drive(lambda self, *args: original(), engine)


#: By driver: how it wraps, the shape of what it wraps, what that is called with, and whether there is a span.
FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...], bool]] = {
    "call": (call(WORK, nothing), (), True),
    "outgoing": (outgoing(WORK, nothing, nothing, same, nothing), (), True),
    "rewritten": (rewritten.call(WORK, nothing, carry=same), (), True),
    "exchange": (exchange.call(WORK, nothing, nothing, failing), (), True),
    "exchange-holds": (exchange.call(WORK, nothing, nothing, failing, True), (), True),
    "deferred": (Deferred(WORK, nothing, nothing, failing_call).call, (None,), True),
    "deferred-carried": (Deferred(WORK, nothing, nothing, failing_call, lambda *a: (a[2:], {})).call, (None,), True),
    "attempt": (ATTEMPTS.attempt, (None, None), True),
    "request": (
        lambda original, engine: request(WORK, Requests)(ATTEMPTS.attempt(original, engine), engine),
        (0, 0),
        True,
    ),
    "polled": (consumed(polled(WORK, CONSUMERS, nothing, failing_call)), (Consumer(),), False),
    "next": (consumed(CONSUMERS.next), (Consumer(),), False),
    "close": (consumed(CONSUMERS.close), (Consumer(),), False),
    "wsgi": (wsgi.server(SERVE, lambda app: False), (None, environ_of(Ask("/")), nothing), True),
    "noted": (noted(BREAKER, nothing), (), False),
    "noticed": (noticed(BREAKER, nothing), (None,), False),
    "told": (told(BREAKER, nothing, nothing), (None,), False),
    "outcome": (outcome(BREAKER, nothing), (), False),
    "completed": (completed(BREAKER, lambda self, kwargs: kwargs), (None,), False),
    "silenced": (silenced, (), False),
}
COROUTINES: dict[str, tuple[Any, tuple[Any, ...], bool]] = {
    "coroutine": (coroutine(WORK, nothing), (), True),
    "rewritten": (rewritten.coroutine(WORK, nothing, carry=same), (), True),
    "exchange": (exchange.coroutine(WORK, nothing, nothing, failing), (), True),
    "exchange-holds": (exchange.coroutine(WORK, nothing, nothing, failing, True), (), True),
    "asgi": (asgi.server(SERVE, lambda app: False), (None, scope_of(Ask("/")), nothing, nothing), True),
    "task": (task(WORK, lambda: True, nothing), (None,), True),
    "route": (route(BREAKER, nothing, ()), (None, {}, nothing, nothing), False),
    "noticed": (async_noticed(BREAKER, nothing), (None,), False),
    "silenced": (async_silenced, (), False),
}


@pytest.fixture(params=[ValueError, StopIteration, *STOPS], ids=lambda kind: kind.__name__)
def error(request: pytest.FixtureRequest) -> BaseException:
    """What is raised."""
    raised: BaseException = request.param("work")
    return raised


@pytest.fixture(params=[ValueError, *STOPS], ids=lambda kind: kind.__name__)
def awaited(request: pytest.FixtureRequest) -> BaseException:
    """What is raised where Python makes another one of `StopIteration`."""
    raised: BaseException = request.param("work")
    return raised


def of(error: BaseException) -> Work:
    work = Work()
    work.error = error
    return work


def check(recorder: Recorder, raised: BaseException, error: BaseException, spanned: bool) -> None:
    """It is the very exception, nothing was added to it, and the span is ended as the exception has it."""
    assert raised is error
    assert (error.__cause__, error.__context__, getattr(error, "__notes__", None)) == (None, None, None)
    assert not current()
    if not spanned:
        assert [span["status"] for span in recorder.spans() if isinstance(error, STOPS)] == []
        return
    (span,) = recorder.spans()
    if isinstance(error, STOPS):
        assert span["status"] == "UNSET"
        assert "error.type" not in span["attributes"]
        assert "events" not in span
    else:
        assert span["status"] == ("ERROR", "work") or span["kind"] == "SERVER"
        assert span["attributes"]["error.type"] == type(error).__name__


@pytest.mark.parametrize("driver", FUNCTIONS)
def test_functions(recorder: Recorder, driver: str, error: BaseException) -> None:
    """A function's exception leaves its driver as it is; the span has it as an error only if it is one."""
    wrap, args, spanned = FUNCTIONS[driver]
    args = tuple(dict(arg) if isinstance(arg, dict) else arg for arg in args)
    wrapped = wrap(of(error).function, recorder.engine)
    with pytest.raises(type(error)) as caught:
        wrapped(*args)
    check(recorder, caught.value, error, spanned)


@pytest.mark.parametrize("driver", COROUTINES)
def test_coroutines(recorder: Recorder, driver: str, awaited: BaseException) -> None:
    """The same of a coroutine function, stepped by hand as a loop does."""
    wrap, args, spanned = COROUTINES[driver]
    args = tuple(dict(arg) if isinstance(arg, dict) else arg for arg in args)
    stepped = wrap(of(awaited).coroutine, recorder.engine)(*args)
    stepped.send(None)
    with pytest.raises(type(awaited)) as caught:
        stepped.send(None)
    check(recorder, caught.value, awaited, spanned)


@pytest.mark.parametrize("driver", COROUTINES)
def test_cancelled(recorder: Recorder, driver: str) -> None:
    """A task that is cancelled is cancelled, with its message, and its span is ended without an error."""
    wrap, args, spanned = COROUTINES[driver]
    args = tuple(dict(arg) if isinstance(arg, dict) else arg for arg in args)

    async def forever(*args: Any) -> None:
        await asyncio.get_running_loop().create_future()

    async def cancelled(call: Any) -> str:
        running = asyncio.create_task(call(*args))
        await asyncio.sleep(0)
        running.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as caught:
            await running
        assert running.cancelled()
        return str(caught.value)

    async def main() -> None:
        # Python 3.10 loses the message on the way out of a task.
        assert await cancelled(wrap(forever, recorder.engine)) == await cancelled(forever)

    asyncio.run(main())
    assert [span["status"] for span in recorder.spans()] == ["UNSET"] * spanned


@pytest.mark.parametrize("driver", COROUTINES)
def test_closed_coroutines(recorder: Recorder, driver: str) -> None:
    """A coroutine that is closed before its end ends quietly, and so does its span."""
    wrap, args, spanned = COROUTINES[driver]
    args = tuple(dict(arg) if isinstance(arg, dict) else arg for arg in args)
    stepped = wrap(Work().coroutine, recorder.engine)(*args)
    stepped.send(None)
    stepped.close()
    assert [span["status"] for span in recorder.spans()] == ["UNSET"] * spanned
    assert not current()


def test_generators(recorder: Recorder, error: BaseException) -> None:
    """A generator's exceptions leave it as they are, thrown in from outside as well; closed, it ends quietly."""
    work = of(error)
    kind: type[BaseException] = RuntimeError if isinstance(error, StopIteration) else type(error)
    wrapped = generator(WORK, nothing)(work.generator, recorder.engine)
    with pytest.raises(kind) as caught:
        list(wrapped())
    if kind is not RuntimeError:
        check(recorder, caught.value, error, True)
    thrown = wrapped()
    next(thrown)
    with pytest.raises(kind):
        thrown.throw(error)
    closed = wrapped()
    next(closed)
    recorder.spans()
    closed.close()
    (span,) = recorder.spans()
    assert span["status"] == "UNSET"


def test_async_generators(recorder: Recorder, awaited: BaseException) -> None:
    """The same of an asynchronous generator."""
    wrapped = async_generator(WORK, nothing)(of(awaited).async_generator, recorder.engine)
    source = wrapped()
    with pytest.raises(StopIteration):
        source.__anext__().send(None)
    with pytest.raises(type(awaited)) as caught:
        source.__anext__().send(None)
    check(recorder, caught.value, awaited, True)
    closed = wrapped()
    with pytest.raises(StopIteration):
        closed.__anext__().send(None)
    with pytest.raises(StopIteration):
        closed.aclose().send(None)
    (span,) = recorder.spans()
    assert span["status"] == "UNSET"


def test_blocks(recorder: Recorder, awaited: BaseException) -> None:
    """The body of a ``with`` statement raises as ever, and the span of its block is ended."""
    with pytest.raises(type(awaited)) as caught, block(WORK, nothing)(Work().block, recorder.engine)():
        raise awaited
    check(recorder, caught.value, awaited, True)

    async def body() -> None:
        async with async_block(WORK, nothing)(Work().async_block, recorder.engine)():
            raise awaited

    with pytest.raises(type(awaited)) as caught:
        body().send(None)
    check(recorder, caught.value, awaited, True)


def test_bodies(recorder: Recorder, awaited: BaseException) -> None:
    """The body of a WSGI response raises as ever to the server, and the request's span is ended."""

    def application(self: Any, environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        return (b"%d" % number for number in Work.generator(of(awaited)))

    body = wsgi.server(SERVE, lambda app: False)(application, recorder.engine)(None, environ_of(Ask("/")), nothing)
    assert next(body) == b"1"
    with pytest.raises(type(awaited)) as caught:
        next(body)
    body.close()
    check(recorder, caught.value, awaited, True)
