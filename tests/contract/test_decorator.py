"""start_as_current_span as a decorator: functions, methods, coroutines, generators."""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from opentelemetry.sdk.trace import Tracer

    from contract.probes import Recorder


def test_function(tracer: Tracer, recorder: Recorder) -> None:
    """Each call is a span; arguments and result pass through."""

    @tracer.start_as_current_span("add", attributes={"a": 1})
    def add(left: int, right: int = 1) -> int:
        assert trace.get_current_span().is_recording()
        return left + right

    assert recorder.started == []
    assert [add(1), add(1, right=2)] == [2, 3]
    assert [(span.name, span.attributes, span.parent) for span in recorder.ended] == [("add", {"a": 1}, None)] * 2
    assert recorder.ended[0].context.span_id != recorder.ended[1].context.span_id


def test_what_it_looks_like(tracer: Tracer) -> None:
    """The decorated function keeps name, docstring, signature and the original."""

    def add(left: int, right: int = 1) -> int:
        """Add."""
        return left + right

    decorated: Any = tracer.start_as_current_span("add")(add)
    assert (decorated.__name__, decorated.__doc__, decorated.__wrapped__) == ("add", "Add.", add)
    assert inspect.signature(decorated) == inspect.signature(add)


def test_method(tracer: Tracer, recorder: Recorder) -> None:
    """A method is bound as before."""

    class Cart:
        @tracer.start_as_current_span("total")
        def total(self) -> Cart:
            return self

    cart = Cart()
    assert cart.total() is cart
    assert [span.name for span in recorder.ended] == ["total"]


def test_recursion(tracer: Tracer, recorder: Recorder) -> None:
    """A decorated function that calls itself is a span below a span."""

    @tracer.start_as_current_span("count")
    def count(left: int) -> int:
        return left and count(left - 1)

    count(1)
    inner, outer = recorder.ended
    assert (inner.parent, outer.parent) == (outer.context, None)


def test_exception(tracer: Tracer, recorder: Recorder) -> None:
    """An exception goes through and is the span's error."""

    @tracer.start_as_current_span("fail")
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    (span,) = recorder.ended
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError: no")
    assert [event.name for event in span.events] == ["exception"]


def test_coroutine(tracer: Tracer, recorder: Recorder) -> None:
    """A coroutine function stays one; its span lasts until the coroutine is done."""

    @tracer.start_as_current_span("fetch")
    async def fetch(value: int) -> int:
        span = trace.get_current_span()
        await asyncio.sleep(0)
        assert trace.get_current_span() is span
        assert span.is_recording()
        return value

    assert inspect.iscoroutinefunction(fetch)

    async def main() -> list[int]:
        coroutine = fetch(3)
        assert recorder.started == []
        return [await coroutine, *await asyncio.gather(fetch(1), fetch(2))]

    assert asyncio.run(main()) == [3, 1, 2]
    assert [(span.name, span.parent) for span in recorder.ended] == [("fetch", None)] * 3


def test_failing_coroutine(tracer: Tracer, recorder: Recorder) -> None:
    """A coroutine's exception is the span's error."""

    @tracer.start_as_current_span("fetch")
    async def fetch() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(fetch())
    assert [span.status.description for span in recorder.ended] == ["ValueError: no"]


def test_cancelled_coroutine(tracer: Tracer, recorder: Recorder) -> None:
    """A cancelled coroutine's span ends, and is no error."""

    @tracer.start_as_current_span("fetch")
    async def fetch() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.ensure_future(fetch())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert [(span.status.status_code, span.events) for span in recorder.ended] == [(StatusCode.UNSET, ())]


#: Since Python 3.15 whatever decorates a generator function lasts as long as the generator.
LASTING = sys.version_info >= (3, 15)


def test_generator(tracer: Tracer, recorder: Recorder) -> None:
    """The span of a generator function is over when the generator is made, or when it is done: as Python has it."""

    @tracer.start_as_current_span("numbers")
    def numbers() -> Iterator[bool]:
        yield trace.get_current_span().is_recording()

    iterator = numbers()
    assert [span.name for span in recorder.ended] == ([] if LASTING else ["numbers"])
    assert list(iterator) == [LASTING]
    assert len(recorder.ended) == 1


def test_async_generator(tracer: Tracer, recorder: Recorder) -> None:
    """The same holds for an asynchronous one."""

    @tracer.start_as_current_span("numbers")
    async def numbers() -> AsyncIterator[bool]:
        yield trace.get_current_span().is_recording()

    async def main() -> list[bool]:
        iterator = numbers()
        assert [span.name for span in recorder.ended] == ([] if LASTING else ["numbers"])
        return [item async for item in iterator]

    assert asyncio.run(main()) == [LASTING]
    assert len(recorder.ended) == 1


def test_decorated_before_a_parent(tracer: Tracer, recorder: Recorder) -> None:
    """The parent is whatever is current at the call, not at the decoration."""

    @tracer.start_as_current_span("inner")
    def inner() -> None:
        pass

    with tracer.start_as_current_span("outer") as outer:
        inner()
    assert recorder.ended[0].parent == outer.get_span_context()
