"""How many spans were begun, which the doctor and the line at exit compare with how many ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.trace import SpanKind

from support.recorder import Recorder
from tracing_agent.drivers import call, exchange, rewritten
from tracing_agent.drivers.call import TAKEN
from tracing_agent.drivers.exchange import Perhaps
from tracing_agent.operation import Operation

OPERATION = Operation("started", "buy", SpanKind.CLIENT)


def taken(span: Any, item: str) -> object:
    return TAKEN


def perhaps(span: Any, item: str) -> object:
    return Perhaps(None)


def nothing(*args: Any) -> None:
    """Describe nothing."""


def carry(carrier: Any, identity: Any, item: str) -> tuple[str]:
    return (item,)


def buy(item: str) -> str:
    return item


async def async_buy(item: str) -> str:
    return item


DRIVERS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "call": (lambda start: call.call(OPERATION, start), buy),
    "coroutine": (lambda start: call.coroutine(OPERATION, start), async_buy),
    "rewritten": (lambda start: rewritten.call(OPERATION, start, carry=carry), buy),
    "exchange": (lambda start: exchange.call(OPERATION, start, nothing, nothing), buy),
    "exchange that holds": (lambda start: exchange.call(OPERATION, start, nothing, nothing, True), buy),
    "async exchange": (lambda start: exchange.coroutine(OPERATION, start, nothing, nothing), async_buy),
}


def bought(driver: str, start: Any, recorder: Recorder, item: str) -> str:
    """What a traced call gives."""
    wrap, original = DRIVERS[driver]
    found: Any = wrap(start)(original, recorder.engine)(item)
    if not isinstance(found, str):
        found = asyncio.run(found)
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("driver", DRIVERS)
def test_call_without_a_span(driver: str, recorder: Recorder) -> None:
    """A call that turns out to need no span of its own has not begun one."""
    assert bought(driver, taken, recorder, "tea") == "tea"
    assert recorder.engine.started == 0
    assert recorder.spans() == []


@pytest.mark.parametrize("driver", [name for name in DRIVERS if "exchange" in name])
def test_call_that_came_to_nothing(driver: str, recorder: Recorder) -> None:
    """Nor has one whose empty result says that nothing happened; another result does begin and end one."""
    assert bought(driver, perhaps, recorder, "") == ""
    assert recorder.engine.started == 0
    assert recorder.spans() == []
    assert bought(driver, perhaps, recorder, "tea") == "tea"
    assert recorder.engine.started == len(recorder.spans()) == 1
