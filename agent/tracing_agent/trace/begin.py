"""Beginning spans our way: functions made for one operation, with everything decided before the call comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, SpanKind

from tracing_agent.propagation.remote import Remote
from tracing_agent.trace.engine import DROP, SAMPLE, below, new
from tracing_agent.trace.foreign import stands_for
from tracing_agent.trace.ids import bits_of
from tracing_agent.trace.rule import Facts, Undecided
from tracing_agent.trace.sdk import BAGGAGE_KEY, SPAN_KEY, SUPPRESS_KEY, Context, attach, current, detach
from tracing_agent.trace.span import RANDOM, SAMPLED, Dropped, SilentTrace, Span, Trace, span_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.operation import Operation
    from tracing_agent.propagation.selected import Selected
    from tracing_agent.trace.engine import Engine

    Begin = Callable[[], "Span | Dropped | None"]

made: Callable[[type[Trace]], Trace] = object.__new__


def beginner(engine: Engine, operation: Operation) -> Begin:
    """The function that begins ``operation``: takes nothing, so that an unrecorded call formats nothing.

    It gives None where nothing is to be recorded (below an unsampled span, below a span of the same key, where
    instrumentation is suppressed, for a client span without a parent where the owner wants none, or after too many
    faults), a `Dropped` for a root that is not sampled.
    """
    breaker, name, mask, origin = operation.breaker, operation.name, operation.key, operation.origin(engine)
    bits, clock = bits_of(engine.ids), engine.clock
    trace_id, span_id = engine.ids.generate_trace_id, engine.ids.generate_span_id
    rootless = operation.kind is SpanKind.CLIENT and not engine.root_clients

    def begin() -> Span | Dropped | None:
        if breaker.open:
            return None
        context = current()
        up = context.get(SPAN_KEY)
        if context.get(SUPPRESS_KEY):
            return None
        above: Any
        if type(up) is Span:
            if up.origin.suppresses & mask:
                return None
            if engine.parented:
                trace = up.trace
                above = up.span_id
            else:
                trace = engine.trace_for(up)
                above = below(up, trace)
        elif type(up) is Dropped and (engine.parented or up.trace.silent):
            return None
        else:
            if up is not None:
                if mask and stands_for(up) & mask:
                    return None
                up = engine.parent(context)
            if up is not None:
                trace = engine.trace_for(up)
                above = below(up, trace)
            else:
                if rootless:
                    return None
                above = None
                rule = engine.rule
                if rule is not None and rule.sampled:
                    # As `Engine.trace_for`, without its steps.
                    trace = made(Trace)
                    trace.id = bits(128) or 1 if bits else trace_id()
                    trace.flags = engine.random | SAMPLED
                    trace.state = trace.head = ""
                    trace.recorded = True
                    trace.debug = False
                    trace.encoded = None
                else:
                    trace = engine.trace_for(None)
        engine.started += 1
        if not trace.recorded:
            engine.unsampled += 1
            return Dropped(trace, span_id())
        span = new(Span)
        span.trace = trace
        span.span_id = bits(64) or 1 if bits else span_id()
        span.up = above
        span.origin = origin
        span._name = name
        span.values = {}
        span._end_time = None
        span.rare = False
        span._start_time = clock()
        return span

    copied = engine.carrier.copied
    chosen = begin if copied is None else _with_baggage(begin, copied)
    return chosen if engine.metrics is None else engine.metrics.beginner(chosen, engine, operation)


def _with_baggage(begin: Begin, copied: Selected) -> Begin:
    """Begin spans with the selected entries of the current baggage."""

    def begun() -> Span | Dropped | None:
        span = begin()
        if type(span) is Span:
            entries: Any = current().get(BAGGAGE_KEY)
            if entries:
                copied.onto(span.set_attribute, entries)
        return span

    return begun


def receiver(engine: Engine, operation: Operation) -> Callable[[Any], Span | Dropped | None]:
    """The function that begins ``operation`` below a remote parent (a `Remote`, or None for none came in)."""
    breaker, name, origin = operation.breaker, operation.name, operation.origin(engine)
    bits, clock = bits_of(engine.ids), engine.clock
    trace_id, span_id = engine.ids.generate_trace_id, engine.ids.generate_span_id

    def begin(remote: Any) -> Span | Dropped | None:
        if breaker.open:
            return None
        up = remote
        if up is None:
            context = current()
            if context:
                if context.get(SUPPRESS_KEY):
                    return None
                up = engine.parent(context)
                if type(up) is Dropped and up.trace.silent:
                    return None
        # The usual ways of `Engine.trace_for`, without its steps: this is done for every request.
        rule = engine.rule
        if up is None and rule is not None:
            sampled = rule.sampled
            id = bits(128) or 1 if bits else trace_id()
            if sampled is None:
                trace = rule.trace(id, engine.random, "")
            else:
                trace = made(Trace)
                trace.id = id
                trace.flags = engine.random | SAMPLED if sampled else engine.random
                trace.state = trace.head = ""
                trace.recorded = sampled
                trace.debug = False
                trace.encoded = None
        else:
            trace = engine.follow(up) if engine.followed and up is not None else engine.trace_for(up)
        engine.started += 1
        if not trace.recorded:
            engine.unsampled += 1
            return Dropped(trace, span_id())
        span = new(Span)
        span.trace = trace
        span.span_id = bits(64) or 1 if bits else span_id()
        # A remote decision can come without ids (B3): then this span is a root.
        span.up = below(up, trace) if up is not None and up.span_id else None
        span.origin = origin
        span._name = name
        span.values = {}
        span._end_time = None
        span.rare = False
        span._start_time = clock()
        return span

    return begin if engine.metrics is None else engine.metrics.receiver(begin, engine, operation)


def silencer(engine: Engine) -> Callable[[Any], Dropped]:
    """The function that gives what is current during excluded work: an identity below which nothing is recorded.

    It takes the remote parent, or None; what leaves the process carries its trace on, not sampled.
    """
    ids = engine.ids

    def silent(remote: Any) -> Dropped:
        if remote is None or not remote.trace_id:
            return Dropped(SilentTrace(ids.generate_trace_id(), engine.random, "", False), ids.generate_span_id())
        return Dropped(SilentTrace(remote.trace_id, remote.flags & RANDOM, remote.state, False), ids.generate_span_id())

    return silent


def carried(engine: Engine, key: int) -> Span | Dropped | None:
    """What an unrecorded call hands on to the other side: the identity that children here would have.

    None where there is none, where instrumentation is suppressed, and below a span that has handed on its own.
    """
    context = current()
    up = context.get(SPAN_KEY)
    if up is None or context.get(SUPPRESS_KEY):
        return None
    if type(up) is Dropped:
        return up
    if type(up) is Span:
        return None if up.origin.suppresses & key else up
    identity = engine.parent(context)
    return None if identity is None else Dropped(engine.follow(identity), identity.span_id)


def admit(engine: Engine, span: Span) -> Span | Dropped:
    """Show a begun span, with the attributes it has by now, to a sampler that wants to see it and to span processors.

    Only where ``deferred``; gives what is to be used instead: the span, or a `Dropped` with its identity.
    """
    if engine.rule is None:
        context = _told(span, current())
        result = engine.sampler.should_sample(
            context, span.trace.id, span._name, span.origin.kind, span._attributes, tuple(span._links)
        )
        flags = span.trace.flags & RANDOM | (SAMPLED if result.decision is SAMPLE else 0)
        state = result.trace_state.to_header() if result.trace_state else ""
        span.trace = trace = Trace(span.trace.id, flags, state, result.decision is not DROP, span.trace.debug)
        if not trace.recorded:
            up = span.up if type(span.up) is Remote else engine.parent(context)
            span.trace = trace = engine.dropped(trace, up)
            if type(up) is Span and up.trace is trace:
                span.up = up.span_id
        if not (flags & SAMPLED or trace.held):
            engine.unsampled += 1
            if engine.metrics is not None:
                engine.metrics.started.settled(span)
        if not span.trace.recorded:
            return _left_out(engine, span)
        if result.attributes and not trace.held:
            span.set_attributes(result.attributes)
    elif type(span.trace) is Undecided:
        facts = Facts(span._name, span.origin.kind, span._attributes, span.__dict__.pop("sent", {}))
        trace = span.trace = span.trace.settled(facts)
        if engine.metrics is not None:
            engine.metrics.started.settled(span)
        if not (trace.flags & SAMPLED or trace.held):
            engine.unsampled += 1
        if not trace.recorded:
            return _left_out(engine, span)
    if engine.watched and span.trace.recorded:
        engine.show_start(span, _told(span, current()))
    return span


def _left_out(engine: Engine, span: Span) -> Span | Dropped:
    """What stands for a begun span that is not sampled: itself where it is measured."""
    return Dropped(span.trace, span.span_id) if engine.metrics is None else span


def withdraw(engine: Engine, span: Any) -> None:
    """A begun span comes to nothing: it is none of those that were begun."""
    engine.started -= 1
    if not span.trace.recorded:
        engine.unsampled -= 1
    if engine.metrics is not None:
        engine.metrics.started.withdrawn(span)


def _told(span: Span, context: Context) -> Context:
    """The context in which samplers and processors look for the parent of ``span``: a remote one is in no other.

    None is to be found there whose owner left the decision to us.
    """
    up = span.up
    if type(up) is not Remote:
        return context
    parent: Any = INVALID_SPAN
    if not up.deferred:
        parent = NonRecordingSpan(span_context(span.trace, up.span_id, is_remote=True))
    context = Context(context)
    dict.__setitem__(context, SPAN_KEY, parent)
    return context


def entered(span: Span | Dropped, baggage: dict[str, str] | None = None) -> Context:
    """The current context with ``span`` as the current one (and ``baggage`` as its baggage), ready to be attached."""
    context = Context(current())
    dict.__setitem__(context, SPAN_KEY, span)
    if baggage:
        dict.__setitem__(context, BAGGAGE_KEY, baggage)
    return context


def enter(span: Span | Dropped) -> Any:
    """Make ``span`` the current one; `leave` undoes it with the token."""
    return attach(entered(span))


def leave(token: Any) -> None:
    """Undo `enter`. Harmless where the application switched contexts meanwhile: then there is nothing to undo."""
    try:
        detach(token)
    except ValueError:
        pass
