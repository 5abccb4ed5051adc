"""The fields that every span has in OTLP, and what spans have in common: written once, for spans and sketches.

Source: opentelemetry-proto v1.x, ``trace/v1/trace.proto`` (field numbers in the comments beside each tag).
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from tracing_agent.export.record import kind
from tracing_agent.export.wire import field, key_value, varint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracing_agent.trace.identity import Trace

IDS = Struct(">HQQHQ").pack  # trace_id 1, span_id 2: tag and length, then big-endian bytes
ID = Struct(">Q").pack  # what is left of span_id 2 behind what the trace remembers
CHILD = Struct(">QHQ").pack  # the same, and parent_span_id 4
PARENT = Struct(">HQ").pack
TIMES = Struct("<BQBQHI").pack  # start 7, end 8: fixed64; flags 16: tag of two bytes, fixed32
TIME = Struct("<BQ").pack
FLAGS = Struct("<BI").pack
LOW = (1 << 64) - 1
NO_STATUS = b"\x7a\x00"
# Sizes of spans whose heads, tag and length, are remembered.
_SIZES = 4096


class _Heads(dict[int, bytes]):
    """What stands before a span of so many bytes: ``spans`` 2 and its length."""

    def __missing__(self, size: int) -> bytes:
        head = b"\x12" + varint(size)
        if size < _SIZES:
            self[size] = head
        return head


HEADS = _Heads()


def attribute_fields(tag: bytes, attributes: Mapping[str, Any]) -> bytes:
    return b"".join([field(tag, key_value(key, value)) for key, value in attributes.items()])


def begun(trace: Trace) -> bytes:
    """What the spans of a trace have in common: trace_id 1, and tag and length of span_id 2."""
    encoded = trace.encoded = b"\x0a\x10" + trace.id.to_bytes(16, "big") + b"\x12\x08"
    return encoded


def constants(origin: Any) -> Any:
    """What the spans of an origin have in common, and what says of values that none of them is named as a constant."""
    # kind 6; OTLP counts from 1, 0 is unspecified
    constants = b"\x30" + varint(kind(origin.kind)) + attribute_fields(b"\x4a", origin.attributes)
    origin.encoded = (constants, frozenset(origin.attributes).isdisjoint)
    return origin.encoded
