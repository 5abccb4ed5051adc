"""Drivers for calls told by both ends: what ``start`` learned goes to the end, which may find there was no operation.

``start(span, *args, **kwargs)`` gives what ``end(span, given, result)`` and ``failed(span, given, error)`` need. It may
give `TAKEN`, then the call has no span, or `Perhaps`, then it has none if its result is empty. A leaf's span is not
current in the call; the span of a call that ``holds`` others is, so that they are not told apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.call import TAKEN, misfit
from tracing_agent.trace.begin import admit, beginner, enter, leave, withdraw

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.operation import Operation
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine

    Start = Callable[..., Any]
    End = Callable[[Any, Any, Any], None]
    Opened = Callable[[tuple[Any, ...], dict[str, Any]], tuple[Any, Any]]


class Perhaps:
    """What ``start`` gives where an empty result means that nothing happened; ``given`` is for the end."""

    __slots__ = ("given",)

    def __init__(self, given: Any) -> None:
        self.given = given


def opening(engine: Engine, operation: Operation, start: Start) -> Opened:
    """The function that begins a call's span: (span or None, what ``start`` gave)."""
    begin, fault = beginner(engine, operation), operation.breaker.fault

    def opened(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        try:
            span: Any = begin()
            if span is None or not span.recording:
                return span, None
            given = start(span, *args, **kwargs)
            if given is TAKEN:
                withdraw(engine, span)
                return None, None
            # Processors and samplers hear of what may come to nothing when it has come to something.
            if engine.deferred and type(given) is not Perhaps:
                span = admit(engine, span)
            return span, given
        except Exception as error:
            if not misfit(error):
                fault(error)
            return None, None

    return opened


def closing(engine: Engine, operation: Operation, end: End, needed: bool) -> End:
    """The function that ends a recorded span; ``needed`` ones also if the outcome is empty."""
    fault = operation.breaker.fault

    def closed(span: Any, given: Any, outcome: Any) -> None:
        try:
            if type(given) is Perhaps:
                if not needed and not outcome:
                    withdraw(engine, span)
                    return
                given = given.given
                if engine.deferred:
                    span = admit(engine, span)
                    if not span.recording:
                        return
            end(span, given, outcome)
            span.origin.finish(span)
        except Exception as error:
            fault(error)

    return closed


def call(operation: Operation, start: Start, end: End, failed: End, holds: bool = False) -> Wrap:
    """A function, from its call to its result."""
    return (_holder if holds else _leaf)(operation, start, end, failed)


def _leaf(operation: Operation, start: Start, end: End, failed: End) -> Wrap:
    def wrap(original: Any, engine: Engine) -> Any:
        begin, fault = beginner(engine, operation), operation.breaker.fault
        closed, broke = closing(engine, operation, end, False), closing(engine, operation, failed, True)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            # As `opened` and `closed`, without their calls: where spans are measured or watched most come here.
            given = TAKEN
            try:
                span: Any = begin()
                if span is not None and span.recording:
                    # Without a dictionary of nothing: it would be copied.
                    given = start(span, *args, **kwargs) if kwargs else start(span, *args)
                    if given is TAKEN:
                        withdraw(engine, span)
                    elif engine.deferred and type(given) is not Perhaps:
                        span = admit(engine, span)
                        given = given if span.recording else TAKEN
            except Exception as error:
                given = TAKEN
                if not misfit(error):
                    fault(error)
            if given is TAKEN:
                return original(*args, **kwargs)
            try:
                result = original(*args, **kwargs) if kwargs else original(*args)
            except BaseException as error:
                broke(span, given, error)
                raise
            if type(given) is Perhaps:
                closed(span, given, result)
                return result
            try:
                end(span, given, result)
                span.origin.finish(span)
            except Exception as error:
                fault(error)
            return result

        return wrapper

    return wrap


def _holder(operation: Operation, start: Start, end: End, failed: End) -> Wrap:
    def wrap(original: Any, engine: Engine) -> Any:
        opened = opening(engine, operation, start)
        closed, broke = closing(engine, operation, end, False), closing(engine, operation, failed, True)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            span, given = opened(args, kwargs)
            if span is None:
                return original(*args, **kwargs)
            token = enter(span)
            try:
                result = original(*args, **kwargs)
            except BaseException as error:
                if span.recording:
                    broke(span, given, error)
                raise
            finally:
                leave(token)
            if span.recording:
                closed(span, given, result)
            return result

        return wrapper

    return wrap


def coroutine(operation: Operation, start: Start, end: End, failed: End, holds: bool = False) -> Wrap:
    """A coroutine function, from its first step to its result."""
    return (_async_holder if holds else _async_leaf)(operation, start, end, failed)


def _async_leaf(operation: Operation, start: Start, end: End, failed: End) -> Wrap:
    def wrap(original: Any, engine: Engine) -> Any:
        begin, fault = beginner(engine, operation), operation.breaker.fault
        closed, broke = closing(engine, operation, end, False), closing(engine, operation, failed, True)

        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            # As `opened` and `closed`, without their calls: where spans are measured or watched most come here.
            given = TAKEN
            try:
                span: Any = begin()
                if span is not None and span.recording:
                    # Without a dictionary of nothing: it would be copied.
                    given = start(span, *args, **kwargs) if kwargs else start(span, *args)
                    if given is TAKEN:
                        withdraw(engine, span)
                    elif engine.deferred and type(given) is not Perhaps:
                        span = admit(engine, span)
                        given = given if span.recording else TAKEN
            except Exception as error:
                given = TAKEN
                if not misfit(error):
                    fault(error)
            if given is TAKEN:
                return await original(*args, **kwargs)
            try:
                result = await (original(*args, **kwargs) if kwargs else original(*args))
            except BaseException as error:
                broke(span, given, error)
                raise
            if type(given) is Perhaps:
                closed(span, given, result)
                return result
            try:
                end(span, given, result)
                span.origin.finish(span)
            except Exception as error:
                fault(error)
            return result

        return wrapper

    return wrap


def _async_holder(operation: Operation, start: Start, end: End, failed: End) -> Wrap:
    def wrap(original: Any, engine: Engine) -> Any:
        opened = opening(engine, operation, start)
        closed, broke = closing(engine, operation, end, False), closing(engine, operation, failed, True)

        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            span, given = opened(args, kwargs)
            if span is None:
                return await original(*args, **kwargs)
            token = enter(span)
            try:
                result = await original(*args, **kwargs)
            except BaseException as error:
                if span.recording:
                    broke(span, given, error)
                raise
            finally:
                leave(token)
            if span.recording:
                closed(span, given, result)
            return result

        return wrapper

    return wrap
