"""The official encoder's message, and ours, made comparable: attribute order aside, deliberate differences undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from contract.versions import ENCODES_SCOPE

#: What the official encoder sets of the flags.
OFFICIAL_FLAGS = 0x300


def decoded(body: bytes) -> ExportTraceServiceRequest:
    """Our bytes as the official decoder reads them."""
    return ExportTraceServiceRequest.FromString(body)


def sorted_message(request: ExportTraceServiceRequest) -> bytes:
    """A request with attributes in the order of their keys, as bytes: NaN is unequal to itself, its bytes are not."""
    for batch in request.resource_spans:
        _sort(batch.resource)
        for group in batch.scope_spans:
            _sort(group.scope)
            for span in group.spans:
                _sort(span)
                for part in (*span.events, *span.links):
                    _sort(part)
    return request.SerializeToString(deterministic=True)


def expected(spans: Sequence[Any]) -> bytes:
    """What the official encoder makes of ``spans``."""
    return sorted_message(encode_spans(spans))


def without_differences(request: ExportTraceServiceRequest) -> bytes:
    """Our request without what the official encoder leaves out: W3C trace flags, links' tracestate."""
    for batch in request.resource_spans:
        for group in batch.scope_spans:
            if not ENCODES_SCOPE:
                del group.scope.attributes[:]
                group.schema_url = ""
            for span in group.spans:
                span.flags &= OFFICIAL_FLAGS
                for link in span.links:
                    link.flags &= OFFICIAL_FLAGS
                    link.trace_state = ""
    return sorted_message(request)


def _sort(message: Any) -> None:
    pairs = sorted(message.attributes, key=lambda pair: pair.key)
    del message.attributes[:]
    message.attributes.extend(pairs)
