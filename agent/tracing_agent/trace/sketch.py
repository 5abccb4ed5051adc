"""Sketches: ended spans of which only ids, times and what the call said are kept, until they are on their way out.

A leaf needs no span while the program waits: nothing below it and nothing beside it looks at one. A sketch is one tuple
where a span is several objects; what the call said is put into words (SQL sanitised, a command written as text) by
whoever sends it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tracing_agent.trace.engine import new
from tracing_agent.trace.ids import bits_of
from tracing_agent.trace.span import SAMPLED, Span, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tracing_agent.operation import Operation
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.identity import Origin

    class Place(Protocol):
        """Where calls go: what the spans of those that go there share. See `semconv.db.Peer`."""

        origin: Origin | None

        def joined(self, base: Origin) -> Origin:
            """What spans to this place share, if others share ``base``."""

    class Intake(Protocol):
        """Where sketches go: appended to ``queue`` while it is shorter than ``act_at``. See `Pipeline.offer`."""

        queue: Any
        act_at: int

        def admit(self, sketch: Sketch, length: int) -> None:
            """Take a sketch when the queue had a ``length`` that is no longer less."""

    #: ``describe(said)`` gives a span's name ("": the operation's) and those of its attributes that are not its
    #: origin's. What was said is a tuple that can be hashed; what compares equal, of one origin, means the same.
    Describe = Callable[[Any], tuple[str, Mapping[str, Any]]]
    #: Artist, trace (None: one of its own), id of the parent in it, own id (0: any), start and end in nanoseconds since
    #: the epoch, origin, what the call said.
    Sketch = tuple["Artist", "Trace | None", "int | None", int, int, int, Origin, Any]


class Artist:
    """What the sketches of one operation have in common, and how a span is drawn from one."""

    __slots__ = ("base", "bits", "describe", "engine", "fault", "flags", "name")

    def __init__(self, operation: Operation, engine: Engine, describe: Describe) -> None:
        self.engine = engine
        self.base = operation.origin(engine)
        self.name = operation.name
        self.describe = describe
        self.fault = operation.breaker.fault
        #: ``bits(n)`` is a random integer; None where ids are made while the program waits, by another generator.
        self.bits = bits_of(engine.ids)
        #: Those of a trace that begins with a sketch.
        self.flags = engine.random | SAMPLED

    def origin(self, place: Place) -> Origin:
        """What spans to ``place`` share by now."""
        origin = place.origin
        return origin if origin is not None and origin.engine is self.engine else place.joined(self.base)

    def span(self, sketch: Sketch) -> Span:
        """The span that was sketched."""
        _, trace, up, id, start, end, origin, said = sketch
        try:
            name, values = self.describe(said)
        except Exception as error:
            self.fault(error)
            name, values = self.name, {}
        span = new(Span)
        span.trace = Trace(self.engine.ids.generate_trace_id(), self.flags, "", True) if trace is None else trace
        span.span_id = id or self.engine.ids.generate_span_id()
        span.up = up
        span.origin = origin
        span._name = name or self.name
        span.values = dict(values)
        span._start_time = start
        span._end_time = end
        span.rare = False
        return span


def hand_on(sketch: Sketch) -> None:
    """Put a sketch where sketches go by now."""
    engine = sketch[0].engine
    intake = engine.sketches
    if intake is None:
        engine.finish_at(sketch[0].span(sketch), sketch[5])
        return
    length = len(intake.queue)
    if length < intake.act_at:
        intake.queue.append(sketch)
    else:
        intake.admit(sketch, length)


def begun(item: Span | Sketch) -> int:
    """When a span really began; not by its dictionary where it has none, as that would make one."""
    if type(item) is tuple:
        return item[4]
    time: int = item.__dict__.get("begun", item._start_time) if item.rare else item._start_time  # type: ignore[union-attr]
    return time


def drawn(items: Sequence[Span | Sketch]) -> Sequence[Span]:
    """Spans, of spans and sketches."""
    return [item[0].span(item) if type(item) is tuple else item for item in items]  # type: ignore[misc]


__all__ = ["Artist", "Intake", "Sketch", "begun", "drawn", "hand_on"]
