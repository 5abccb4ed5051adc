"""OTLP as JSON: ended spans to an ``ExportTraceServiceRequest`` in the mapping of ``http/json``.

Source: OTLP specification, "JSON Protobuf Encoding": lowerCamelCase names, ids in hex, enums as numbers; the rest as
Protocol Buffers maps to JSON: 64-bit integers as text, bytes in base64, NaN and infinities by name.
"""

from __future__ import annotations

import json
from base64 import b64encode
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

from tracing_agent.export.record import Record
from tracing_agent.export.values import plain_attributes, text
from tracing_agent.faults import fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from tracing_agent.export.record import Event, Link
    from tracing_agent.trace.span import Span


class JsonEncoder:
    """The counterpart of `otlp.Encoder`; ``http/json`` is for reading, not for speed, so nothing is remembered."""

    #: What the lists around an item are called, from the outermost.
    names = (b"resourceSpans", b"scopeSpans", b"spans")

    def span_messages(self, spans: Iterable[Span]) -> list[tuple[InstrumentationScope, bytes]]:
        """Each span as its scope and a JSON object, ready to be put together by `wrap`."""
        messages = []
        for span in spans:
            try:
                messages.append((span.origin.scope, dump(_span(Record(span)))))
            except Exception as error:
                fault("the encoder", error)
        return messages

    def wrap(self, messages: Sequence[tuple[InstrumentationScope, bytes]], resource: Resource) -> bytes:
        """The request around encoded spans."""
        groups: dict[tuple[bytes, str], list[bytes]] = {}
        for scope, message in messages:
            groups.setdefault((dump(_scope(scope)), text(scope.schema_url)), []).append(message)
        outer, middle, inner = self.names
        scopes = [
            b'{"scope":%b,"%b":[%b]%b}' % (head, inner, b",".join(group), _schema(url))
            for (head, url), group in groups.items()
        ]
        head = dump({"attributes": pairs(plain_attributes(resource.attributes))})
        return b'{"%b":[{"resource":%b,"%b":[%b]%b}]}' % (
            outer,
            head,
            middle,
            b",".join(scopes),
            _schema(text(resource.schema_url)),
        )


def dump(value: Any) -> bytes:
    """A JSON text."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _schema(url: str) -> bytes:
    return b',"schemaUrl":' + dump(url) if url else b""


def _scope(scope: InstrumentationScope) -> dict[str, Any]:
    return {
        "name": text(scope.name),
        "version": text(scope.version),
        "attributes": pairs(plain_attributes(getattr(scope, "attributes", None))),
    }


def _span(span: Record) -> dict[str, Any]:
    found = {
        "traceId": f"{span.trace_id:032x}",
        "spanId": f"{span.span_id:016x}",
        "traceState": span.state,
        "flags": span.flags,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(span.end),
        "attributes": pairs(span.attributes),
        "droppedAttributesCount": span.dropped,
        "events": [_event(event) for event in span.events],
        "droppedEventsCount": span.dropped_events,
        "links": [_link(link) for link in span.links],
        "droppedLinksCount": span.dropped_links,
        "status": {"message": span.description, "code": span.code},
    }
    if span.parent_id is not None:
        found["parentSpanId"] = f"{span.parent_id:016x}"
    return found


def _event(event: Event) -> dict[str, Any]:
    return {
        "timeUnixNano": str(event.time),
        "name": event.name,
        "attributes": pairs(event.attributes),
        "droppedAttributesCount": event.dropped,
    }


def _link(link: Link) -> dict[str, Any]:
    return {
        "traceId": f"{link.trace_id:032x}",
        "spanId": f"{link.span_id:016x}",
        "traceState": link.state,
        "attributes": pairs(link.attributes),
        "droppedAttributesCount": link.dropped,
        "flags": link.flags,
    }


def pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Attributes as ``KeyValue`` objects."""
    return [{"key": key, "value": any_value_json(value)} for key, value in attributes.items()]


def any_value_json(value: Any) -> dict[str, Any]:
    """A `plain` value as an ``AnyValue``."""
    if value is None:
        return {}
    kind = type(value)
    if kind is str:
        return {"stringValue": value}
    if kind is bool:
        return {"boolValue": value}
    if kind is int:
        return {"intValue": str(value)}
    if kind is float:
        return {"doubleValue": value if isfinite(value) else _unusual(value)}
    if kind is bytes:
        return {"bytesValue": b64encode(value).decode()}
    if kind is list:
        return {"arrayValue": {"values": [any_value_json(item) for item in value]}}
    return {"kvlistValue": {"values": pairs(value)}}


def _unusual(value: float) -> str:
    if isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
