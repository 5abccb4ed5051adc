"""Makes spans for the viewer's tests: as the viewer keeps them, and as OTLP carries them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tracing_watch.model import Failure, Kind, Process, Span, Trace, Value

MS = 1_000_000
BEGIN = 1_700_000_000_000_000_000
TRACE_ID = "5b8aa5a2d2c872e8321cf37308d69df2"


def process(service: str, host: str = "laptop") -> Process:
    return Process(service, f"{service}-1", host)


class Recording:
    """Spans of one trace with counted ids; times in milliseconds from its beginning."""

    def __init__(self, trace_id: str = TRACE_ID) -> None:
        self.trace_id = trace_id
        self.spans: list[Span] = []

    def span(
        self,
        name: str,
        of: Process,
        start: float,
        took: float,
        parent: Span | str = "",
        kind: Kind = Kind.INTERNAL,
        failure: Failure | None = None,
        links: int = 0,
        **attributes: Value,
    ) -> Span:
        """Attributes are given with `__` for the dot."""
        span = Span(
            trace_id=self.trace_id,
            span_id=f"{len(self.spans) + 1:016x}",
            name=name,
            process=of,
            start=BEGIN + round(start * MS),
            end=BEGIN + round((start + took) * MS),
            parent_id=parent if isinstance(parent, str) else parent.span_id,
            kind=kind,
            failure=failure,
            links=links,
            attributes={key.replace("__", "."): value for key, value in attributes.items()},
        )
        self.spans.append(span)
        return span

    def trace(self, **fields: Any) -> Trace:
        return replace(Trace(self.trace_id, tuple(self.spans)), **fields)


def request(*spans: Span) -> ExportTraceServiceRequest:
    """What a program would send; each span with a resource of its own."""
    message = ExportTraceServiceRequest()
    for span in spans:
        group = message.resource_spans.add()
        resource = {
            "service.name": span.process.service,
            "service.instance.id": span.process.instance,
            "host.name": span.process.host,
        }
        group.resource.attributes.extend(pair(key, value) for key, value in resource.items())
        group.scope_spans.add().spans.append(proto(span))
    return message


def proto(span: Span) -> trace_pb2.Span:
    message = trace_pb2.Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind),
        start_time_unix_nano=span.start,
        end_time_unix_nano=span.end,
        attributes=[pair(key, value) for key, value in span.attributes.items()],
    )
    if span.parent_is_remote is not None:
        message.flags = 0x100 | (0x200 if span.parent_is_remote else 0)
    if span.failure is not None:
        message.status.code = trace_pb2.Status.STATUS_CODE_ERROR
        event = message.events.add(name="exception")
        event.attributes.append(pair("exception.type", span.failure.type))
        event.attributes.append(pair("exception.message", span.failure.message))
    return message


def pair(key: str, value: Value) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=key, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=key, value=AnyValue(int_value=value))
    return KeyValue(key=key, value=AnyValue(string_value=str(value)))
