"""The propagators against the API's types, contexts, getters and its own propagators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context.context import Context
from opentelemetry.propagators.textmap import DefaultGetter, Getter, Setter, TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from propagation.headers import PARENT, SPAN, TRACE
from tracing_agent.faults import LINES
from tracing_agent.propagation.baggage import Value
from tracing_agent.propagation.otel import (
    B3MultiPropagator,
    B3Propagator,
    BaggagePropagator,
    JaegerPropagator,
    OTTracePropagator,
    TraceContextPropagator,
    XRayPropagator,
    remote_from,
)
from tracing_agent.propagation.remote import Remote

T, S = f"{TRACE:032x}", f"{SPAN:016x}"
ROOT = f"1-{T[:8]}-{T[8:]}"
LOW = f"{TRACE & (1 << 64) - 1:016x}"
PROPAGATORS: list[tuple[type[TextMapPropagator], dict[str, str]]] = [
    (TraceContextPropagator, {"traceparent": PARENT, "tracestate": "a=1"}),
    (B3Propagator, {"b3": f"{T}-{S}-1"}),
    (B3MultiPropagator, {"x-b3-traceid": T, "x-b3-spanid": S, "x-b3-sampled": "1"}),
    (JaegerPropagator, {"uber-trace-id": f"{T}:{S}:0:01"}),
    (XRayPropagator, {"x-amzn-trace-id": f"Root={ROOT};Parent={S};Sampled=1"}),
    (OTTracePropagator, {"ot-tracer-traceid": LOW, "ot-tracer-spanid": S, "ot-tracer-sampled": "true"}),
]
ALL: list[type[TextMapPropagator]] = [*(kind for kind, _ in PROPAGATORS), BaggagePropagator]
KEPT = Context({"mine": 1})


def _identity(found: Context) -> trace.SpanContext:
    return trace.get_current_span(found).get_span_context()


def _child(parent: Context, span_id: int = 0xC, flags: int = 1) -> Context:
    """The context of a local span below the remote one."""
    identity = trace.SpanContext(_identity(parent).trace_id, span_id, False, trace.TraceFlags(flags))
    return trace.set_span_in_context(trace.NonRecordingSpan(identity), parent)


def _injected(propagator: TextMapPropagator, from_context: Context | None) -> dict[str, Any]:
    carrier: dict[str, Any] = {}
    propagator.inject(carrier, from_context)
    return carrier


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the agent would print."""
    lines: list[str] = []
    monkeypatch.setattr(LINES, "strict", False)
    monkeypatch.setattr(LINES, "repeats", {})
    monkeypatch.setattr(LINES, "write", lambda level, message: lines.append(message))
    return lines


@pytest.mark.parametrize(("kind", "headers"), PROPAGATORS)
def test_round_trip(kind: type[TextMapPropagator], headers: dict[str, str]) -> None:
    """A span context read from headers has the API's types, is remote, keeps the context, and is written back."""
    found = kind().extract(headers, KEPT)
    span = trace.get_current_span(found)
    identity = span.get_span_context()
    assert isinstance(span, trace.NonRecordingSpan)
    assert identity.span_id == SPAN
    assert identity.trace_id == (TRACE if kind is not OTTracePropagator else TRACE & (1 << 64) - 1)
    assert identity.is_remote
    assert isinstance(identity.trace_flags, trace.TraceFlags)
    assert identity.trace_flags.sampled
    assert isinstance(identity.trace_state, trace.TraceState)
    assert found["mine"] == 1
    assert dict(KEPT) == {"mine": 1}
    written = _injected(kind(), found)
    assert written == headers
    assert set(written) <= kind().fields


@pytest.mark.parametrize("kind", ALL)
def test_nothing_found(kind: type[TextMapPropagator]) -> None:
    """Where there is nothing to find the context that was passed comes back, the same object."""
    headers = dict.fromkeys((*kind().fields, "uberctx-", "ot-baggage-"), "nonsense")
    for carrier in ({}, headers):
        assert kind().extract(carrier, KEPT) is KEPT
    assert kind().extract({}) == Context()


