"""Protocol Buffers by hand: varints, tags and attribute values as OTLP puts them on the wire.

Source: opentelemetry-proto v1.x, ``common/v1/common.proto``; Protocol Buffers encoding. Rules for values that the wire
cannot carry, so that one odd value never costs a batch: lone surrogates become ``?``; integers past 64 bits become
their decimal text; an object of any other type its ``str``; nesting deeper than `DEPTH` an empty value.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import Any

#: Deepest nesting of arrays and maps (specification 1.60, AttributeValueDepthLimit).
DEPTH = 64

_double = Struct("<d").pack
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_MASK = (1 << 64) - 1
_SHORT = tuple(bytes((n,)) for n in range(128))


def varint(number: int) -> bytes:
    """A non-negative integer as a varint."""
    if number < 128:
        return _SHORT[number]
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(tag: bytes, payload: bytes) -> bytes:
    """A length-delimited field: ``tag`` as its encoded bytes."""
    return tag + varint(len(payload)) + payload


def utf8(text: str) -> bytes:
    """Text as UTF-8; a lone surrogate, which UTF-8 cannot hold, becomes ``?``."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def any_value(value: Any, depth: int = 0) -> bytes:
    """An ``AnyValue`` message: string 1, bool 2, int 3, double 4, array 5, kvlist 6, bytes 7; empty for None."""
    kind = type(value)
    if kind is str:
        return field(b"\x0a", utf8(value))
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is int:
        if _INT64_MIN <= value <= _INT64_MAX:
            return b"\x18" + varint(value & _MASK)
        return field(b"\x0a", str(value).encode())
    if kind is float:
        return b"\x21" + _double(value)
    if value is None or depth >= DEPTH:
        return b""
    if isinstance(value, (bytes, bytearray)):
        return field(b"\x3a", bytes(value))
    return _other(value, depth)


def _other(value: Any, depth: int) -> bytes:
    if isinstance(value, Mapping):
        pairs = b"".join(field(b"\x0a", key_value(str(key), item, depth + 1)) for key, item in value.items())
        return field(b"\x32", pairs)
    if isinstance(value, (list, tuple)):
        items = b"".join(field(b"\x0a", any_value(item, depth + 1)) for item in value)
        return field(b"\x2a", items)
    for plain in (str, bool, int, float):
        if isinstance(value, plain):  # a subclass, such as an enum of strings
            return any_value(plain(value), depth)
    try:
        return field(b"\x0a", utf8(str(value)))
    except Exception:
        return b""


def key_value(key: str, value: Any, depth: int = 0) -> bytes:
    """The body of a ``KeyValue`` message: key 1, value 2."""
    return field(b"\x0a", utf8(key)) + field(b"\x12", any_value(value, depth))
