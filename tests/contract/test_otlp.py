"""Spans of either provider through the official OTLP encoder: whole messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import Link, SpanKind, StatusCode

from contract.probes import END, SPAN_ID, START, TRACE_ID, Counting, begin, below, identity
from contract.versions import ANY_VALUE, ENCODES_SCOPE

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from contract.conftest import ProviderFactory
    from contract.probes import Recorder

HAS_REMOTE, REMOTE = 0x100, 0x200
TRACE, PARENT = TRACE_ID.to_bytes(16, "big"), SPAN_ID.to_bytes(8, "big")


def pair(key: str, **value: Any) -> KeyValue:
    """A key with a value of one type."""
    return KeyValue(key=key, value=AnyValue(**value))


@pytest.fixture
def observed(provider_factory: ProviderFactory, recorder: Recorder) -> TracerProvider:
    """A provider with countable ids and small limits, watched by ``recorder``."""
    provider = provider_factory(
        resource=Resource({"service.name": "cart"}, "https://example.org/resource"),
        id_generator=Counting(),
        span_limits=SpanLimits(
            max_span_attributes=4, max_events=1, max_links=1, max_event_attributes=1, max_link_attributes=1
        ),
    )
    provider.add_span_processor(recorder)
    return provider


def test_whole(observed: TracerProvider, recorder: Recorder) -> None:
    """A span with something of everything, and more than the limits: resource, scope and span as expected."""
    tracer = observed.get_tracer("orders", "1.2", "https://example.org/scope", {"team": "blue"})
    span = begin(
        tracer,
        "GET /",
        kind=SpanKind.SERVER,
        context=below(identity(state=[("a", "1"), ("b", "2")])),
        attributes={"gone": 0, "text": "x", "yes": True, "number": -7, "floats": [1.5]},
        links=[Link(identity(span_id=4)), Link(identity(span_id=5, state=[("c", "3")]), {"gone": 0, "c": 3})],
        start_time=START,
    )
    span.add_event("first")
    span.add_event("second", {"gone": 0, "b": 2}, START + 1)
    span.set_status(StatusCode.ERROR, "failed")
    span.end(END)
    message = Message(
        trace_id=TRACE,
        span_id=(1).to_bytes(8, "big"),
        trace_state="a=1,b=2",
        parent_span_id=PARENT,
        flags=HAS_REMOTE | REMOTE,
        name="GET /",
        kind=Message.SPAN_KIND_SERVER,
        start_time_unix_nano=START,
        end_time_unix_nano=END,
        attributes=[
            pair("text", string_value="x"),
            pair("yes", bool_value=True),
            pair("number", int_value=-7),
            pair("floats", array_value=ArrayValue(values=[AnyValue(double_value=1.5)])),
        ],
        dropped_attributes_count=1,
        events=[
            Message.Event(
                name="second", time_unix_nano=START + 1, attributes=[pair("b", int_value=2)], dropped_attributes_count=1
            )
        ],
        dropped_events_count=1,
        links=[
            Message.Link(
                trace_id=TRACE,
                span_id=(5).to_bytes(8, "big"),
                attributes=[pair("c", int_value=3)],
                dropped_attributes_count=1,
                flags=HAS_REMOTE | REMOTE,
            )
        ],
        dropped_links_count=1,
        status=Status(code=Status.STATUS_CODE_ERROR, message="failed"),
    )
    scope = InstrumentationScope(name="orders", version="1.2")
    if ENCODES_SCOPE:
        scope.attributes.append(pair("team", string_value="blue"))
    expected = ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=ResourceMessage(attributes=[pair("service.name", string_value="cart")]),
                schema_url="https://example.org/resource",
                scope_spans=[
                    ScopeSpans(
                        scope=scope, spans=[message], schema_url="https://example.org/scope" if ENCODES_SCOPE else ""
                    )
                ],
            )
        ]
    )
    assert encode_spans(recorder.ended) == expected
    assert encode_spans([span]) == expected


def _spans(recorder: Recorder) -> list[Message]:
    (resource,) = encode_spans(recorder.ended).resource_spans
    return [span for scope in resource.scope_spans for span in scope.spans]


def test_bare(observed: TracerProvider, recorder: Recorder) -> None:
    """A root with nothing: no parent, no remoteness, status unset."""
    begin(observed.get_tracer("orders"), start_time=START).end(END)
    assert _spans(recorder) == [
        Message(
            trace_id=((TRACE_ID >> 64 << 64) + 1).to_bytes(16, "big"),
            span_id=(1).to_bytes(8, "big"),
            flags=HAS_REMOTE,
            name="work",
            kind=Message.SPAN_KIND_INTERNAL,
            start_time_unix_nano=START,
            end_time_unix_nano=END,
            status=Status(code=Status.STATUS_CODE_UNSET),
        )
    ]


@pytest.mark.skipif(not ANY_VALUE, reason="these values since SDK 1.45")
def test_any_value(observed: TracerProvider, recorder: Recorder) -> None:
    """Bytes, maps, None and nested sequences."""
    values: Any = {"bytes": b"\xff", "map": {"a": [None, b"x"]}, "none": None, "mixed": [1, "a", [True]]}
    begin(observed.get_tracer("orders"), attributes=values).end()
    (span,) = _spans(recorder)
    inner = ArrayValue(values=[AnyValue(), AnyValue(bytes_value=b"x")])
    mixed = [
        AnyValue(int_value=1),
        AnyValue(string_value="a"),
        AnyValue(array_value=ArrayValue(values=[AnyValue(bool_value=True)])),
    ]
    assert list(span.attributes) == [
        pair("bytes", bytes_value=b"\xff"),
        pair("map", kvlist_value=KeyValueList(values=[pair("a", array_value=inner)])),
        KeyValue(key="none", value=AnyValue()),
        pair("mixed", array_value=ArrayValue(values=mixed)),
    ]


def test_local_parent(observed: TracerProvider, recorder: Recorder) -> None:
    """A child of a local span says that its parent is not remote."""
    tracer = observed.get_tracer("orders")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        pass
    inner, outer = _spans(recorder)
    assert (inner.parent_span_id, inner.trace_id, inner.flags) == (outer.span_id, outer.trace_id, HAS_REMOTE)


def test_grouping(observed: TracerProvider, recorder: Recorder) -> None:
    """Spans of one scope are grouped, whichever tracer object they came from."""
    for name in ("orders", "cart", "orders"):
        begin(observed.get_tracer(name, "1"), name).end()
    (resource,) = encode_spans(recorder.ended).resource_spans
    found = [(scope.scope.name, [span.name for span in scope.spans]) for scope in resource.scope_spans]
    assert found == [("orders", ["orders", "orders"]), ("cart", ["cart"])]
