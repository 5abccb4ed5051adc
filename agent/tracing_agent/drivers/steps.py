"""Drivers for work that goes on after the call has returned: generators and context managers, of either kind."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.call import TAKEN, fail, misfit
from tracing_agent.semconv.errors import failed
from tracing_agent.trace.begin import admit, beginner, carried, withdraw

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from tracing_agent.drivers.call import Carry, End, Failed, Start
    from tracing_agent.operation import Operation
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine

    Opened = Callable[[tuple[Any, ...], dict[str, Any]], tuple[Any, tuple[Any, ...]]]


def opening(engine: Engine, operation: Operation, start: Start, carry: Carry | None = None) -> Opened:
    """The function that begins a call's span and gives it, or None where nothing is recorded, and its arguments.

    ``start(span, *args, **kwargs)`` may give `TAKEN`: then the call has no span. Where ``carry`` is given it changes
    the arguments, also where nothing is recorded but there is an identity to hand on.
    """
    begin, fault, key = beginner(engine, operation), operation.breaker.fault, operation.key

    def opened(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        given = args
        try:
            span: Any = begin()
            if span is not None and span.recording:
                if start(span, *args, **kwargs) is TAKEN:
                    withdraw(engine, span)
                    span = None
                elif engine.deferred:
                    span = admit(engine, span)
            if carry is not None:
                identity = carried(engine, key) if span is None else span
                if identity is not None:
                    args = carry(engine.carrier, identity, *args, **kwargs)
        except Exception as error:
            if not misfit(error):
                fault(error)
            return None, given
        return (span if span is not None and span.recording else None), args

    return opened


def ended(span: Any, end: End | None, result: Any, fault: Callable[[BaseException], None]) -> None:
    """End a span whose call came to its end."""
    try:
        if end is not None:
            end(span, result)
        span.origin.finish(span)
    except Exception as error:
        fault(error)


def generator(
    operation: Operation,
    start: Start,
    end: End | None = None,
    failed: Failed = failed,
    carry: Carry | None = None,
    aside: Callable[..., bool] | None = None,
) -> Wrap:
    """A generator function: from its first step until it returns, raises or is closed; ``end(span, what it returned)``.

    The span is not the current one while the consumer has what the generator gave. A call for which ``aside(*args,
    **kwargs)`` is true is left alone.
    """

    def wrap(original: Any, engine: Engine) -> Any:
        opened, fault = opening(engine, operation, start, carry), operation.breaker.fault
        if aside is not None:
            opened = _unless(aside, opened, fault)

        def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            span, args = opened(args, kwargs)
            if span is None:
                return (yield from original(*args, **kwargs))
            try:
                result = yield from original(*args, **kwargs)
            except BaseException as error:
                fail(span, error, fault, failed)
                raise
            ended(span, end, result, fault)
            return result

        return wrapper

    return wrap


def _unless(aside: Callable[..., bool], opened: Opened, fault: Callable[[BaseException], None]) -> Opened:
    """As ``opened``, without a span for what stays aside."""

    def unless(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        try:
            if aside(*args, **kwargs):
                return None, args
        except Exception as error:
            if not misfit(error):
                fault(error)
        return opened(args, kwargs)

    return unless


def async_generator(
    operation: Operation,
    start: Start,
    end: End | None = None,
    failed: Failed = failed,
    carry: Carry | None = None,
) -> Wrap:
    """An asynchronous generator function: as `generator`; ``end(span, None)``."""

    def wrap(original: Any, engine: Engine) -> Any:
        opened, fault = opening(engine, operation, start, carry), operation.breaker.fault

        async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            span, args = opened(args, kwargs)
            source = original(*args, **kwargs)
            try:
                async for item in source:
                    yield item
            except BaseException as error:
                # Leaving the loop does not close what it ran over, and the span lasts until that is done.
                try:
                    await source.aclose()
                finally:
                    if span is not None:
                        fail(span, error, fault, failed)
                raise
            if span is not None:
                ended(span, end, None, fault)

        return wrapper

    return wrap


def block(
    operation: Operation,
    start: Start,
    end: End | None = None,
    failed: Failed = failed,
    carry: Carry | None = None,
) -> Wrap:
    """A function made by `contextlib.contextmanager`: from entering the block to leaving it; ``end(span, target)``.

    ``target`` is what the ``with`` statement binds. The span is not the current one in the block.
    """

    def wrap(original: Any, engine: Engine) -> Any:
        opened, fault = opening(engine, operation, start, carry), operation.breaker.fault

        def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, None, None]:
            span, args = opened(args, kwargs)
            try:
                with original(*args, **kwargs) as target:
                    yield target
            except BaseException as error:
                if span is not None:
                    fail(span, error, fault, failed)
                raise
            if span is not None:
                ended(span, end, target, fault)

        return contextmanager(wrapper)

    return wrap


def async_block(
    operation: Operation,
    start: Start,
    end: End | None = None,
    failed: Failed = failed,
    carry: Carry | None = None,
) -> Wrap:
    """A function made by `contextlib.asynccontextmanager`: as `block`."""

    def wrap(original: Any, engine: Engine) -> Any:
        opened, fault = opening(engine, operation, start, carry), operation.breaker.fault

        async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            span, args = opened(args, kwargs)
            try:
                async with original(*args, **kwargs) as target:
                    yield target
            except BaseException as error:
                if span is not None:
                    fail(span, error, fault, failed)
                raise
            if span is not None:
                ended(span, end, target, fault)

        return asynccontextmanager(wrapper)

    return wrap
