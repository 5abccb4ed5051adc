"""What the wire can carry: any attribute value, in the types of OTLP's ``AnyValue``, never with an exception.

Source: opentelemetry-proto v1.x, ``common/v1/common.proto``; specification 1.60, "Attribute type mapping" and
"AttributeValueDepthLimit" (deeper: an empty value). The rules are listed in docs/compatibility.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1

#: Messages that may be nested in one attribute value: decoders of Protocol Buffers refuse a whole request above 100,
#: and some are around the value. A map takes 3, a sequence 2; so this comes before the specification's 64 levels.
MESSAGES = 90
#: Values in one attribute; the ones after it are empty. A structure that holds itself many times over has no end.
NODES = 100_000


def text(value: Any) -> str:
    """``value`` as text of code points that have an encoding; lone surrogates are ``?``. "" for None."""
    if type(value) is not str:
        if value is None:
            return ""
        try:
            value = str.__str__(value) if isinstance(value, str) else str(value)
        except Exception:
            return ""
    if value.isascii():
        return value  # type: ignore[no-any-return]
    return value.encode("utf-8", "replace").decode()  # type: ignore[no-any-return]


def integer(value: int) -> int | str:
    """An integer, as decimal text where 64 bits cannot hold it (hexadecimal where even Python refuses decimals)."""
    if INT64_MIN <= value <= INT64_MAX:
        return value
    try:
        return str(value)
    except ValueError:
        return hex(value)


def unsigned(value: Any, bits: int) -> int:
    """A time, count or id as an unsigned integer of ``bits`` bits: 0 for what is none or is negative."""
    try:
        number = int(value)
    except Exception:
        return 0
    return max(0, min(number, (1 << bits) - 1))


def plain(value: Any) -> Any:
    """``value`` as None, bool, int (64 bits), float, str, bytes, or a list or dict (with str keys) of these."""
    return _Plain().of(value, MESSAGES)


def plain_attributes(attributes: Any) -> dict[str, Any]:
    """Attributes as `text` keys and `plain` values; none of a mapping that cannot be read."""
    pairs: dict[str, Any] = {}
    for _ in range(3):  # another thread may be changing it
        try:
            pairs = dict(attributes or {})
            break
        except Exception:
            continue
    return {text(key): plain(item) for key, item in pairs.items()}


class _Plain:
    """One conversion; ``left`` counts the values that it may still give."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = NODES

    def of(self, value: Any, messages: int) -> Any:
        self.left -= 1
        if self.left < 0:
            return None
        try:
            return self._of(value, messages)
        except Exception:
            return None

    def _of(self, value: Any, messages: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return text(value)
        if isinstance(value, int):
            return integer(int.__int__(value))
        if isinstance(value, float):
            return float.__float__(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(memoryview(value))
        if isinstance(value, Mapping):
            return self._map(value, messages - 3)
        if isinstance(value, Sequence):
            return [self.of(item, messages - 2) for item in value] if messages >= 2 else None
        return text(value)

    def _map(self, value: Mapping[Any, Any], messages: int) -> dict[str, Any] | None:
        if messages < 0:
            return None
        return {text(key): self.of(item, messages) for key, item in value.items()}
