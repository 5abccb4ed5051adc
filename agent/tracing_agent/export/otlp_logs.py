"""OTLP of log records: the counterparts of `otlp.Encoder` and `otlp_json.JsonEncoder`, which differ in the record only.

Source: opentelemetry-proto v1.x, ``logs/v1/logs.proto`` (field numbers in the comments), whose messages around a record
have the numbers of those around a span.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from tracing_agent.export.otlp import Encoder
from tracing_agent.export.otlp_json import JsonEncoder, any_value_json, dump, pairs
from tracing_agent.export.values import plain, plain_attributes, text, unsigned
from tracing_agent.export.wire import any_value, field, key_value, utf8, varint
from tracing_agent.faults import fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

_fixed64 = Struct("<BQ").pack
_fixed32 = Struct("<BI").pack


class Entry:
    """One log record on its way out. Times in nanoseconds since the epoch; ids 0 outside of a span.

    ``severity`` is OTLP's number from 1 to 24, 0 for none.
    """

    #: As of a span that is like most.
    rare = False

    def __init__(
        self,
        scope: InstrumentationScope,
        time: int,
        observed: int,
        severity: int,
        level: str,
        body: Any,
        attributes: Any,
        dropped: int,
        ids: tuple[int, int, int],
        event: str,
    ) -> None:
        self.scope = scope
        self.time = unsigned(time, 64)
        self.observed = unsigned(observed, 64)
        self.severity = severity
        self.level = text(level)
        self.body = plain(body)
        self.attributes = plain_attributes(attributes)
        self.dropped = unsigned(dropped, 32)
        self.trace_id, self.span_id, self.flags = ids
        self.event = text(event)
        #: When it was made, for whoever tells the records of a process from those of its parent.
        self._start_time = self.observed


class LogEncoder(Encoder):
    """Encodes log records as Protocol Buffers."""

    def span_messages(self, spans: Iterable[Any]) -> list[tuple[InstrumentationScope, bytes]]:
        """Each record encoded, ready to be put together by `wrap`."""
        messages = []
        for entry in spans:
            try:
                messages.append((entry.scope, field(b"\x12", _entry(entry))))  # log_records 2
            except Exception as error:
                fault("the encoder of log records", error)
        return messages


class LogJsonEncoder(JsonEncoder):
    """Encodes log records as JSON."""

    names = (b"resourceLogs", b"scopeLogs", b"logRecords")

    def span_messages(self, spans: Iterable[Any]) -> list[tuple[InstrumentationScope, bytes]]:
        """Each record as a JSON object, ready to be put together by `wrap`."""
        messages = []
        for entry in spans:
            try:
                messages.append((entry.scope, dump(_entry_json(entry))))
            except Exception as error:
                fault("the encoder of log records", error)
        return messages


def _entry(entry: Entry) -> bytes:
    parts = [_fixed64(0x09, entry.time)]  # time_unix_nano 1
    if entry.severity:
        parts.append(b"\x10" + varint(entry.severity))  # severity_number 2
    if entry.level:
        parts.append(field(b"\x1a", utf8(entry.level)))  # severity_text 3
    if entry.body is not None:
        parts.append(field(b"\x2a", any_value(entry.body)))  # body 5
    parts += [field(b"\x32", key_value(key, value)) for key, value in entry.attributes.items()]  # attributes 6
    if entry.dropped:
        parts.append(b"\x38" + varint(entry.dropped))  # dropped_attributes_count 7
    if entry.trace_id:
        parts.append(_fixed32(0x45, entry.flags))  # flags 8
        parts.append(field(b"\x4a", entry.trace_id.to_bytes(16, "big")))  # trace_id 9
        parts.append(field(b"\x52", entry.span_id.to_bytes(8, "big")))  # span_id 10
    parts.append(_fixed64(0x59, entry.observed))  # observed_time_unix_nano 11
    if entry.event:
        parts.append(field(b"\x62", utf8(entry.event)))  # event_name 12
    return b"".join(parts)


def _entry_json(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {
        "timeUnixNano": str(entry.time),
        "observedTimeUnixNano": str(entry.observed),
        "severityNumber": entry.severity,
        "severityText": entry.level,
        "attributes": pairs(entry.attributes),
        "droppedAttributesCount": entry.dropped,
    }
    if entry.body is not None:
        found["body"] = any_value_json(entry.body)
    if entry.trace_id:
        found["traceId"] = f"{entry.trace_id:032x}"
        found["spanId"] = f"{entry.span_id:016x}"
        found["flags"] = entry.flags
    if entry.event:
        found["eventName"] = entry.event
    return found