@pytest.mark.parametrize("kind", ALL)
def test_nothing_to_send(kind: type[TextMapPropagator]) -> None:
    """Without a span and baggage nothing is written."""
    assert _injected(kind(), None) == {}
    assert _injected(kind(), KEPT) == {}
    assert _injected(kind(), trace.set_span_in_context(trace.INVALID_SPAN, KEPT)) == {}


@pytest.mark.parametrize(("kind", "headers"), PROPAGATORS)
def test_current_context(kind: type[TextMapPropagator], headers: dict[str, str]) -> None:
    """Without a context the current one is written, and the root one is extended."""
    found = kind().extract(headers)
    assert _identity(found).is_valid
    token = context.attach(found)
    try:
        assert _injected(kind(), None) == headers
        assert kind().extract({}) == Context()
    finally:
        context.detach(token)


class _Broken(Getter[Any], Setter[Any]):
    """A carrier's accessors that raise."""

    def get(self, carrier: Any, key: str) -> list[str] | None:
        raise RuntimeError("broken getter")

    def keys(self, carrier: Any) -> list[str]:
        raise RuntimeError("broken getter")

    def set(self, carrier: Any, key: str, value: str) -> None:
        raise RuntimeError("broken setter")


@pytest.mark.parametrize("kind", ALL)
def test_never_raises(kind: type[TextMapPropagator], said: list[str]) -> None:
    """A getter or setter that raises costs one line; the context comes back as it was."""
    assert kind().extract({}, KEPT, _Broken()) is KEPT
    sent = baggage.set_baggage("a", "1", _child(TraceContextPropagator().extract({"traceparent": PARENT})))
    kind().inject({}, sent, _Broken())
    kind().inject({}, sent, _Broken())
    assert len(said) == 2
    assert "broken getter" in said[0]
    assert "broken setter" in said[1]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("junk", [[1], [None], [b"x"], [["x"]], 5, object()])
def test_values_that_are_no_strings(kind: type[TextMapPropagator], junk: object, said: list[str]) -> None:
    """A getter that gives something else than strings costs at most one line."""

    class Junk(Getter[Any]):
        def get(self, carrier: Any, key: str) -> Any:
            return junk

        def keys(self, carrier: Any) -> list[str]:
            return ["uberctx-a", "ot-baggage-a"]

    assert kind().extract({}, KEPT, Junk()) is KEPT
    assert len(said) <= 1


class _Lenient(Getter[Any]):
    """A getter that answers in a shape of its own."""

    def __init__(self, shape: Callable[[str], Any]) -> None:
        self.shape = shape

    def get(self, carrier: Any, key: str) -> Any:
        return self.shape(carrier[key]) if key in carrier else None

    def keys(self, carrier: Any) -> list[str]:
        return list(carrier)


@pytest.mark.parametrize("shape", [str, lambda value: [value], lambda value: (value,), lambda value: iter([value])])
@pytest.mark.parametrize(("kind", "headers"), PROPAGATORS)
def test_shapes_of_getters(kind: type[TextMapPropagator], headers: dict[str, str], shape: Callable[[str], Any]) -> None:
    """A getter may answer with a list, as the API says, or with a string, a tuple or an iterator."""
    assert _identity(kind().extract(headers, KEPT, _Lenient(shape))).span_id == SPAN


def test_several_values() -> None:
    """Several values of a header arrive in order: tracestate combined, two parents refused, baggage merged."""
    headers: dict[str, Sequence[str]] = {
        "traceparent": [PARENT],
        "tracestate": ["a=1", "b=2"],
        "baggage": ["a=1", "b=2"],
    }
    found = TraceContextPropagator().extract(headers)
    assert _identity(found).trace_state.to_header() == "a=1,b=2"
    assert TraceContextPropagator().extract({**headers, "traceparent": [PARENT, PARENT]}, KEPT) is KEPT
    assert baggage.get_all(BaggagePropagator().extract(headers, Context())) == {"a": "1", "b": "2"}


