"""Drivers for consumers of messages that are asked for one after the other: iteration, and its end.

A consumer belongs to one thread at a time, as its library demands; what is kept of it is kept on it.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.overdue import OVERDUE
from tracing_agent.drivers.processing import Cursor, Polled, Processing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.operation import Operation
    from tracing_agent.semconv.messaging import Client
    from tracing_agent.trace.engine import Engine

#: The attribute of a consumer that holds its `Consumption`.
STATE = "_tracing_agent_consumption"

# Threads that run one job after the other: whoever asks there for a message hands it to another thread.
_EXECUTORS = frozenset(("concurrent.futures.thread",))
_ANY_THREAD = 0


class Consumption:
    """One consumer: where its messages are handed out, and whether it is fetching some right now.

    ``client`` is what its spans share; ``limit`` the seconds that one message may be in process.
    """

    __slots__ = ("_cursors", "asking", "asks", "client", "limit", "processing")

    def __init__(self, client: Client, limit: float, processing: Processing) -> None:
        self.client = client
        self.limit = limit
        self.processing = processing
        #: The loop that is asking for the next message.
        self.asks: Cursor | None = None
        #: What is called now is part of asking, and no operation of its own.
        self.asking = False
        self._cursors: dict[int, Cursor] = {}

    def loop(self, processing: Processing | None = None) -> Cursor:
        """The place where a new loop of this thread asks."""
        return Cursor(processing or self.processing, self.client, self.limit, get_ident(), True)

    def of_thread(self, thread: int) -> Cursor:
        """The place where ``thread`` asks without a loop."""
        cursor = self._cursors.get(thread)
        if cursor is None:
            cursor = self._cursors[thread] = Cursor(self.processing, self.client, self.limit, thread, False)
        return cursor

    def __del__(self) -> None:
        for cursor in self._cursors.values():
            cursor.leave()

    def end(self) -> None:
        """End all that is in process."""
        for cursor in OVERDUE.cursors():
            if cursor.client is self.client:
                cursor.end()


class Consumers:
    """The consumers of one library: what it takes to trace them, whichever method is called first.

    ``describe(span, message)`` records a message and ``headers(message)`` gives what came with it; ``known(consumer)``
    gives what its spans share, and the seconds that it may take over a message.
    """

    def __init__(
        self,
        operation: Operation,
        describe: Callable[[Any, Any], None],
        headers: Callable[[Any], Any],
        known: Callable[[Any], tuple[Client, float]],
    ) -> None:
        self.breaker = operation.breaker
        self._operation = operation
        self._describe = describe
        self._headers = headers
        self._known = known
        self._processing: dict[Engine, Processing] = {}

    def counted(self, engine: Engine) -> Callable[[Any], Any] | None:
        """What reads and counts the headers of a message that comes; None where nothing is measured."""
        return None if engine.metrics is None else engine.metrics.propagated.messages(self._headers)

    def states(self, engine: Engine) -> Callable[[Any], Consumption]:
        """The function that gives the state of a consumer under ``engine``."""
        processing = self._processing.get(engine)
        if processing is None:
            headers = self.counted(engine) or self._headers
            processing = Processing(engine, self._operation, self._describe, headers)
            self._processing[engine] = processing
            if engine.metrics is not None:
                processing.polled = Polled(engine, self._operation, self._describe, self._headers)
        known = self._known

        def state_of(consumer: Any) -> Consumption:
            state: Consumption | None = consumer.__dict__.get(STATE)
            if state is None or state.processing is not processing:
                client, limit = known(consumer)
                state = consumer.__dict__[STATE] = Consumption(client, limit, processing)
            return state

        return state_of

    def loop(self, original: Any, engine: Engine) -> Any:
        """Wrap ``__iter__`` of a consumer that is its own iterator."""
        breaker, state_of = self.breaker, self.states(engine)

        def wrapper(self: Any) -> Any:
            iterator = original(self)
            if iterator is self and not breaker.open:
                try:
                    return Messages(self, state_of(self))
                except Exception as error:
                    breaker.fault(error)
            return iterator

        return wrapper

    def next(self, original: Any, engine: Engine) -> Any:
        """Wrap ``__next__`` of a consumer: it ends the processing of one message and begins that of the next."""
        breaker, state_of = self.breaker, self.states(engine)
        fault = breaker.fault

        def wrapper(self: Any) -> Any:
            state, aside = None, False
            try:
                if breaker.open:
                    forget(self)
                else:
                    state = state_of(self)
                    if not state.asking:
                        thread, cursor = get_ident(), state.asks
                        if cursor is None or cursor.thread != thread:
                            aside = sys._getframe(1).f_globals.get("__name__") in _EXECUTORS
                            cursor = state.of_thread(_ANY_THREAD if aside else thread)
                        cursor.end()
            except Exception as error:
                state = None
                fault(error)
            if state is None or state.asking:
                return original(self)
            state.asking = True
            try:
                message = original(self)
            finally:
                state.asking = False
            try:
                cursor.begin(message, aside)  # type: ignore[union-attr]
            except Exception as error:
                fault(error)
            return message

        return wrapper

    def close(self, original: Any, engine: Engine) -> Any:
        """Wrap ``close`` of a consumer: nothing of it is processed after that."""
        fault = self.breaker.fault

        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                state = self.__dict__.get(STATE)
                if state is not None:
                    state.end()
            except Exception as error:
                fault(error)
            return original(self, *args, **kwargs)

        return wrapper


def forget(consumer: Any) -> None:
    """End what is in process of a consumer that is traced no longer."""
    state = consumer.__dict__.pop(STATE, None)
    if state is not None:
        state.end()


class Messages:
    """What a loop over a consumer goes through: when the loop is left this dies, and the last message is done with.

    Everything else that is asked of it is the consumer's.
    """

    __slots__ = ("_consumer", "_cursor", "_next", "_state")

    def __init__(self, consumer: Any, state: Consumption) -> None:
        self._cursor = state.loop()
        self._state = state
        self._consumer = consumer
        self._next = consumer.__next__

    def __iter__(self) -> Messages:
        return self

    def __next__(self) -> Any:
        state = self._state
        state.asks = self._cursor
        try:
            return self._next()
        finally:
            state.asks = None

    def __del__(self) -> None:
        cursor = getattr(self, "_cursor", None)
        if cursor is not None:
            cursor.leave()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in Messages.__slots__:
            raise AttributeError(name)
        return getattr(self._consumer, name)
