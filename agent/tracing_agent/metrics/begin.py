"""Beginning operations that are not sampled so that they are measured: as spans that no exporter sees.

Such a span has a trace whose ``recorded`` is false: the program's own spans below it are what they are without metrics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.trace.engine import below, new
from tracing_agent.trace.sdk import SPAN_KEY, SUPPRESS_KEY, current
from tracing_agent.trace.span import Dropped, Origin, Span, Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.operation import Operation
    from tracing_agent.trace.engine import Engine

    Begin = Callable[[], Span | Dropped | None]
    Receive = Callable[[Any], Span | Dropped | None]


def beginner(begin: Begin, engine: Engine, operation: Operation) -> Begin:
    """``begin`` (of `trace.begin.beginner`), but for operations that are not sampled a span as well."""
    breaker, name, origin = operation.breaker, operation.name, operation.origin(engine)
    count = engine.metrics.started.begun

    def begun() -> Span | Dropped | None:
        span = begin()
        if type(span) is Span:
            count(span)
            return span
        context = current()
        up: Any = context.get(SPAN_KEY)
        if span is not None:
            if type(up) is not Span and type(up) is not Dropped and up is not None:
                up = engine.parent(context)
            above = None if up is None else below(up, span.trace)
            span = _unsampled(engine, span.trace, span.span_id, origin, name, above)
            count(span)
            return span
        # It gives nothing below a span that the program began and that is not sampled.
        if type(up) is not Dropped or up.trace.silent or breaker.open or context.get(SUPPRESS_KEY):
            return None
        engine.started += 1
        engine.unsampled += 1
        span = _unsampled(engine, up.trace, engine.ids.generate_span_id(), origin, name, up.span_id)
        count(span)
        return span

    return begun


def receiver(begin: Receive, engine: Engine, operation: Operation) -> Receive:
    """``begin`` (of `trace.begin.receiver`), likewise."""
    name, origin = operation.name, operation.origin(engine)
    count = engine.metrics.started.begun

    def begun(remote: Any) -> Span | Dropped | None:
        span = begin(remote)
        if span is None:
            return None
        if type(span) is Dropped:
            up = engine.parent(current()) if remote is None else remote
            above = below(up, span.trace) if up is not None and up.span_id else None
            span = _unsampled(engine, span.trace, span.span_id, origin, name, above)
        count(span)
        return span

    return begun


def _unsampled(engine: Engine, trace: Trace, span_id: int, origin: Origin, name: str, up: Any) -> Span:
    span = new(Span)
    span.trace = trace
    span.span_id = span_id
    span.up = up
    span.origin = origin
    span._name = name
    span.values = {}
    span._end_time = None
    span.rare = False
    span._start_time = engine.clock()
    return span
