"""Drivers for calls whose arguments are rewritten on the way in: functions and coroutine functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.call import fail
from tracing_agent.drivers.steps import ended, opening
from tracing_agent.semconv.errors import failed

if TYPE_CHECKING:
    from tracing_agent.drivers.call import Carry, End, Failed, Start
    from tracing_agent.operation import Operation
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine


def call(
    operation: Operation,
    start: Start,
    end: End | None = None,
    failed: Failed = failed,
    *,
    carry: Carry,
) -> Wrap:
    """As `drivers.call.call`; ``carry(carrier, identity, *args, **kwargs)`` gives the positional arguments instead.

    It is asked also where nothing is recorded, if there is an identity to hand on.
    """

    def wrap(original: Any, engine: Engine) -> Any:
        opened, fault = opening(engine, operation, start, carry), operation.breaker.fault

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            span, args = opened(args, kwargs)
            try:
                result = original(*args, **kwargs)
            except BaseException as error:
                if span is not None:
                    fail(span, error, fault, failed)
                raise
            if span is not None:
                ended(span, end, result, fault)
            return result

        return wrapper

    return wrap


def coroutine(
    operation: Operation,
    start: Start,
    end: End | None = None,
    failed: Failed = failed,
    *,
    carry: Carry,
) -> Wrap:
    """A coroutine function: as `call`, from the first step to the result."""

    def wrap(original: Any, engine: Engine) -> Any:
        opened, fault = opening(engine, operation, start, carry), operation.breaker.fault

        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            span, args = opened(args, kwargs)
            try:
                result = await original(*args, **kwargs)
            except BaseException as error:
                if span is not None:
                    fail(span, error, fault, failed)
                raise
            if span is not None:
                ended(span, end, result, fault)
            return result

        return wrapper

    return wrap
