"""Protocol Buffers by hand: varints, tags and attribute values as OTLP puts them on the wire.

Source: opentelemetry-proto v1.x, ``common/v1/common.proto``; Protocol Buffers encoding.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from tracing_agent.export.values import INT64_MAX, INT64_MIN, plain

_double = Struct("<d").pack
_MASK = (1 << 64) - 1
_SCALARS = frozenset((str, bool, int, float))
_SHORT = tuple(bytes((n,)) for n in range(128))


def varint(number: int) -> bytes:
    """A non-negative integer as a varint."""
    if number < 128:
        return _SHORT[number]
    if number < 16384:
        return bytes((number & 127 | 128, number >> 7))
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


def any_value(value: Any) -> bytes:
    """An ``AnyValue`` message: string 1, bool 2, int 3, double 4, array 5, kvlist 6, bytes 7; empty for None."""
    kind = type(value)
    if kind is str:
        return field(b"\x0a", utf8(value))
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is int and INT64_MIN <= value <= INT64_MAX:
        return b"\x18" + varint(value & _MASK)
    if kind is float:
        return b"\x21" + _double(value)
    if (kind is list or kind is tuple) and _SCALARS.issuperset(map(type, value)):
        return field(b"\x2a", b"".join([field(b"\x0a", any_value(item)) for item in value]))
    return _plain_value(plain(value))


def _plain_value(value: Any) -> bytes:
    kind = type(value)
    if kind is list:
        return field(b"\x2a", b"".join([field(b"\x0a", _plain_value(item)) for item in value]))
    if kind is dict:
        return field(b"\x32", b"".join([field(b"\x0a", _pair(key, item)) for key, item in value.items()]))
    if kind is bytes:
        return field(b"\x3a", value)
    return b"" if value is None else any_value(value)


def _pair(key: str, value: Any) -> bytes:
    return field(b"\x0a", utf8(key)) + field(b"\x12", _plain_value(value))


def key_value(key: str, value: Any) -> bytes:
    """The body of a ``KeyValue`` message: key 1, value 2."""
    return field(b"\x0a", utf8(key)) + field(b"\x12", any_value(value))
