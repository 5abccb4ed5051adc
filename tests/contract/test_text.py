"""A span as text: to_json and repr."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Link, SpanKind, StatusCode

from contract.probes import END, START, Counting, begin, below, identity
from contract.versions import ANY_VALUE

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Span, Tracer

    from contract.conftest import ProviderFactory
    from contract.probes import Recorder

WHOLE = """{
    "name": "gr\\u00f6\\u00dfe",
    "context": {
        "trace_id": "0x0af7651916cd43dd8448eb211c80319c",
        "span_id": "0x0000000000000001",
        "trace_state": "['{key=a, value=1}']"
    },
    "kind": "SpanKind.SERVER",
    "parent_id": "0xb7ad6b7169203331",
    "start_time": "2023-11-14T22:13:20.000000Z",
    "end_time": "2023-11-14T22:13:20.250000Z",
    "status": {
        "status_code": "ERROR",
        "description": "failed"
    },
    "attributes": {
        "text": "x",
        "yes": true,
        "number": 7,
        "list": [
            1.5,
            null
        ]
    },
    "events": [
        {
            "name": "noted",
            "timestamp": "2023-11-14T22:13:20.250000Z",
            "attributes": {
                "b": 2
            }
        }
    ],
    "links": [
        {
            "context": {
                "trace_id": "0x0af7651916cd43dd8448eb211c80319c",
                "span_id": "0x0000000000000005",
                "trace_state": "[]"
            },
            "attributes": {
                "c": 3
            }
        }
    ],
    "resource": {
        "attributes": {
            "service.name": "cart"
        },
        "schema_url": "https://example.org/schema"
    }
}"""


@pytest.fixture
def span(provider_factory: ProviderFactory, recorder: Recorder) -> Span:
    """A span with something of everything, ended."""
    resource = Resource({"service.name": "cart"}, "https://example.org/schema")
    provider = provider_factory(resource=resource, id_generator=Counting())
    provider.add_span_processor(recorder)
    made = begin(
        provider.get_tracer("orders"),
        "größe",
        kind=SpanKind.SERVER,
        context=below(identity(state=[("a", "1")])),
        attributes={"text": "x", "yes": True, "number": 7, "list": [1.5, None]},
        links=[Link(identity(span_id=5), {"c": 3})],
        start_time=START,
    )
    made.add_event("noted", {"b": 2}, END)
    made.set_status(StatusCode.ERROR, "failed")
    made.end(END)
    return made


def test_whole(span: Span, recorder: Recorder) -> None:
    """The whole text, of the span itself and of what processors get."""
    assert span.to_json() == recorder.ended[0].to_json() == WHOLE


def test_indent(span: Span) -> None:
    """Indentation can be chosen; None is one line."""
    assert span.to_json(indent=None) == json.dumps(json.loads(WHOLE))
    assert span.to_json(2) == json.dumps(json.loads(WHOLE), indent=2)


def test_bare(provider_factory: ProviderFactory) -> None:
    """A root that has only been started."""
    span = begin(provider_factory(id_generator=Counting()).get_tracer("orders"), start_time=START)
    assert json.loads(span.to_json()) == {
        "name": "work",
        "context": {
            "trace_id": "0x0af7651916cd43dd0000000000000001",
            "span_id": "0x0000000000000001",
            "trace_state": "[]",
        },
        "kind": "SpanKind.INTERNAL",
        "parent_id": None,
        "start_time": "2023-11-14T22:13:20.000000Z",
        "end_time": None,
        "status": {"status_code": "UNSET"},
        "attributes": {},
        "events": [],
        "links": [],
        "resource": {"attributes": {"service.name": "shop"}, "schema_url": ""},
    }


@pytest.mark.skipif(not ANY_VALUE, reason="nested values since SDK 1.45")
def test_nested_values(tracer: Tracer) -> None:
    """Maps and nested sequences are JSON's."""
    given: Any = {"map": {"a": [1, {"b": None}]}, "none": None}
    assert json.loads(begin(tracer, attributes=given).to_json())["attributes"] == given


@pytest.mark.skipif(not ANY_VALUE, reason="bytes stay bytes since SDK 1.45")
def test_bytes(tracer: Tracer) -> None:
    """Bytes have no JSON: a TypeError."""
    with pytest.raises(TypeError):
        begin(tracer, attributes={"bytes": b"x"}).to_json()


def test_repr(span: Span, tracer: Tracer) -> None:
    """The short text has the name and the identity."""
    for one in (span, begin(tracer)):
        assert repr(one) == f'_Span(name="{one.name}", context={one.context})'
    assert repr(span.context) == (
        "SpanContext(trace_id=0x0af7651916cd43dd8448eb211c80319c, span_id=0x0000000000000001, "
        "trace_flags=0x01, trace_state=['{key=a, value=1}'], is_remote=False)"
    )
