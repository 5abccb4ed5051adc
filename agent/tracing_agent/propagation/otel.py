"""The formats as OpenTelemetry propagators, for programs that call inject() and extract() of the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry import baggage as baggage_api
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import create_key, get_current, get_value, set_value
from opentelemetry.context.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tracing_agent.faults import fault
from tracing_agent.propagation import jaeger, ottrace
from tracing_agent.propagation.baggage import BAGGAGE, format_baggage, parse_baggage
from tracing_agent.propagation.names import FORMATS
from tracing_agent.propagation.prefixed import Prefixed
from tracing_agent.propagation.remote import SAMPLED, Format, Remote, Values
from tracing_agent.propagation.tracestate import trace_state

#: Under this key a context keeps the Remote it came from, when that says what a SpanContext cannot: debug, a
#: deferred decision, or a decision without ids.
REMOTE_KEY = create_key("tracing-agent-remote")
# Found through the API: the name of the constant that holds it is not public.
_BAGGAGE_KEY = next(iter(baggage_api.set_baggage("", "", Context())))
_FLAGS = tuple(map(TraceFlags, range(4)))


def context_with(remote: Remote, context: Context) -> Context:
    """`context` with the remote span as the current one.

    A SpanContext cannot say that the decision is ours to take; it says sampled then, as a parent that says
    otherwise would be obeyed.
    """
    if remote.trace_id:
        flags = _FLAGS[(remote.flags | SAMPLED if remote.deferred else remote.flags) & 3]
        state = trace_state(remote.state)
        identity = SpanContext(remote.trace_id, remote.span_id, True, flags, state)
        context = set_span_in_context(NonRecordingSpan(identity), context)
    # A context may have been through an extraction before; what that left must not be taken for this one's.
    if remote.debug or remote.deferred or not remote.trace_id or REMOTE_KEY in context:
        context = set_value(REMOTE_KEY, remote, context)
    return context


def remote_from(context: Context | None) -> Remote | None:
    """What to send for the current span of `context`, or of the current context; None for nothing."""
    span = get_current_span(context)
    identity = span.get_span_context()
    origin = get_value(REMOTE_KEY, context)
    if not isinstance(origin, Remote):
        origin = None
    if not identity.is_valid:
        return origin if origin is not None and not origin.trace_id else None
    remote = Remote(
        identity.trace_id,
        identity.span_id,
        identity.trace_flags & 3,
        identity.trace_state.to_header(),
    )
    # A span of ours knows of a sender's wish that came another way than through a context: with a request served.
    remote.debug = getattr(getattr(span, "trace", None), "debug", False)
    if origin is not None:
        # Debug goes on to the whole trace it came with; a decision is deferred only until a span here takes
        # it.
        same_trace = origin.trace_id == remote.trace_id
        remote.debug = remote.debug or (origin.debug and (same_trace or not origin.trace_id))
        remote.deferred = origin.deferred and same_trace and origin.span_id == remote.span_id
        if remote.deferred:
            remote.flags &= ~SAMPLED
    return remote


def header_values(carrier: CarrierT, getter: Getter[CarrierT]) -> Values:
    """The headers of a carrier by name, for Format.extract()."""

    def values(name: str) -> Sequence[str]:
        found: Any = getter.get(carrier, name)
        if found is None:
            return ()
        if isinstance(found, str):
            return (found,)
        return found if isinstance(found, list) else list(found)

    return values


def _with_baggage(entries: Mapping[str, object], context: Context) -> Context:
    if not entries:
        return context
    return set_value(_BAGGAGE_KEY, {**baggage_api.get_all(context), **entries}, context)


class FormatPropagator(TextMapPropagator):
    """A propagator that reads and writes one format, and the format's own baggage headers if it has any.

    extract() leaves the context as it was when there is nothing to find; neither method ever raises: what
    goes wrong, in the carrier's getter say, becomes one line of the agent.
    """

    format: Format
    baggage: Prefixed | None = None

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        if context is None:
            context = Context()
        try:
            remote = self.format.extract(header_values(carrier, getter))
            extracted = context if remote is None else context_with(remote, context)
            return self.extract_baggage(carrier, extracted, getter)
        except Exception as error:
            fault(f"reading {self.format.name} headers", error)
            return context

    def extract_baggage(self, carrier: CarrierT, context: Context, getter: Getter[CarrierT]) -> Context:
        """`context` with the entries of the format's own baggage headers."""
        if self.baggage is None:
            return context
        entries = self.baggage.parse(getter.keys(carrier), header_values(carrier, getter))
        return _with_baggage(entries, context)

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        def write(name: str, value: str) -> None:
            setter.set(carrier, name, value)

        try:
            remote = remote_from(context)
            if remote is not None:
                self.format.inject(remote, write)
            if self.baggage is not None:
                self.baggage.format(baggage_api.get_all(context), write)
        except Exception as error:
            fault(f"writing {self.format.name} headers", error)

    @property
    def fields(self) -> set[str]:
        return set(self.format.fields)


class TraceContextPropagator(FormatPropagator, TraceContextTextMapPropagator):
    """W3C Trace Context Level 2, as `tracecontext`."""

    format = FORMATS["tracecontext"]


class B3Propagator(FormatPropagator):
    """B3 in one header, as `b3`; reads several too."""

    format = FORMATS["b3"]


class B3MultiPropagator(FormatPropagator):
    """B3 in several headers, as `b3multi`; reads one too."""

    format = FORMATS["b3multi"]


class JaegerPropagator(FormatPropagator):
    """Jaeger's format and its baggage, as `jaeger`."""

    format = FORMATS["jaeger"]
    baggage = jaeger.BAGGAGE


class XRayPropagator(FormatPropagator):
    """AWS X-Ray, as `xray`."""

    format = FORMATS["xray"]


class OTTracePropagator(FormatPropagator):
    """OpenTracing's basic tracers and their baggage, as `ottrace`."""

    format = FORMATS["ottrace"]
    baggage = ottrace.BAGGAGE


class BaggagePropagator(W3CBaggagePropagator):
    """W3C Baggage, as `baggage`. An entry that came with metadata has a `baggage.Value` as its value."""

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        if context is None:
            context = get_current()
        try:
            values = header_values(carrier, getter)(BAGGAGE)
            return _with_baggage(parse_baggage(values), context) if values else context
        except Exception as error:
            fault("reading baggage headers", error)
            return context

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        try:
            header = format_baggage(baggage_api.get_all(context))
            if header:
                setter.set(carrier, BAGGAGE, header)
        except Exception as error:
            fault("writing baggage headers", error)

    @property
    def fields(self) -> set[str]:
        return {BAGGAGE}


__all__ = [
    "REMOTE_KEY",
    "B3MultiPropagator",
    "B3Propagator",
    "BaggagePropagator",
    "FormatPropagator",
    "JaegerPropagator",
    "OTTracePropagator",
    "TraceContextPropagator",
    "XRayPropagator",
    "context_with",
    "header_values",
    "remote_from",
    "trace_state",
]
