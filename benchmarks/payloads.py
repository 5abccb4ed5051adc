"""How many spans a posted body holds: OTLP protobuf, or Datadog's msgpack, without a decoder."""

import struct


def otlp_spans(body: bytes) -> int:
    """Spans of an ExportTraceServiceRequest: resource_spans = 1, scope_spans = 2, spans = 2 (trace.proto)."""
    count = 0
    for resource_start, resource_end in _messages(body, 0, len(body), 1):
        for scope_start, scope_end in _messages(body, resource_start, resource_end, 2):
            count += len(_messages(body, scope_start, scope_end, 2))
    return count


def _messages(body: bytes, start: int, end: int, number: int) -> list[tuple[int, int]]:
    """Bounds of the length-delimited fields called `number` between `start` and `end`."""
    found: list[tuple[int, int]] = []
    while start < end:
        key, start = _varint(body, start)
        wire = key & 7
        if wire == 2:
            length, start = _varint(body, start)
            if key >> 3 == number:
                found.append((start, start + length))
            start += length
        elif wire == 0:
            start = _varint(body, start)[1]
        elif wire == 1:
            start += 8
        elif wire == 5:
            start += 4
        else:
            raise ValueError(f"wire type {wire} is not in protobuf 3")
    return found


def _varint(body: bytes, start: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[start]
        start += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, start
        shift += 7


def datadog_v04_spans(body: bytes) -> int:
    """Spans of a body for /v0.4/traces: an array of traces, each an array of spans."""
    return _traces(body, 0)


def datadog_v05_spans(body: bytes) -> int:
    """Spans of a body for /v0.5/traces: an array of the table of strings and the array of traces."""
    _, start = _array(body, 0)
    return _traces(body, _skip(body, start))


def _traces(body: bytes, start: int) -> int:
    traces, start = _array(body, start)
    count = 0
    for _ in range(traces):
        spans, start = _array(body, start)
        count += spans
        for _ in range(spans):
            start = _skip(body, start)
    return count


def _array(body: bytes, start: int) -> tuple[int, int]:
    kind = body[start]
    if kind >> 4 == 0b1001:
        return kind & 0x0F, start + 1
    if kind == 0xDC:
        return int.from_bytes(body[start + 1 : start + 3], "big"), start + 3
    if kind == 0xDD:
        return int.from_bytes(body[start + 1 : start + 5], "big"), start + 5
    raise ValueError(f"0x{kind:02x} begins no msgpack array")


# Bytes after the first, of the kinds with a fixed size (0xc1 is never used); msgpack specification, "Formats".
_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_FIXED |= {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}
# Form of the length, and bytes between it and what it counts.
_SIZED = {
    0xC4: (">B", 0),
    0xC5: (">H", 0),
    0xC6: (">I", 0),
    0xC7: (">B", 1),
    0xC8: (">H", 1),
    0xC9: (">I", 1),
}
_SIZED |= {0xD9: (">B", 0), 0xDA: (">H", 0), 0xDB: (">I", 0)}
# Form of the length, and values an entry.
_NESTED = {0xDC: (">H", 1), 0xDD: (">I", 1), 0xDE: (">H", 2), 0xDF: (">I", 2)}


def _skip(body: bytes, start: int) -> int:
    """Where the msgpack value ends that begins at `start`."""
    pending = 1
    while pending:
        pending -= 1
        kind = body[start]
        start += 1
        if kind < 0x80 or kind >= 0xE0:
            continue
        if kind < 0x90:
            pending += 2 * (kind & 0x0F)
        elif kind < 0xA0:
            pending += kind & 0x0F
        elif kind < 0xC0:
            start += kind & 0x1F
        elif kind in _FIXED:
            start += _FIXED[kind]
        elif kind in _SIZED:
            form, extra = _SIZED[kind]
            start += struct.calcsize(form) + extra + struct.unpack_from(form, body, start)[0]
        else:
            form, values = _NESTED[kind]
            pending += values * struct.unpack_from(form, body, start)[0]
            start += struct.calcsize(form)
    return start
