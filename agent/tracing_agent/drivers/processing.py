"""The processing of one message: begun when it is handed to the program, current meanwhile, and ended in every case.

A `Cursor` is a place where messages are handed out one after the other: a loop, or a thread that asks for the next one.
Of each at most one message is in process.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.leaving import in_flight, report
from tracing_agent.drivers.overdue import OVERDUE
from tracing_agent.semconv.errors import ERROR, recorded
from tracing_agent.semconv.messaging import linked
from tracing_agent.semconv.messaging_settings import settings_of
from tracing_agent.trace.begin import admit, beginner, receiver
from tracing_agent.trace.headers import Headers
from tracing_agent.trace.sdk import BAGGAGE_KEY, SPAN_KEY, SUPPRESS_KEY, Context, attach, current

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.operation import Operation
    from tracing_agent.semconv.messaging import Client
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.span import Dropped, Span

    #: (span, its context, the context around it, id of the exception that was being handled then)
    Open = tuple[Span | Dropped, Context, Context, int]


class Processing:
    """Begins and ends the spans of processed messages under one engine.

    ``describe(span, message)`` records a message, ``headers(message)`` gives what came with it. The parent is the
    producer's context where no span is current and the settings allow it; a link to it otherwise.
    """

    __slots__ = ("_begin", "_carrier", "_describe", "_engine", "_headers", "_linked", "_receive", "fault")

    def __init__(
        self,
        engine: Engine,
        operation: Operation,
        describe: Callable[[Span, Any], None],
        headers: Callable[[Any], Any],
    ) -> None:
        self._begin = beginner(engine, operation)
        self._receive = receiver(engine, operation)
        self._describe = describe
        self._headers = headers
        self._engine = engine
        self._carrier = engine.carrier
        self._linked = settings_of(engine).linked
        self.fault = operation.breaker.fault

    def open(self, message: Any, client: Client) -> Open | None:
        """Begin the span of ``message``; the caller makes its context the current one. None where nothing is to be."""
        around = current()
        if around and around.get(SUPPRESS_KEY):
            return None
        remote = baggage = None
        given = self._headers(message)
        if given:
            headers = Headers(given)
            remote = headers.remote(self._carrier)
            baggage = headers.baggage(self._carrier)
        parented = remote is not None and not self._linked and (not around or self._engine.parent(around) is None)
        span = self._receive(remote) if parented else self._begin()
        if span is None:
            return None
        if span.recording:
            client.stamp(span)  # type: ignore[arg-type]
            self._describe(span, message)  # type: ignore[arg-type]
            if not parented:
                linked(span, remote)  # type: ignore[arg-type]
            if self._engine.deferred:
                span = admit(self._engine, span)  # type: ignore[arg-type]
        context = Context(around)
        dict.__setitem__(context, SPAN_KEY, span)
        if baggage is not None:
            dict.__setitem__(context, BAGGAGE_KEY, baggage)
        return span, context, around, id(sys.exc_info()[1])


class Cursor:
    """A place where messages are handed out; ``client`` is the consumer that they come from.

    ``limit`` is the longest time, in seconds, that a message may be in process; ``thread`` identifies the thread that
    asks here.
    """

    __slots__ = ("__weakref__", "_open", "_processing", "client", "fault", "limit", "thread")

    def __init__(self, processing: Processing, client: Client, limit: float, thread: int) -> None:
        self._processing = processing
        self.fault = processing.fault
        self.client = client
        self.limit = limit
        self.thread = thread
        # At most one; popped by whoever ends it, as that may be another thread.
        self._open: list[Open] = []
        OVERDUE.watch(self)

    def begin(self, message: Any, aside: bool = False) -> None:
        """``message`` is handed out: its span is current from now on, unless it is processed ``aside``, elsewhere."""
        opened = self._processing.open(message, self.client)
        if opened is not None:
            self._open.append(opened)
            if not aside:
                attach(opened[1])

    def end(self) -> None:
        """The program is done with the message: it asks for the next one, or closes the consumer."""
        opened = self._taken()
        if opened is not None:
            _restore(opened)
            # What is handled now, and was not when the message was handed out, came up in between.
            error = sys.exc_info()[1]
            _finish(opened[0], None if id(error) == opened[3] else error)

    def opened(self) -> int:
        """The span id of what is in process; 0 for nothing."""
        for span, *_ in self._open:
            return span.span_id
        return 0

    def expire(self, event: str) -> None:
        """End the message from another thread, for the reason that is ``event``; it is current nowhere any longer."""
        opened = self._taken()
        if opened is not None:
            span, context, around, _ = opened
            _replace(context, around, context)
            span.add_event(event, {"messaging.process.limit": self.limit})
            _finish(span, None)

    def _taken(self) -> Open | None:
        try:
            return self._open.pop() if self._open else None
        except IndexError:
            return None

    def __del__(self) -> None:
        opened = self._taken()
        if opened is not None:
            try:
                _restore(opened)
                _leave(opened[0])
            except Exception as error:
                self.fault(error)


def _leave(span: Any) -> None:
    """The program left the loop, or dropped what messages were handed out by."""
    try:
        frame = sys._getframe(2)
    except ValueError:  # nobody calls: the interpreter is about to end
        traceback = None
    else:
        traceback = in_flight(frame)
    if traceback is None or not span.recording:
        _finish(span, None)
        return
    now = span.origin.engine.clock()

    def told(error: BaseException | None) -> None:
        _finish(span, error, error is None, now)

    report(traceback, frame, told)


def _restore(opened: Open) -> None:
    """Make the context that was around the message the current one again, where the message's still is."""
    span, context, around, _ = opened
    now = current()
    if now is context:
        attach(around)
    elif now.get(SPAN_KEY) is span:
        # The program put something of its own on top of it, which stays.
        kept = Context(now)
        _replace(kept, around, context)
        attach(kept)


def _replace(context: Context, around: Context, entered: Context) -> None:
    """Let ``context`` have span and baggage of ``around`` instead of those of ``entered``."""
    for key in (SPAN_KEY, BAGGAGE_KEY):
        if context.get(key) is entered.get(key):
            if key in around:
                dict.__setitem__(context, key, around[key])
            else:
                dict.pop(context, key, None)


def _finish(span: Any, error: BaseException | None, unknown: bool = False, at: int | None = None) -> None:
    """End the span at a time, by default now, unless the program has; ``unknown`` is an error that could not be had."""
    if not span.recording or span._end_time is not None:
        return
    if error is not None:
        recorded(span, error)
    elif unknown:
        span.values["error.type"] = "_OTHER"
        span._status = ERROR
    if at is None:
        span.origin.finish(span)
    else:
        span.origin.engine.finish_at(span, at)
