"""Drivers for leaves that are told in a few words: functions and coroutine functions whose spans are only sketched.

``note(args, kwargs)`` gives what a call says and where it goes: (holder, said), where the holder has the place (a
`semconv.db.Peer`) by the name of `semconv.db.PEER`; or None for a call that is not of the usual kind. That one is run
by the driver ``otherwise``, as is every call where somebody has to see spans while they are made. ``said`` must hold
nothing of the program that is large or may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from tracing_agent.trace.sdk import SPAN_KEY, SUPPRESS_KEY, current
from tracing_agent.trace.sketch import Artist
from tracing_agent.trace.span import SAMPLED, Dropped, Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.operation import Operation
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.identity import Trace
    from tracing_agent.trace.sketch import Describe

    Note = Callable[[tuple[Any, ...], dict[str, Any]], "tuple[Any, Any] | None"]
    #: ``failed(span, args, error)`` describes an exception.
    Failed = Callable[[Any, tuple[Any, ...], BaseException], None]


def call(operation: Operation, note: Note, describe: Describe, failed: Failed, otherwise: Wrap) -> Wrap:
    """A function, from its call to its result."""

    def wrap(original: Any, engine: Engine) -> Any:
        usual = otherwise(original, engine)
        if not possible(engine):
            return usual
        artist, rooted = Artist(operation, engine, describe), with_roots(engine, operation)
        breaker, fault, mask, clock = operation.breaker, operation.breaker.fault, operation.key, engine.clock
        span_id = None if artist.bits is not None else engine.ids.generate_span_id

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            # No function of ours but `note` is called: the rest is done here, as `Pipeline.offer` does it in the end.
            told, way = None, usual
            try:
                intake: Any = engine.sketches
                if intake is not None and not breaker.open:
                    context = current()
                    up = context.get(SPAN_KEY) if context else None
                    trace: Any = None
                    if up is None:
                        if rooted and engine.roots and not (context and context.get(SUPPRESS_KEY)):
                            above = None
                            told = note(args, kwargs)
                    elif type(up) is Span:
                        if up.origin.suppresses & mask or context.get(SUPPRESS_KEY):
                            way = original
                        else:
                            trace = up.trace
                            if trace.flags & SAMPLED:
                                above = up.span_id
                                told = note(args, kwargs)
                    elif type(up) is Dropped:
                        way = original
                    if told is not None:
                        holder, said = told
                        id = 0
                        if span_id is not None:
                            trace, id = trace or engine.trace_for(None), span_id()
                        start = clock()
                        engine.started += 1
            except Exception as error:
                told = None
                fault(error)
            if told is None:
                return way(*args, **kwargs)
            try:
                # Without a dictionary of nothing: it would be copied.
                result = original(*args, **kwargs) if kwargs else original(*args)
            except BaseException as error:
                broken(artist, (trace, above, id, start), holder, said, args, error, failed)
                raise
            try:
                place = holder._tracing_agent_peer
                origin = place.origin
                if origin is None or origin.engine is not engine:
                    origin = artist.origin(place)
                sketch = (artist, trace, above, id, start, clock(), origin, said)
                queue = intake.queue
                length = len(queue)
                if length < intake.act_at:
                    queue.append(sketch)
                else:
                    intake.admit(sketch, length)
            except Exception as error:
                fault(error)
            return result

        return wrapper

    return wrap


def coroutine(operation: Operation, note: Note, describe: Describe, failed: Failed, otherwise: Wrap) -> Wrap:
    """A coroutine function, from its first step to its result."""

    def wrap(original: Any, engine: Engine) -> Any:
        usual = otherwise(original, engine)
        if not possible(engine):
            return usual
        artist, rooted = Artist(operation, engine, describe), with_roots(engine, operation)
        breaker, fault, mask, clock = operation.breaker, operation.breaker.fault, operation.key, engine.clock
        span_id = None if artist.bits is not None else engine.ids.generate_span_id

        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            # No function of ours but `note` is called: the rest is done here, as `Pipeline.offer` does it in the end.
            told, way = None, usual
            try:
                intake: Any = engine.sketches
                if intake is not None and not breaker.open:
                    context = current()
                    up = context.get(SPAN_KEY) if context else None
                    trace: Any = None
                    if up is None:
                        if rooted and engine.roots and not (context and context.get(SUPPRESS_KEY)):
                            above = None
                            told = note(args, kwargs)
                    elif type(up) is Span:
                        if up.origin.suppresses & mask or context.get(SUPPRESS_KEY):
                            way = original
                        else:
                            trace = up.trace
                            if trace.flags & SAMPLED:
                                above = up.span_id
                                told = note(args, kwargs)
                    elif type(up) is Dropped:
                        way = original
                    if told is not None:
                        holder, said = told
                        id = 0
                        if span_id is not None:
                            trace, id = trace or engine.trace_for(None), span_id()
                        start = clock()
                        engine.started += 1
            except Exception as error:
                told = None
                fault(error)
            if told is None:
                return await way(*args, **kwargs)
            try:
                # Without a dictionary of nothing: it would be copied.
                result = await (original(*args, **kwargs) if kwargs else original(*args))
            except BaseException as error:
                broken(artist, (trace, above, id, start), holder, said, args, error, failed)
                raise
            try:
                place = holder._tracing_agent_peer
                origin = place.origin
                if origin is None or origin.engine is not engine:
                    origin = artist.origin(place)
                sketch = (artist, trace, above, id, start, clock(), origin, said)
                queue = intake.queue
                length = len(queue)
                if length < intake.act_at:
                    queue.append(sketch)
                else:
                    intake.admit(sketch, length)
            except Exception as error:
                fault(error)
            return result

        return wrapper

    return wrap


def possible(engine: Engine) -> bool:
    """Whether there may be sketches under ``engine``: nothing is measured of spans that begin, or copied to them."""
    return engine.metrics is None and engine.carrier.copied is None


def with_roots(engine: Engine, operation: Operation) -> bool:
    """Whether calls without a parent have a span."""
    return operation.kind is not SpanKind.CLIENT or engine.root_clients


def broken(
    artist: Artist,
    begun: tuple[Trace | None, int | None, int, int],
    holder: Any,
    said: Any,
    args: tuple[Any, ...],
    error: BaseException,
    failed: Failed,
) -> None:
    """A call raised: of this there is a span to be told of, whose end is now."""
    try:
        span = artist.span((artist, *begun, 0, artist.origin(holder._tracing_agent_peer), said))
        span._end_time = None
        failed(span, args, error)
        artist.engine.finish(span)
    except Exception as ours:
        artist.fault(ours)
