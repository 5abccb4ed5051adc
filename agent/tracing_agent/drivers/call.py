"""Drivers for calls that return: plain functions and coroutine functions, with or without context on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.semconv.errors import failed
from tracing_agent.trace.begin import admit, beginner, carried, withdraw

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.faults import Breaker
    from tracing_agent.operation import Operation
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.span import Dropped, Span

    Start = Callable[..., Any]
    End = Callable[..., None]
    Carry = Callable[..., tuple[Any, ...]]
    Settle = Callable[..., None]
    Failed = Callable[[Any, BaseException], None]

#: What ``start`` gives where the call needs no span of its own: then none was begun, as far as anyone can see. Whoever
#: keeps that span for a longer while has to count it again, by `Engine.started`.
TAKEN = object()


def call(operation: Operation, start: Start, end: End | None = None, failed: Failed = failed) -> Wrap:
    """A call that returns its result. ``start(span, *args, **kwargs)`` before, ``end(span, result)`` after.

    ``start`` may give `TAKEN`: then the call is run as it is. ``failed(span, error)`` describes an exception.
    """

    def wrap(original: Any, engine: Engine) -> Any:
        begin, fault = beginner(engine, operation), operation.breaker.fault

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            try:
                span: Any = begin()
                if span is not None and span.recording:
                    # Without a dictionary of nothing: it would be copied.
                    if (start(span, *args, **kwargs) if kwargs else start(span, *args)) is TAKEN:
                        withdraw(engine, span)
                        span = None
                    elif engine.deferred:
                        span = admit(engine, span)
            except Exception as error:
                span = None
                if not misfit(error):
                    fault(error)
            if span is None or not span.recording:
                return original(*args, **kwargs)
            try:
                result = original(*args, **kwargs) if kwargs else original(*args)
            except BaseException as error:
                fail(span, error, fault, failed)
                raise
            try:
                if end is not None:
                    end(span, result)
                span.origin.finish(span)
            except Exception as error:
                fault(error)
            return result

        return wrapper

    return wrap


def coroutine(operation: Operation, start: Start, end: End | None = None, failed: Failed = failed) -> Wrap:
    """A coroutine function: as `call`, from the first step to the result."""

    def wrap(original: Any, engine: Engine) -> Any:
        begin, fault = beginner(engine, operation), operation.breaker.fault

        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            try:
                span: Any = begin()
                if span is not None and span.recording:
                    # Without a dictionary of nothing: it would be copied.
                    if (start(span, *args, **kwargs) if kwargs else start(span, *args)) is TAKEN:
                        withdraw(engine, span)
                        span = None
                    elif engine.deferred:
                        span = admit(engine, span)
            except Exception as error:
                span = None
                if not misfit(error):
                    fault(error)
            if span is None or not span.recording:
                return await original(*args, **kwargs)
            try:
                result = await (original(*args, **kwargs) if kwargs else original(*args))
            except BaseException as error:
                fail(span, error, fault, failed)
                raise
            try:
                if end is not None:
                    end(span, result)
                span.origin.finish(span)
            except Exception as error:
                fault(error)
            return result

        return wrapper

    return wrap


def outgoing(operation: Operation, start: Start, end: End, carry: Carry, settle: Settle) -> Wrap:
    """A call that carries context to the other side, also where nothing is recorded.

    ``carry(carrier, identity, *args, **kwargs)`` gives the positional arguments to call with instead (the caller's
    objects are not touched); ``settle(outcome, *args, **kwargs)`` makes the result or
    exception refer to the caller's again.
    """

    def wrap(original: Any, engine: Engine) -> Any:
        begin, fault, key = (
            beginner(engine, operation),
            operation.breaker.fault,
            operation.key,
        )

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            given = args
            try:
                span = begin()
                if span is None:
                    identity = carried(engine, key)
                else:
                    if span.recording:
                        start(span, *args, **kwargs)
                        if engine.deferred:
                            span = admit(engine, span)  # type: ignore[arg-type]
                    identity = span
                if identity is not None:
                    args = carry(engine.carrier, identity, *given, **kwargs)
            except Exception as error:
                span, args = None, given
                if not misfit(error):
                    fault(error)
            try:
                result = original(*args, **kwargs)
            except BaseException as error:
                if args is not given:
                    settled(error, settle, fault, given, kwargs)
                if span is not None and span.recording:
                    fail(span, error, fault)
                raise
            if args is not given:
                settled(result, settle, fault, given, kwargs)
            if span is not None and span.recording:
                try:
                    end(span, result)
                    span.origin.finish(span)  # type: ignore[union-attr,arg-type]
                except Exception as error:
                    fault(error)
            return result

        return wrapper

    return wrap


def noted(breaker: Breaker, note: Start) -> Wrap:
    """A call that is no operation itself but tells something of the one around it: ``note(*args, **kwargs)`` before."""

    def wrap(original: Any, engine: Engine) -> Any:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if not breaker.open:
                try:
                    note(*args, **kwargs)
                except Exception as error:
                    if not misfit(error):
                        breaker.fault(error)
            return original(*args, **kwargs)

        return wrapper

    return wrap


def misfit(error: BaseException) -> bool:
    """Whether arguments of the program do not fit the call, which the library tells it: no fault of ours.

    To be asked where ``error`` was caught, in the function that passes arguments on: that very frame has raised it,
    before the code of what it called.
    """
    return isinstance(error, TypeError) and error.__traceback__ is not None and error.__traceback__.tb_next is None


def fail(
    span: Span | Dropped,
    error: BaseException,
    fault: Callable[[BaseException], None],
    failed: Failed = failed,
) -> None:
    """End a span whose call raised."""
    try:
        failed(span, error)
        span.origin.finish(span)  # type: ignore[union-attr,arg-type]
    except Exception as ours:
        fault(ours)


def settled(outcome: Any, settle: Settle, fault: Callable[[BaseException], None], args: Any, kwargs: Any) -> None:
    """Run ``settle``, which must not fail the call."""
    try:
        settle(outcome, *args, **kwargs)
    except Exception as error:
        fault(error)
