"""Decodes OTLP trace requests (protobuf and JSON) into spans.

Source: opentelemetry-proto, `collector/trace/v1/trace_service.proto` and `trace/v1/trace.proto`; the JSON
mapping is that of protobuf except for ids, which are hex (OTLP specification, "JSON Protobuf Encoding").
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

# protobuf ships no annotations; what this module takes from it leaves it as plain dataclasses.
from google.protobuf import json_format  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from tracing_watch.model import Failure, Kind, Process, Span, Value

ID_FIELDS = ("traceId", "spanId", "parentSpanId")


class Malformed(ValueError):
    """The body is not an OTLP trace request in the encoding that it claims."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The usable spans of a request, and how many had no valid trace or span id."""

    spans: list[Span]
    rejected: int


def decode_protobuf(body: bytes) -> Decoded:
    """Raises `Malformed`."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except Exception as error:  # the three protobuf implementations raise different types
        raise Malformed(f"not an ExportTraceServiceRequest: {error}") from error
    return _decode(request)


def decode_json(body: bytes) -> Decoded:
    """Raises `Malformed`."""
    request = ExportTraceServiceRequest()
    try:
        document = json.loads(body)
        _ids_to_base64(document)
        json_format.ParseDict(document, request, ignore_unknown_fields=True)
    except Exception as error:  # besides ParseError: RecursionError, and AttributeError for an odd shape
        raise Malformed(f"not OTLP/JSON: {error}") from error
    return _decode(request)


def _ids_to_base64(document: dict[str, list[dict[str, list[dict[str, list[dict[str, object]]]]]]]) -> None:
    for resource_spans in document.get("resourceSpans", ()):
        for scope_spans in resource_spans.get("scopeSpans", ()):
            for span in scope_spans.get("spans", ()):
                links = span.get("links") or ()
                for holder in (span, *(links if isinstance(links, list) else ())):
                    for name in ID_FIELDS:
                        if name in holder:
                            # In the alphabet that protobuf reads; of the other one Python 3.15 warns.
                            holder[name] = base64.urlsafe_b64encode(bytes.fromhex(str(holder[name]))).decode()


def _decode(request: ExportTraceServiceRequest) -> Decoded:
    spans: list[Span] = []
    rejected = 0
    for resource_spans in request.resource_spans:
        process = _process(resource_spans.resource)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                if _valid(span):
                    spans.append(_span(span, process))
                else:
                    rejected += 1
    return Decoded(spans, rejected)


def _valid(span: trace_pb2.Span) -> bool:
    return (
        len(span.trace_id) == 16
        and len(span.span_id) == 8
        and len(span.parent_span_id) in (0, 8)
        and any(span.trace_id)
        and any(span.span_id)
    )


def _process(resource: Resource) -> Process:
    attributes = _attributes(resource.attributes)
    return Process(
        service=_text(attributes, "service.name") or "unknown_service",
        instance=_text(attributes, "service.instance.id") or _text(attributes, "process.pid"),
        host=_text(attributes, "host.name"),
        attributes=attributes,
    )


def _span(span: trace_pb2.Span, process: Process) -> Span:
    attributes = _attributes(span.attributes)
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        # All zeros stands for "no parent" in some exporters.
        parent_id=span.parent_span_id.hex() if any(span.parent_span_id) else "",
        parent_is_remote=_parent_is_remote(span.flags),
        name=span.name,
        kind=_kind(span.kind),
        process=process,
        start=span.start_time_unix_nano,
        end=max(span.start_time_unix_nano, span.end_time_unix_nano),
        attributes=attributes,
        failure=_failure(span, attributes),
        links=len(span.links),
        size=span.ByteSize(),
    )


def _kind(number: int) -> Kind:
    try:
        return Kind(number)
    except ValueError:  # a kind of a later version of the protocol
        return Kind.UNSPECIFIED


def _parent_is_remote(flags: int) -> bool | None:
    if not flags & trace_pb2.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK:
        return None
    return bool(flags & trace_pb2.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)


def _failure(span: trace_pb2.Span, attributes: Mapping[str, Value]) -> Failure | None:
    if span.status.code != trace_pb2.Status.STATUS_CODE_ERROR:
        return None
    for event in reversed(span.events):
        if event.name == "exception":
            exception = _attributes(event.attributes)
            return Failure(
                _text(exception, "exception.type") or _text(attributes, "error.type"),
                _text(exception, "exception.message") or span.status.message,
            )
    return Failure(_text(attributes, "error.type"), span.status.message)


def _text(attributes: Mapping[str, Value], name: str) -> str:
    value = attributes.get(name)
    return "" if value is None else str(value)


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    return dict(_items(pairs))


def _items(pairs: Iterable[KeyValue]) -> Iterator[tuple[str, Value]]:
    for pair in pairs:
        yield pair.key, _value(pair.value)


def _value(value: AnyValue) -> Value:
    which = value.WhichOneof("value")
    if which is None:
        return None
    if which == "array_value":
        return [_value(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    plain: Value = getattr(value, which)
    return plain