HEADERS: list[dict[str, str]] = [
    {},
    {"traceparent": PARENT},
    {"traceparent": PARENT[:-2] + "00"},
    {"traceparent": PARENT[:-2] + "03", "tracestate": "a=1,b@c=2"},
    {"traceparent": PARENT, "tracestate": ""},
    {"traceparent": PARENT, "tracestate": "A=1"},
    {"traceparent": "cc" + PARENT[2:] + "-x"},
    {"traceparent": PARENT + "-x", "tracestate": "a=1"},
    {"traceparent": PARENT.upper()},
    {"tracestate": "a=1"},
]


@pytest.mark.parametrize("headers", HEADERS)
def test_as_the_apis_trace_context(headers: dict[str, str]) -> None:
    """On ordinary headers the API's own propagator reads and writes the same."""
    ours, theirs = TraceContextPropagator(), TraceContextTextMapPropagator()
    assert isinstance(ours, TraceContextTextMapPropagator)
    assert ours.fields == theirs.fields
    found, expected = ours.extract(headers, KEPT), theirs.extract(headers, KEPT)
    assert _identity(found) == _identity(expected)
    assert set(found) == set(expected)
    for sent in (found, _child(found) if _identity(found).is_valid else found):
        assert _injected(ours, sent) == _injected(theirs, sent)


@pytest.mark.parametrize(
    "header", ["", "a=1", "a=1,b=2", "a=1 , b=2", "a=x%20%2Cy", "a=", "a=b=c", "a", "a=1,,b=2", "a=1,a=2"]
)
def test_as_the_apis_baggage(header: str) -> None:
    """On ordinary baggage the API's own propagator reads the same, on top of what the context holds."""
    ours, theirs = BaggagePropagator(), W3CBaggagePropagator()
    assert isinstance(ours, W3CBaggagePropagator)
    assert ours.fields == theirs.fields
    kept = baggage.set_baggage("a", "0", baggage.set_baggage("z", "26", KEPT))
    found = ours.extract({"baggage": header}, kept)
    assert baggage.get_all(found) == baggage.get_all(theirs.extract({"baggage": header}, kept))
    assert baggage.get_all(kept) == {"a": "0", "z": "26"}


@pytest.mark.parametrize("entries", [{}, {"a": "1"}, {"a": "1", "b": "x,y"}, {"a": 5}, {"a": "\u00e9"}])
def test_written_as_the_apis_baggage(entries: dict[str, object]) -> None:
    """Ordinary baggage is written as the API's own propagator writes it."""
    sent = Context()
    for name, value in entries.items():
        sent = baggage.set_baggage(name, value, sent)
    assert _injected(BaggagePropagator(), sent) == _injected(W3CBaggagePropagator(), sent)


def test_baggage_metadata_and_blanks() -> None:
    """Metadata comes through the API's baggage, and `+` and blanks are not mixed up."""
    found = BaggagePropagator().extract({"baggage": "a=x+y;p=1,b=x%20y"}, Context())
    value = baggage.get_baggage("a", found)
    assert (value, isinstance(value, Value)) == ("x+y", True)
    assert baggage.get_baggage("b", found) == "x y"
    assert _injected(BaggagePropagator(), found) == {"baggage": "a=x+y;p=1,b=x%20y"}


def test_level_2_tracestate() -> None:
    """Keys of Level 2 and repeated keys come through the API's types."""
    found = TraceContextPropagator().extract({"traceparent": PARENT, "tracestate": "foo@=1,1a=2,foo@=3"})
    state = _identity(found).trace_state
    assert list(state.items()) == [("foo@", "1"), ("1a", "2")]
    assert _injected(TraceContextPropagator(), found)["tracestate"] == "foo@=1,1a=2"


def test_unknown_flags_are_not_sent() -> None:
    """Of the flags of any span context only sampled and random are sent."""
    identity = trace.SpanContext(TRACE, SPAN, False, trace.TraceFlags(0xFF))
    sent = trace.set_span_in_context(trace.NonRecordingSpan(identity), Context())
    assert _injected(TraceContextPropagator(), sent) == {"traceparent": PARENT[:-2] + "03"}
    assert remote_from(sent) == Remote(TRACE, SPAN, 3)


