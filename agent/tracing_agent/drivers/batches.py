"""The driver for consumers of messages in batches: a span for the batch, and one for each message in a loop over it."""

from __future__ import annotations

import sys
from _thread import get_ident
from dis import opmap
from typing import TYPE_CHECKING, Any

from tracing_agent.semconv.messaging_settings import settings_of
from tracing_agent.trace.begin import admit, beginner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracing_agent.drivers.consuming import Consumers, Consumption
    from tracing_agent.drivers.processing import Cursor
    from tracing_agent.operation import Operation
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.semconv.messaging import Client
    from tracing_agent.trace.carrier import Carrier
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.span import Span

    #: ``describe(span, batch, client, carrier)``
    Describe = Callable[[Span, dict[Any, list[Any]], Client, Carrier], None]
    Failed = Callable[[Span, BaseException], None]

# The instructions of a loop, and of a generator that hands a batch on.
_LOOPS = frozenset(opmap[name] for name in ("FOR_ITER", "SEND", "YIELD_FROM") if name in opmap)


def polled(operation: Operation, consumers: Consumers, describe: Describe, failed: Failed) -> Wrap:
    """A method that gives a dictionary of lists of messages; nothing is recorded where it gives none."""

    def wrap(original: Any, engine: Engine) -> Any:
        breaker, clock, each = operation.breaker, engine.clock, settings_of(engine).polled
        fault, state_of, count = breaker.fault, consumers.states(engine), consumers.counted(engine)
        record = recorder(operation, engine, describe, failed, count)

        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            state = None
            if not breaker.open:
                try:
                    state = state_of(self)
                    since = clock()
                except Exception as error:
                    fault(error)
            if state is None or state.asking:
                return original(self, *args, **kwargs)
            state.asking = True
            try:
                batch = original(self, *args, **kwargs)
            except Exception as error:
                record(state, since, None, error)
                raise
            finally:
                state.asking = False
            if batch:
                record(state, since, batch, None)
                if each:
                    follow(batch, state)
            return batch

        return wrapper

    return wrap


def recorder(
    operation: Operation,
    engine: Engine,
    describe: Describe,
    failed: Failed,
    count: Callable[[Any], Any] | None,
) -> Callable[..., None]:
    """The function that records a poll, begun at a time, that gave a batch or raised; it never fails the poll.

    ``count`` is called with each message, unless it is None.
    """
    begin, fault = beginner(engine, operation), operation.breaker.fault

    def record(state: Consumption, since: int, batch: Any, error: BaseException | None) -> None:
        try:
            if batch:
                state.of_thread(get_ident()).end()
            span: Any = begin()
            if span is None or not span.recording:
                return
            span._start_time = since
            state.client.stamp(span)
            if batch:
                describe(span, batch, state.client, engine.carrier)
                if count is not None:
                    for messages in batch.values():
                        for message in messages:
                            count(message)
            if engine.deferred:
                span = admit(engine, span)
            if span.recording:
                if error is not None:
                    failed(span, error)
                span.origin.finish(span)
        except Exception as ours:
            fault(ours)

    return record


def follow(batch: Any, state: Consumption) -> None:
    """Let the messages of each list of ``batch`` become current while a loop goes through it."""
    for key, messages in batch.items():
        if type(messages) is list:
            followed = batch[key] = Batch(messages)
            followed._state = state


class Batch(list[Any]):
    """A list as the library gave it, a list in every respect, but for loops over it."""

    __slots__ = ("_state",)
    _state: Consumption

    def __iter__(self) -> Iterator[Any]:
        # None of a list that the program made of this one's type.
        state = getattr(self, "_state", None)
        return super().__iter__() if state is None else Pass(super().__iter__(), state)

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Whoever reads a copy of it need not know of us.
        return list, (self[:],)


class Pass:
    """One pass over a batch. The messages become current if it is a loop of the program, and not if `list` makes it."""

    __slots__ = ("_cursor", "_messages", "_state")

    def __init__(self, messages: Iterator[Any], state: Consumption) -> None:
        self._messages = messages
        # None as soon as it is known which it is.
        self._state: Consumption | None = state
        self._cursor: Cursor | None = None

    def __iter__(self) -> Pass:
        return self

    def __next__(self) -> Any:
        if self._state is not None:
            frame = sys._getframe(1)
            if frame.f_code.co_code[frame.f_lasti] in _LOOPS:
                self._cursor = self._state.loop(self._state.processing.polled)
            self._state = None
        cursor = self._cursor
        if cursor is None:
            return next(self._messages)
        try:
            cursor.end()
        except Exception as error:
            cursor.fault(error)
        message = next(self._messages)
        try:
            cursor.begin(message)
        except Exception as error:
            cursor.fault(error)
        return message

    def __del__(self) -> None:
        if self._cursor is not None:
            self._cursor.leave()

    def __length_hint__(self) -> int:
        return self._messages.__length_hint__()  # type: ignore[attr-defined,no-any-return]
