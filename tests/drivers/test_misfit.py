"""Wrong calls of the program: the library tells it so, and they are no faults of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from opentelemetry.trace import SpanKind

from support.recorder import Recorder
from tracing_agent.drivers import call, exchange, rewritten, steps
from tracing_agent.faults import LINES
from tracing_agent.operation import Operation

OPERATION = Operation("misfit", "buy", SpanKind.CLIENT)


def start(span: Any, item: Any, *more: Any) -> None:
    """Describe a call; what is no text cannot be."""
    span.values["item"] = item.upper()


def broken(span: Any, item: Any, *more: Any) -> None:
    """Make a mistake of ours: the same exception, from our own code."""
    len(item, item)  # type: ignore[call-arg]


def nothing(*args: Any) -> None:
    """Describe nothing."""


def carry(carrier: Any, identity: Any, item: Any, *more: Any) -> tuple[Any, ...]:
    """Give the arguments as they are."""
    return (item, *more)


def buy(item: str) -> str:
    return item


async def async_buy(item: str) -> str:
    return item


def generator_buy(item: str) -> Any:
    yield item


async def async_generator_buy(item: str) -> Any:
    yield item


@contextmanager
def block_buy(item: str) -> Any:
    yield item


@asynccontextmanager
async def async_block_buy(item: str) -> Any:
    yield item


def run(found: Any) -> Any:
    """What a wrapped function gives, whatever kind of function it is."""

    async def each() -> Any:
        if hasattr(found, "__aenter__"):
            async with found as item:
                return item
        if hasattr(found, "__aiter__"):
            return await anext(aiter(found))
        return await found

    if any(hasattr(found, name) for name in ("__aenter__", "__aiter__", "__await__")):
        return asyncio.run(each())
    if hasattr(found, "__enter__"):
        with found as item:
            return item
    return found if isinstance(found, str) else next(iter(found))


DRIVERS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "call": (lambda start: call.call(OPERATION, start), buy),
    "coroutine": (lambda start: call.coroutine(OPERATION, start), async_buy),
    "outgoing": (lambda start: call.outgoing(OPERATION, start, nothing, carry, nothing), buy),
    "exchange": (lambda start: exchange.call(OPERATION, start, nothing, nothing), buy),
    "exchange that holds": (lambda start: exchange.call(OPERATION, start, nothing, nothing, True), buy),
    "async exchange": (lambda start: exchange.coroutine(OPERATION, start, nothing, nothing), async_buy),
    "rewritten": (lambda start: rewritten.call(OPERATION, start, carry=carry), buy),
    "async rewritten": (lambda start: rewritten.coroutine(OPERATION, start, carry=carry), async_buy),
    "generator": (lambda start: steps.generator(OPERATION, start), generator_buy),
    "async generator": (lambda start: steps.async_generator(OPERATION, start), async_generator_buy),
    "block": (lambda start: steps.block(OPERATION, start), block_buy),
    "async block": (lambda start: steps.async_block(OPERATION, start), async_block_buy),
}


@pytest.mark.parametrize("driver", DRIVERS)
def test_wrong_call(driver: str, recorder: Recorder) -> None:
    """What does not fit the function raises what it raises untraced; the instrumentation is not blamed."""
    wrap, original = DRIVERS[driver]
    with pytest.raises(TypeError) as untraced:
        run(original())
    with pytest.raises(TypeError) as traced:
        run(wrap(start)(original, recorder.engine)())
    assert str(traced.value) == str(untraced.value)
    assert OPERATION.breaker.count == 0
    recorder.spans()
    assert run(wrap(start)(original, recorder.engine)("tea")) == "tea"
    assert [span["attributes"] for span in recorder.spans()] == [{"item": "TEA"}]


@pytest.mark.parametrize("driver", DRIVERS)
def test_our_own_mistake(driver: str, recorder: Recorder) -> None:
    """An exception of the same type that our own code raises is a fault; the call goes on."""
    wrap, original = DRIVERS[driver]
    LINES.strict = False
    assert run(wrap(broken)(original, recorder.engine)("tea")) == "tea"
    assert OPERATION.breaker.count == 1


def test_wrong_call_that_is_noted(recorder: Recorder) -> None:
    """Of a call that only is taken note of, the same holds."""

    def note(item: str) -> None:
        item.upper()

    wrapped = call.noted(OPERATION.breaker, note)(buy, recorder.engine)
    with pytest.raises(TypeError, match="buy"):
        wrapped()
    assert OPERATION.breaker.count == 0