@pytest.mark.parametrize(
    ("kind", "headers", "below"),
    [
        (B3Propagator, {"b3": f"{T}-{S}-d"}, {"b3": f"{T}-{0xC:016x}-d"}),
        (
            B3MultiPropagator,
            {"x-b3-traceid": T, "x-b3-spanid": S, "x-b3-flags": "1"},
            {"x-b3-traceid": T, "x-b3-spanid": f"{0xC:016x}", "x-b3-flags": "1"},
        ),
        (JaegerPropagator, {"uber-trace-id": f"{T}:{S}:0:03"}, {"uber-trace-id": f"{T}:{0xC:016x}:0:03"}),
    ],
)
def test_debug(kind: type[TextMapPropagator], headers: dict[str, str], below: dict[str, str]) -> None:
    """Debug goes on to every span of the trace that it came with, and to no other trace."""
    found = kind().extract(headers, KEPT)
    assert _identity(found).trace_flags == 1
    assert _injected(kind(), found) == headers
    assert _injected(kind(), _child(found)) == below
    other = trace.SpanContext(1, 2, False, trace.TraceFlags(1))
    elsewhere = trace.set_span_in_context(trace.NonRecordingSpan(other), found)
    assert _injected(B3Propagator(), elsewhere) == {"b3": f"{1:032x}-{2:016x}-1"}
    again = kind().extract({name: value.replace("d", "1") for name, value in headers.items()}, found)
    assert (
        "d"
        not in _injected(B3Propagator(), _child(TraceContextPropagator().extract({"traceparent": PARENT}, again)))["b3"]
    )


def test_deferred() -> None:
    """A deferred decision stays so until a span here takes it; the API, which cannot say so, sees sampled."""
    found = B3Propagator().extract({"b3": f"{T}-{S}"}, KEPT)
    assert _identity(found).trace_flags == 1
    assert _injected(B3Propagator(), found) == {"b3": f"{T}-{S}"}
    assert remote_from(found) == Remote(TRACE, SPAN, 0, deferred=True)
    assert _injected(B3Propagator(), _child(found)) == {"b3": f"{T}-{0xC:016x}-1"}
    assert _injected(B3Propagator(), _child(found, flags=0)) == {"b3": f"{T}-{0xC:016x}-0"}


def test_a_decision_without_ids() -> None:
    """A B3 decision without ids makes no span, goes on as it came, and its debug to a trace that begins below it."""
    for decision in ("0", "1", "d"):
        found = B3Propagator().extract({"b3": decision}, KEPT)
        assert trace.get_current_span(found) is trace.INVALID_SPAN
        assert _injected(B3Propagator(), found) == {"b3": decision}
        assert _injected(TraceContextPropagator(), found) == {}
    root = trace.set_span_in_context(
        trace.NonRecordingSpan(trace.SpanContext(TRACE, SPAN, False, trace.TraceFlags(1))), found
    )
    assert _injected(B3Propagator(), root) == {"b3": f"{T}-{S}-d"}


def test_an_extraction_forgets_the_one_before() -> None:
    """What one request said does not go on with the next one that the same context receives."""
    debug = B3Propagator().extract({"b3": "d"}, Context())
    found = TraceContextPropagator().extract({"traceparent": PARENT}, debug)
    assert _injected(B3Propagator(), _child(found)) == {"b3": f"{T}-{0xC:016x}-1"}


def test_jaeger_and_ottrace_carry_baggage() -> None:
    """Jaeger's and OpenTracing's baggage headers are read into the API's baggage and written from it."""
    for kind, prefix in ((JaegerPropagator, "uberctx-"), (OTTracePropagator, "ot-baggage-")):
        found = kind().extract({f"{prefix}a": "1", f"{prefix}b": "2", "c": "3"}, KEPT)
        assert baggage.get_all(found) == {"a": "1", "b": "2"}
        assert _injected(kind(), found) == {f"{prefix}a": "1", f"{prefix}b": "2"}


def test_case_of_headers_is_the_getters() -> None:
    """Headers are asked for in lower case; a getter for HTTP answers whatever their case."""

    class Insensitive(DefaultGetter):
        def get(self, carrier: Any, key: str) -> list[str] | None:
            return super().get({name.lower(): value for name, value in carrier.items()}, key)

    found = TraceContextPropagator().extract({"TraceParent": PARENT}, KEPT, Insensitive())
    assert _identity(found).trace_id == TRACE
