"""The engine: begins spans with ids, parent and sampling decision, and hands ended ones to whoever exports them.

Two ways in make the same spans: an `Operation` of our instrumentations, by the functions of `trace.begin`; and the
OpenTelemetry API, for which `Engine.start` follows the SDK step by step.
"""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext

from tracing_agent.faults import fault
from tracing_agent.propagation.remote import Remote
from tracing_agent.trace import sdk
from tracing_agent.trace.carrier import Carrier
from tracing_agent.trace.policy import Policy
from tracing_agent.trace.rule import Facts, Undecided
from tracing_agent.trace.sdk import BAGGAGE_KEY, SPAN_KEY, Context, current
from tracing_agent.trace.span import RANDOM, SAMPLED, Dropped, Origin, Span, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.trace import Link, SpanKind


DROP, ONLY, SAMPLE = sdk.sampling.Decision  # in their order
new: Callable[[type[Span]], Span] = object.__new__


def below(up: Any, trace: Trace) -> Any:
    """What a child keeps of its parent: an id where they share the trace, an identity otherwise."""
    if type(up) is Span or type(up) is Dropped:
        return up.span_id if up.trace is trace else up.get_span_context()
    return up


class Engine(Policy):
    """What all spans of one provider share.

    ``finish`` ends a span now.
    """

    def __init__(
        self,
        *,
        sampler: sdk.sampling.Sampler,
        ids: IdGenerator,
        limits: SpanLimits,
        resource: Resource,
        processors: Any,
        clock: Callable[[], int] = time_ns,
        carrier: Carrier | None = None,
    ) -> None:
        super().__init__(sampler)
        self.ids = ids
        # SDKs before 1.42 have generators that cannot be asked.
        declared = getattr(ids, "is_trace_id_random", None)
        self.random = RANDOM if (declared() if declared else isinstance(ids, RandomIdGenerator)) else 0
        self.limits = limits
        self.resource = resource
        self.processors = processors
        self.clock = clock
        self.carrier = carrier or Carrier()
        #: `semconv.http.HttpSettings`, where the program's owner set any.
        self.http: Any = None
        #: `semconv.db.DatabaseSettings`, likewise.
        self.database: Any = None
        #: `semconv.messaging_settings.MessagingSettings`, likewise.
        self.messaging: Any = None
        #: `metrics.configured.Metrics`, where operations are measured.
        self.metrics: Any = None
        #: Whether spans of calls to other services may be roots.
        self.root_clients = True
        # Spans begun, and those of them that are not sampled; for the agent's health.
        self.started = self.unsampled = 0

    def counts(self) -> dict[str, int]:
        """What was decided otherwise than by ratio or parent, in new traces, by reason."""
        return {} if self.rule is None else self.rule.counts()

    def forked(self) -> None:
        """In a forked child: count from nothing."""
        self.started = self.unsampled = 0
        if self.rule is not None:
            self.rule.forked()

    # -- ending -----------------------------------------------------------------------------------------------------

    def finish(self, span: Span) -> None:
        """End ``span`` now, once."""
        if span._end_time is None:
            span._end_time = self.clock()
            if self.watched:
                self.show_end(span)
            if self.take is not None and span.trace.flags & SAMPLED:
                self.take(span)

    def finish_at(self, span: Span, end_time: int) -> None:
        """End ``span`` at a time (nanoseconds since the epoch)."""
        span._end_time = end_time
        if self.watched:
            self.show_end(span)
        if self.take is not None and span.trace.flags & SAMPLED:
            self.take(span)

    def show_end(self, span: Span) -> None:
        """Let span processors see an ended span."""
        ended = span.__dict__.pop("on_ended", None)
        try:
            if ended is not None:
                ended()
            ending = getattr(self.processors, "_on_ending", None)
            if ending is not None:
                ending(span)
            self.processors.on_end(span)
        except Exception as error:
            fault("a span processor's on_end", error)

    # -- beginning, the API's way -----------------------------------------------------------------------------------

    def start(
        self,
        origin: Origin,
        name: str,
        context: Context | None,
        attributes: Any,
        links: Sequence[Link] | None,
        start_time: int | None,
    ) -> Span | Dropped:
        """A span as `Tracer.start_span` makes it: the sampler decides, processors see it, attributes are checked."""
        up = self.parent(current() if context is None else context)
        span, result = self._sampled(origin, name, up, context, attributes, links)
        if type(span) is Span:
            span._start_time = now = self.clock()
            if start_time is not None:
                # When it really began tells a forked child whether it is its own.
                span._start_time, span.__dict__["begun"], span.rare = start_time, now, True
            if self.carrier.copied is not None:
                entries: Any = (current() if context is None else context).get(BAGGAGE_KEY)
                self.carrier.copied.onto(span.set_attribute, entries or {})
            if result is not None and result.decision is not DROP:
                attributes = result.attributes
            if attributes:
                span.set_attributes(attributes)
            if links:
                for link in links:
                    if link is not None:
                        span.add_link(link.context, link.attributes)
            if self.watched:
                self.show_start(span, context)
        return span

    def parent(self, context: Context) -> Any:
        """The span or remote identity that is the parent in ``context``; None where there is no valid one."""
        up = context.get(SPAN_KEY)
        if type(up) is Span or type(up) is Dropped or up is None:
            return up
        identity = sdk.get_current_span(context).get_span_context()
        if identity is not None and not isinstance(identity, SpanContext):
            raise TypeError("parent_span_context must be a SpanContext or None.")
        return identity if identity is not None and identity.is_valid else None

    def _sampled(
        self,
        origin: Origin,
        name: str,
        up: Any,
        context: Context | None,
        attributes: Any,
        links: Sequence[Link] | None,
    ) -> tuple[Span | Dropped, Any]:
        self.started += 1
        rule = self.rule
        if type(up) is Dropped and up.trace.silent:
            trace, result = up.trace, None
        elif rule is None:
            trace, result = self.ask(up, origin, name, context, attributes, links)
        else:
            trace, result = self.follow(up) if up is not None and rule.parented else self.decide(up), None
            if type(trace) is Undecided:
                trace = trace.settled(Facts(name, origin.kind, attributes or {}, {}))
        if not trace.flags & SAMPLED:
            self.unsampled += 1
        if not trace.recorded:
            return Dropped(trace, self.ids.generate_span_id()), result
        span = new(Span)
        span.trace = trace
        span.span_id = self.ids.generate_span_id()
        span.up = below(up, trace)
        span.origin = origin
        span._name = name
        span._end_time = None
        span.rare = False
        span.values = {}
        return span, result

    # -- deciding ---------------------------------------------------------------------------------------------------

    def follow(self, up: Any) -> Trace:
        """The trace of a child whose parent decides."""
        if type(up) is Span or type(up) is Dropped:
            trace: Trace = up.trace
            return trace
        if type(up) is SpanContext:
            flags = int(up.trace_flags) & (SAMPLED | RANDOM)
            return Trace(up.trace_id, flags, up.trace_state.to_header(), bool(flags & SAMPLED))
        if up.deferred and self.rule is not None:
            # The caller has left the decision to us; without ids there is nothing to continue but its wish.
            return self.rule.trace(up.trace_id, up.flags & RANDOM, up.state) if up.trace_id else self.decide()
        id = up.trace_id or self.ids.generate_trace_id()
        return Trace(id, up.flags, up.state, bool(up.flags & SAMPLED), up.debug)

    def decide(self, up: Any = None) -> Trace:
        """The trace of a root, or of a child where the sampler that we know does not leave it to the parent."""
        assert self.rule is not None
        if up is None:
            return self.rule.trace(self.ids.generate_trace_id(), self.random, "")
        parent = self.follow(up)
        return parent if type(up) is Remote and up.deferred else self.rule.below(parent, up)

    def ask(
        self,
        up: Any,
        origin: Origin,
        name: str,
        context: Context | None,
        attributes: Any,
        links: Sequence[Link] | None,
    ) -> tuple[Trace, Any]:
        """Ask a sampler that we do not know; what it says is the trace, and the attributes of its result."""
        parent = None if up is None else self.follow(up)
        id = self.ids.generate_trace_id() if parent is None else parent.id
        random = self.random if parent is None else parent.flags & RANDOM
        result = self.sampler.should_sample(context, id, name, origin.kind, attributes, links)
        flags = random | (SAMPLED if result.decision is SAMPLE else 0)
        state = result.trace_state.to_header() if result.trace_state else ""
        debug = parent is not None and parent.debug
        trace = Trace(id, flags, state, result.decision is not DROP, debug)
        return trace if trace.recorded else self.dropped(trace, up), result

    def dropped(self, trace: Trace, up: Any) -> Trace:
        """What stands for the trace of a span below ``up`` that a sampler which we do not know has dropped."""
        return trace

    def show_start(self, span: Span, context: Context | None) -> None:
        """Let span processors see a begun span."""
        try:
            self.processors.on_start(span, parent_context=context)
        except Exception as error:
            fault("a span processor's on_start", error)

    # -- beginning, our way -----------------------------------------------------------------------------------------

    def origin(
        self, scope: InstrumentationScope, kind: SpanKind, attributes: dict[str, Any], suppresses: int
    ) -> Origin:
        """What spans of one scope and kind share."""
        return Origin(self, scope, kind, attributes, suppresses)

    def trace_for(self, up: Any) -> Trace:
        """The trace of a new span below ``up``; recorded for now where only `admit` can decide."""
        rule = self.rule
        if rule is not None:
            return self.follow(up) if up is not None and rule.parented else self.decide(up)
        if up is None:
            return Trace(self.ids.generate_trace_id(), self.random, "", True)
        parent = self.follow(up)
        return Trace(parent.id, parent.flags, parent.state, True, parent.debug)
