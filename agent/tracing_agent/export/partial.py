"""What an OTLP response says: how many items were rejected, and why. What cannot be read says nothing.

Source: opentelemetry-proto v1.x, ``trace_service.proto``, ``ExportTracePartialSuccess``.
"""

from __future__ import annotations


def from_protobuf(answer: bytes) -> tuple[int, str]:
    """(rejected spans, message) of an ``ExportTraceServiceResponse``."""
    inner = _fields(answer).get(1)
    if not isinstance(inner, bytes):
        return 0, ""
    found = _fields(inner)
    rejected, message = found.get(1, 0), found.get(2, b"")
    return (
        rejected if isinstance(rejected, int) and rejected < 1 << 63 else 0,
        message.decode("utf-8", "replace") if isinstance(message, bytes) else "",
    )


def from_json(answer: bytes) -> tuple[int, str]:
    """The same, of the JSON form."""
    import json

    try:
        found = json.loads(answer)["partialSuccess"]
        return max(0, int(found.get("rejectedSpans") or found.get("rejectedLogRecords") or 0)), str(
            found.get("errorMessage") or ""
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return 0, ""


def _fields(data: bytes) -> dict[int, int | bytes]:
    found: dict[int, int | bytes] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        if tag & 7 == 2:
            found[tag >> 3] = data[at : at + value]
            at += value
        elif tag & 7 == 0:
            found[tag >> 3] = value
        else:
            break
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
    return number, at
