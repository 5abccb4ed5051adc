"""Zipkin's JSON, version 2: ended spans to what ``POST /api/v2/spans`` takes.

Source: specification, "OpenTelemetry to Zipkin Transformation"; Zipkin API v2, ``ListOfSpans``.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any

from tracing_agent.export.record import Record
from tracing_agent.export.values import text
from tracing_agent.faults import fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from tracing_agent.export.record import Event
    from tracing_agent.trace.span import Span

#: By OTLP's number; an internal span has none.
_KINDS = {2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}
_CODES = {1: "OK", 2: "ERROR"}
#: Attributes that name the other side, the first that is set wins.
_REMOTE = (
    "service.peer.name",
    "peer.service",
    "server.address",
    "net.peer.name",
    "network.peer.address",
    "db.namespace",
)


class ZipkinEncoder:
    """The counterpart of `otlp.Encoder`; nothing is remembered."""

    def span_messages(self, spans: Iterable[Span]) -> list[tuple[InstrumentationScope, bytes]]:
        """Each span as its scope and an open JSON object, to be closed by `wrap`."""
        messages = []
        for span in spans:
            try:
                scope = span.origin.scope
                encoded = _dump(_span(Record(span), scope, span.trace.debug))
                messages.append((scope, encoded.removesuffix(b"}")))
            except Exception as error:
                fault("the encoder for Zipkin", error)
        return messages

    def wrap(self, messages: Sequence[tuple[InstrumentationScope, bytes]], resource: Resource) -> bytes:
        """The request: a list of spans, each with the service that it was made in."""
        service = _dump({"serviceName": text(resource.attributes.get("service.name")) or "unknown_service"})
        return b"[%b]" % b",".join(b'%b,"localEndpoint":%b}' % (message, service) for _, message in messages)


def said(answer: bytes) -> tuple[int, str]:
    """Zipkin takes all spans of a request or none, and says nothing."""
    return 0, ""


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _span(span: Record, scope: InstrumentationScope, debug: bool) -> dict[str, Any]:
    start = span.start // 1000
    found: dict[str, Any] = {
        "traceId": f"{span.trace_id:032x}",
        "id": f"{span.span_id:016x}",
        "name": span.name,
        "timestamp": start,
        # Zipkin takes 0 for a duration that is not known.
        "duration": max(1, (span.end - span.start + 500) // 1000),
        "tags": _tags(span, scope),
    }
    if span.parent_id is not None:
        found["parentId"] = f"{span.parent_id:016x}"
    if span.kind in _KINDS:
        found["kind"] = _KINDS[span.kind]
    if span.events:
        found["annotations"] = [_annotation(event) for event in span.events]
    if debug:
        found["debug"] = True
    remote = _remote(span.attributes) if span.kind in (3, 4) else None
    if remote:
        found["remoteEndpoint"] = remote
    return found


def _tags(span: Record, scope: InstrumentationScope) -> dict[str, str]:
    tags = {key: _text(value) for key, value in span.attributes.items()}
    tags["otel.scope.name"] = text(scope.name)
    if scope.version:
        tags["otel.scope.version"] = text(scope.version)
    if span.code in _CODES:
        tags["otel.status_code"] = _CODES[span.code]
    # What Zipkin shows in red is a span with this tag, whatever it says.
    if span.code == 2:
        tags["error"] = span.description or tags.get("error.type", "")
    else:
        tags.pop("error", None)
    for name, count in (
        ("attributes", span.dropped),
        ("events", span.dropped_events),
        ("links", span.dropped_links),
    ):
        if count:
            tags[f"otel.dropped_{name}_count"] = str(count)
    return tags


def _annotation(event: Event) -> dict[str, Any]:
    value = event.name
    if event.attributes:
        value = json.dumps({event.name: {key: _json(item) for key, item in event.attributes.items()}})
    return {"timestamp": event.time // 1000, "value": value}


def _remote(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    name = next((attributes[key] for key in _REMOTE if attributes.get(key)), None)
    if name is None:
        return None
    found: dict[str, Any] = {"serviceName": _text(name)}
    port = attributes.get("server.port") or attributes.get("network.peer.port")
    address = attributes.get("network.peer.address")
    if isinstance(address, str) and address:
        if ":" in address:
            found["ipv6"] = address
        elif address.replace(".", "").isdigit():
            found["ipv4"] = address
    if type(port) is int:
        found["port"] = port
    return found


def _text(value: Any) -> str:
    """A tag: texts as they are, the rest as JSON."""
    if type(value) is str:
        return value
    return json.dumps(_json(value), separators=(",", ":"), ensure_ascii=False)


def _json(value: Any) -> Any:
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value.hex() if isinstance(value, bytes) else value
