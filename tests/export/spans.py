"""Arbitrary spans, made through the API of our provider and through the fast way of our instrumentations."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState
from opentelemetry.trace.status import Status

from contract.versions import ANY_VALUE
from tracing_agent.operation import Operation
from tracing_agent.propagation.remote import Remote
from tracing_agent.trace.begin import beginner, enter, leave, receiver
from tracing_agent.trace.provider import TracerProvider
from tracing_agent.trace.span import Span

UINT64 = (1 << 64) - 1


class Drawn(IdGenerator):
    """Gives the ids that hypothesis drew."""

    def __init__(self) -> None:
        self.trace_id = self.span_id = 1

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id

    def is_trace_id_random(self) -> bool:
        return True


IDS = Drawn()
PROVIDER = TracerProvider(
    resource=Resource({"service.name": "test", "list": ("a", "b"), "n": 1, "on": True}, "https://example.org/resource"),
    shutdown_on_exit=False,
    id_generator=IDS,
    span_limits=SpanLimits(max_span_attributes=5, max_events=2, max_links=2, max_event_attributes=2),
)
RESOURCE = PROVIDER.resource

trace_ids = st.integers(1, (1 << 128) - 1)
span_ids = st.integers(1, UINT64)
times = st.integers(0, UINT64)
#: Text that UTF-8 has bytes for, NUL and other planes included.
sane_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
keys = st.one_of(st.sampled_from(("http.route", "db.statement", "k", "")), sane_text)
ints = st.integers(-(1 << 63), (1 << 63) - 1)
scalars = st.one_of(
    sane_text,
    st.booleans(),
    ints,
    st.integers(-2, 300),
    st.floats(),
    st.text("x", min_size=250, max_size=300),
    # The official encoder of older releases leaves None out, with a line of log; and bytes become None in their SDK.
    *([st.none(), st.binary(max_size=20)] if ANY_VALUE else []),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
    ),
    max_leaves=5,
)
attributes = st.dictionaries(keys, values, max_size=5)
few = st.dictionaries(keys, scalars, max_size=3)
tracestates = st.one_of(
    st.just(()),
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from(("1", "x:y", "t!"))), max_size=3, unique_by=lambda p: p[0]
    ),
)
kinds = st.sampled_from(list(SpanKind))
trace_flags = st.integers(0, 255)


@st.composite
def contexts(draw: st.DrawFn) -> SpanContext:
    """The identity of another span."""
    return SpanContext(
        draw(trace_ids),
        draw(span_ids),
        draw(st.booleans()),
        TraceFlags(draw(trace_flags)),
        TraceState(draw(tracestates)),
    )


@st.composite
def finished(draw: st.DrawFn, pairs: Any = attributes) -> Span:
    """A span made through the API, with something of everything."""
    IDS.trace_id, IDS.span_id = draw(trace_ids), draw(span_ids)
    scope = draw(
        st.sampled_from(
            (
                ("a", None, None, None),
                ("a", "1", None, None),
                ("", "", "https://example.org/scope", None),
                ("b", "2", None, {"team": "blue", "n": 3}),
            )
        )
    )
    parent = draw(st.none() | contexts())
    if parent is not None:
        # A sampled one, or the span is not recorded.
        flags = TraceFlags(parent.trace_flags | 1)
        parent = SpanContext(parent.trace_id, parent.span_id, parent.is_remote, flags, parent.trace_state)
    context = Context() if parent is None else trace.set_span_in_context(NonRecordingSpan(parent), Context())
    span: Any = PROVIDER.get_tracer(*scope).start_span(
        draw(sane_text),
        context,
        draw(kinds),
        draw(pairs),
        [Link(linked, draw(few)) for linked in draw(st.lists(contexts(), max_size=3))],
        draw(times),
    )
    for name, stamp, found in draw(st.lists(st.tuples(sane_text, times, few), max_size=3)):
        span.add_event(name, found, stamp)
    for key, value in draw(few).items():
        span.set_attribute(key, value)
    if draw(st.booleans()):
        span.set_status(Status(StatusCode.ERROR, draw(st.none() | sane_text)))
    if draw(st.booleans()):
        span.set_status(StatusCode.OK)
    span.end(draw(times))
    return span  # type: ignore[no-any-return]


OPERATIONS = [
    Operation("flask", "GET", SpanKind.SERVER, {"network.protocol.name": "http"}),
    Operation("requests", "POST", SpanKind.CLIENT),
    Operation("redis", "SET", SpanKind.CLIENT, {"db.system.name": "redis", "server.port": 6379, "k": "constant"}),
]
BEGINNERS = [beginner(PROVIDER.engine, operation) for operation in OPERATIONS]
RECEIVERS = [receiver(PROVIDER.engine, operation) for operation in OPERATIONS]


@st.composite
def fast(draw: st.DrawFn, names: Any = sane_text, pairs: Any = attributes) -> Span:
    """A span made as an instrumentation makes it: fields and values written directly."""
    IDS.trace_id, IDS.span_id = draw(trace_ids), draw(span_ids)
    which = draw(st.integers(0, len(OPERATIONS) - 1))
    if draw(st.booleans()):
        state = ",".join(f"{key}={value}" for key, value in draw(tracestates))
        span = RECEIVERS[which](Remote(draw(trace_ids), draw(span_ids), draw(trace_flags) | 1, state))
    elif draw(st.booleans()):
        outer: Any = BEGINNERS[1]()
        IDS.span_id = draw(span_ids)
        token = enter(outer)
        span = BEGINNERS[which]()
        leave(token)
    else:
        span = BEGINNERS[which]()
    assert type(span) is Span
    span._name = draw(names)
    span.values.update(draw(pairs))
    span._start_time, span._end_time = draw(times), draw(times)
    if draw(st.booleans()):
        span._status = Status(StatusCode.ERROR, draw(st.none() | sane_text))
    return span


spans = st.one_of(finished(), fast())

__all__ = ["PROVIDER", "RESOURCE", "fast", "finished", "spans"]
