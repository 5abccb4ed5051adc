"""The driver for calls that give a future: the span ends when the other side has answered, or when nobody waits for it.

What waits for an answer is held here until it comes, and not longer.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from tracing_agent import ending
from tracing_agent.drivers.call import fail
from tracing_agent.semconv.messaging import unsettled
from tracing_agent.trace.begin import admit, beginner, carried

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.operation import Operation
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.span import Span

    Fault = Callable[[BaseException], None]
    Arguments = tuple[tuple[Any, ...], dict[str, Any]]

CLOSED = "{} was closed before the broker answered"
EXIT = "the process ended before the broker answered"


class Deferred:
    """One operation that gives a future, as kafka-python's: ``add_callback``, ``add_errback``, ``is_done``.

    ``start(span, *args, **kwargs)`` before, ``answered(span, value)`` or ``failed(span, error)`` after.
    ``carry(carrier, identity, *args, **kwargs)`` gives the arguments to call with instead, positional and by name, or
    None for those given; ``unfit(error)`` says of an exception, raised or of a future that is done, that what ``carry``
    added may be its cause: then the call is made as given.
    """

    def __init__(
        self,
        operation: Operation,
        start: Callable[..., None],
        answered: Callable[[Span, Any], None],
        failed: Callable[[Span, BaseException], None],
        carry: Callable[..., Arguments | None] | None = None,
        unfit: Callable[[BaseException], bool] | None = None,
    ) -> None:
        self.operation = operation
        self.start = start
        self.answered = answered
        self.failed = failed
        self.carry = carry
        self.unfit = unfit
        #: Removed from by whoever ends one: the answer comes in another thread.
        self.waiting: set[Waiting] = set()
        _ALL.add(self)

    def call(self, original: Any, engine: Engine) -> Any:
        """Wrap the method that gives the future."""
        begin, fault, key = beginner(engine, self.operation), self.operation.breaker.fault, self.operation.key
        start, carry, failed, unfit = self.start, self.carry, self.failed, self.unfit

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            sent = None
            try:
                span = begin()
                if span is not None and span.recording:
                    start(span, *args, **kwargs)
                    if engine.deferred:
                        span = admit(engine, span)  # type: ignore[arg-type]
                if carry is not None:
                    identity = carried(engine, key) if span is None else span
                    if identity is not None:
                        sent = carry(engine.carrier, identity, *args, **kwargs)
            except Exception as error:
                span = None
                # The program's own call may not fit the signature, which the library tells it.
                if error.__traceback__.tb_next is not None:  # type: ignore[union-attr]
                    fault(error)
            try:
                future = _UNFIT if sent is None else _tried(original, sent, unfit, fault)
                if future is _UNFIT:
                    future = original(*args, **kwargs)
            except BaseException as error:
                if span is not None and span.recording:
                    fail(span, error, fault, failed)
                raise
            if span is not None and span.recording:
                try:
                    self._wait(future, span, args[0])
                except Exception as error:
                    fault(error)
            return future

        return wrapper

    def close(self, original: Any, engine: Engine) -> Any:
        """Wrap the method after which nothing is answered any more."""
        fault = self.operation.breaker.fault

        def wrapper(self_: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(self_, *args, **kwargs)
            try:
                self.give_up(CLOSED.format(type(self_).__name__), id(self_))
            except Exception as error:
                fault(error)
            return result

        return wrapper

    def give_up(self, reason: str, owner: int = 0) -> None:
        """End what waits for an answer to a call of ``owner`` (the object's id), or to any."""
        for waiting in self.waiting.copy():
            if not owner or waiting.owner == owner:
                waiting.give_up(reason)

    def _wait(self, future: Any, span: Any, owner: object) -> None:
        waiting = Waiting(self, span, id(owner))
        self.waiting.add(waiting)
        future.add_callback(waiting)
        future.add_errback(waiting)
        # Old versions lose a callback that is added at the moment of the answer.
        if future.is_done:
            waiting(future.value if future.exception is None else future.exception)


def _tried(original: Any, arguments: Arguments, unfit: Callable[[BaseException], bool] | None, fault: Fault) -> Any:
    try:
        future = original(*arguments[0], **arguments[1])
    except Exception as error:
        if not _unfit(error, unfit, fault):
            raise
        return _UNFIT
    if future.is_done and future.exception is not None and _unfit(future.exception, unfit, fault):
        return _UNFIT
    return future


def _unfit(error: BaseException, unfit: Callable[[BaseException], bool] | None, fault: Fault) -> bool:
    try:
        return unfit is not None and unfit(error)
    except Exception as ours:
        fault(ours)
        return False


class Waiting:
    """One call that is not answered yet. It is called, by the future, with the value or the exception."""

    __slots__ = ("_deferred", "_span", "owner")

    def __init__(self, deferred: Deferred, span: Any, owner: int) -> None:
        self._deferred = deferred
        self._span = span
        self.owner = owner

    def __call__(self, outcome: Any) -> None:
        span = self._taken()
        if span is not None:
            deferred = self._deferred
            try:
                if isinstance(outcome, BaseException):
                    deferred.failed(span, outcome)
                else:
                    deferred.answered(span, outcome)
                span.origin.finish(span)
            except Exception as error:
                deferred.operation.breaker.fault(error)

    def give_up(self, reason: str) -> None:
        """There will be no answer."""
        span = self._taken()
        if span is not None:
            unsettled(span, reason)
            span.origin.finish(span)

    def _taken(self) -> Any:
        """The span, for the first who asks. The program may keep the future, and so this, for as long as it likes."""
        try:
            self._deferred.waiting.remove(self)
        except KeyError:
            return None
        span, self._span = self._span, None
        return span


_UNFIT = object()
_ALL: WeakSet[Deferred] = WeakSet()


def _exit() -> None:
    for deferred in list(_ALL):
        try:
            deferred.give_up(EXIT)
        except Exception as error:
            deferred.operation.breaker.fault(error)


def _forked() -> None:
    # The parent process waits for these, and it alone is answered.
    for deferred in list(_ALL):
        deferred.waiting.clear()


ending.call(_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
