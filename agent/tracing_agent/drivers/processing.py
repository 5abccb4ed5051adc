"""The processing of one message: begun when it is handed to the program, current meanwhile, and ended in every case.

A `Cursor` is a place where messages are handed out one after the other: a loop, or a thread that asks for the next one.
Of each at most one message is in process.
"""

from __future__ import annotations

import sys
from _thread import get_ident
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
    from tracing_agent.trace.span import Span


class Place:
    """Where messages are handed out, as their contexts know it; ``loop`` says whether they are a loop's."""

    __slots__ = ("loop",)

    def __init__(self, loop: bool) -> None:
        self.loop = loop


class Handed(Context):
    """The context in which one message is processed.

    ``around`` is the context around it; ``place`` is that of the cursor, which it must not hold: that ends with its
    loop. ``handled`` is the id of the exception that was being handled when the message was handed out.
    """

    __slots__ = ("around", "ended", "handled", "place", "span")

    def __init__(self, around: Context, span: Any, place: Place) -> None:
        super().__init__(around)
        dict.__setitem__(self, SPAN_KEY, span)
        self.around = around
        self.span = span
        self.place = place
        self.handled = id(sys.exc_info()[1])
        self.ended = False


class Processing:
    """Begins the spans of processed messages under one engine.

    ``describe(span, message)`` records a message, ``headers(message)`` gives what came with it. The parent is the
    producer's context where no span is current and the settings allow it; a link to it otherwise.
    """

    __slots__ = ("_begin", "_carrier", "_describe", "_engine", "_headers", "_linked", "_receive", "fault", "polled")

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
        #: What begins the spans of messages that came in a batch, if that is something else.
        self.polled: Processing | None = None

    def open(self, message: Any, cursor: Cursor) -> Handed | None:
        """Begin the span of ``message``; the caller makes its context the current one. None where nothing is to be."""
        around = current()
        if around:
            if type(around) is Handed:
                # A message of another cursor is around this one only if it was when this cursor came to be.
                around = cursor.outside(around)
                attach(around)
            if around.get(SUPPRESS_KEY):
                return None
        remote = baggage = None
        given = self._headers(message)
        if given:
            headers = Headers(given)
            remote = headers.remote(self._carrier)
            baggage = headers.baggage(self._carrier)
        parented = remote is not None and not self._linked and (not around or self._engine.parent(around) is None)
        span: Any = self._receive(remote) if parented else self._begin()
        if span is None:
            return None
        if span.recording:
            cursor.client.stamp(span)
            self._describe(span, message)
            if not parented:
                linked(span, remote)
            if self._engine.deferred:
                span = admit(self._engine, span)
        handed = Handed(around, span, cursor.place)
        if baggage is not None:
            dict.__setitem__(handed, BAGGAGE_KEY, baggage)
        return handed


class Polled(Processing):
    """As `Processing`, for messages that were counted with their batch: the span says so, for who measures it."""

    __slots__ = ()

    def open(self, message: Any, cursor: Cursor) -> Handed | None:
        handed = super().open(message, cursor)
        if handed is not None and handed.span.recording:
            handed.span.__dict__["polled"] = True
        return handed


class Cursor:
    """A place where messages are handed out; ``client`` is the consumer that they come from.

    ``limit`` is the longest time, in seconds, that a message may be in process; ``thread`` identifies the thread that
    asks here, 0 for any; ``loop`` says whether a loop does.
    """

    __slots__ = ("__weakref__", "_around", "_open", "_processing", "client", "fault", "limit", "place", "thread")

    def __init__(self, processing: Processing, client: Client, limit: float, thread: int, loop: bool) -> None:
        self._processing = processing
        self.fault = processing.fault
        self.client = client
        self.limit = limit
        self.thread = thread
        self.place = Place(loop)
        # At most one; popped by whoever ends it, as that may be another thread.
        self._open: list[Handed] = []
        # What is asked for in turn, without loops, is not inside of each other.
        self._around: list[Place] = []
        around = current()
        while type(around) is Handed:
            if loop or around.place.loop:
                self._around.append(around.place)
            around = around.around
        OVERDUE.watch(self)

    def begin(self, message: Any, aside: bool = False) -> None:
        """``message`` is handed out: its span is current from now on, unless it is processed ``aside``, elsewhere."""
        handed = self._processing.open(message, self)
        if handed is not None:
            self._open.append(handed)
            if not aside:
                attach(handed)

    def outside(self, context: Context) -> Context:
        """``context`` without the messages that are done with, and those of cursors that this one is not inside of."""
        while type(context) is Handed and (context.ended or context.place not in self._around):
            context = context.around
        return context

    def end(self) -> None:
        """The program is done with the message: it asks for the next one, or closes the consumer."""
        handed = self._taken()
        if handed is not None:
            _restore(handed)
            error = sys.exc_info()[1] if self.thread == get_ident() else None
            # What is handled now, and was not when the message was handed out, came up in between.
            _finish(handed.span, None if id(error) == handed.handled else error)

    def opened(self) -> int:
        """The span id of what is in process; 0 for nothing."""
        for handed in self._open:
            span_id: int = handed.span.span_id
            return span_id
        return 0

    def expire(self, event: str) -> None:
        """End the message from another thread, for the reason that is ``event``; it is current nowhere any longer."""
        handed = self._taken()
        if handed is not None:
            _replace(handed, handed)
            handed.span.add_event(event, {"messaging.process.limit": self.limit})
            _finish(handed.span, None)

    def _taken(self) -> Handed | None:
        try:
            handed = self._open.pop() if self._open else None
        except IndexError:
            return None
        if handed is not None:
            handed.ended = True
        return handed

    def leave(self) -> None:
        """What messages were handed out by is gone; called by its finaliser, whose caller left a loop, as a rule.

        Not by a finaliser of this cursor: another thread may look at it at that moment, and would finalise it.
        """
        handed = self._taken()
        if handed is not None:
            try:
                _restore(handed)
                self._left(handed.span)
            except Exception as error:
                self.fault(error)

    def _left(self, span: Any) -> None:
        try:
            frame = sys._getframe(3)
        except ValueError:  # nobody calls: the interpreter is about to end
            traceback = None
        else:
            traceback = in_flight(frame)
        if traceback is None or not span.recording:
            _finish(span, None)
            return
        now, fault = span.origin.engine.clock(), self.fault

        def told(error: BaseException | None) -> None:
            try:
                _finish(span, error, error is None, now)
            except Exception as ours:
                fault(ours)

        report(traceback, frame, told)


def _restore(handed: Handed) -> None:
    """Make the context that was around the message the current one again, where the message's still is."""
    now = current()
    if now is handed:
        around = handed.around
        while type(around) is Handed and around.ended:
            around = around.around
        attach(around)
    elif now.get(SPAN_KEY) is handed.span:
        # The program put something of its own on top of it, which stays.
        kept = Context(now)
        _replace(kept, handed)
        attach(kept)


def _replace(context: Context, handed: Handed) -> None:
    """Let ``context`` have span and baggage of what is around a message instead of the message's."""
    around = handed.around
    for key in (SPAN_KEY, BAGGAGE_KEY):
        if context.get(key) is handed.get(key):
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
