"""Every kind of attribute value, in every place that takes attributes: what is kept, converted, dropped."""

from __future__ import annotations

import datetime
import decimal
import enum
import math
import types
import uuid
from collections import OrderedDict, deque, namedtuple
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import Link

from contract.probes import begin, identity
from contract.versions import ANY_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import Tracer

Placed = dict[str, Any]


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    """A string of a type of its own."""


class Plain:
    """An object with no text of its own."""


class Spoken:
    """An object with a repr of its own."""

    def __repr__(self) -> str:
        return "spoken"


Point = namedtuple("Point", "x y")  # the untyped kind is the one in the field
DROPPED = object()

# (value, what a current SDK keeps, what one before 1.45 keeps)
ALIKE: dict[str, tuple[object, object]] = {
    "string": ("text", "text"),
    "empty string": ("", ""),
    "string with NUL": ("a\0b", "a\0b"),
    "lone surrogate": ("\ud800", "\ud800"),
    "not ASCII": ("größe 🙂", "größe 🙂"),
    "string subclass": (Text("t"), Text("t")),
    "true": (True, True),
    "false": (False, False),
    "zero": (0, 0),
    "negative": (-7, -7),
    "64 bit": (2**63 - 1, 2**63 - 1),
    "beyond 64 bit": (2**63, 2**63),
    "far beyond": (-(2**200), -(2**200)),
    "int enum": (Level.HIGH, Level.HIGH),
    "float": (1.5, 1.5),
    "NaN": (math.nan, math.nan),
    "infinity": (-math.inf, -math.inf),
    "empty list": ([], ()),
    "strings": (["a", "b"], ("a", "b")),
    "numbers": ([1, 2], (1, 2)),
    "floats": ([1.0, 2.5], (1.0, 2.5)),
    "booleans": ([True, False], (True, False)),
    "tuple": (("a",), ("a",)),
    "range": (range(3), (0, 1, 2)),
    "deque": (deque(["a"]), ("a",)),
    "named tuple": (Point(1, 2), (1, 2)),
    "strings and None": (["a", None], ("a", None)),
    "only None": ([None], (None,)),
    "bytearray": (bytearray(b"ab"), (97, 98)),
}
DIFFERENT: dict[str, tuple[object, object, object]] = {
    "None": (None, None, DROPPED),
    "bytes": (b"ab", b"ab", "ab"),
    "bytes that are no text": (b"\xff\x00", b"\xff\x00", DROPPED),
    "list of bytes": ([b"ab", b"\xff"], (b"ab", b"\xff"), ("ab", None)),
    "int and float": ([1, 2.5], (1, 2.5), DROPPED),
    "int and bool": ([1, True], (1, True), DROPPED),
    "string and int": (["a", 1], ("a", 1), DROPPED),
    "nested list": ([[1], [2, [3]]], ((1,), (2, (3,))), DROPPED),
    "map": ({"a": 1}, {"a": 1}, DROPPED),
    "empty map": ({}, {}, DROPPED),
    "nested map": ({"a": {"b": [1, {"c": None}]}}, {"a": {"b": (1, {"c": None})}}, DROPPED),
    "list of maps": ([{"a": 1}, {"b": b"x"}], ({"a": 1}, {"b": b"x"}), DROPPED),
    "other mapping": (types.MappingProxyType({"a": [1]}), {"a": (1,)}, DROPPED),
    "ordered dict": (OrderedDict(b=1, a=2), {"b": 1, "a": 2}, DROPPED),
    "map with odd keys": ({"": 1, 2: "two", None: 3, Plain(): 4, Spoken(): 5}, {"2": "two", "spoken": 5}, DROPPED),
    "decimal": (decimal.Decimal("1.50"), "1.50", DROPPED),
    "complex": (1j, "1j", DROPPED),
    "date": (datetime.date(2026, 11, 20), "2026-11-20", DROPPED),
    "uuid": (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005", DROPPED),
    "exception": (ValueError("bad"), "bad", DROPPED),
    "enum": (Colour.RED, "Colour.RED", DROPPED),
    "set": ({1}, "{1}", DROPPED),
    "type": (int, "<class 'int'>", DROPPED),
    "object with repr": (Spoken(), "spoken", DROPPED),
    "object": (Plain(), None, DROPPED),
    "objects in a list": ([Spoken(), Plain()], ("spoken", None), DROPPED),
    "objects in a map": ({"a": Spoken(), "b": Plain()}, {"a": "spoken", "b": None}, DROPPED),
}
VALUES = {
    **ALIKE,
    **{name: (value, new if ANY_VALUE else old) for name, (value, new, old) in DIFFERENT.items()},
}


def _start(tracer: Tracer, given: Placed) -> Any:
    return begin(tracer, attributes=given).attributes


def _set_attribute(tracer: Tracer, given: Placed) -> Any:
    span = begin(tracer)
    for key, value in given.items():
        span.set_attribute(key, value)
    return span.attributes


def _set_attributes(tracer: Tracer, given: Placed) -> Any:
    span = begin(tracer)
    span.set_attributes(given)
    return span.attributes


def _event(tracer: Tracer, given: Placed) -> Any:
    span = begin(tracer)
    span.add_event("noted", given)
    return span.events[0].attributes


def _link(tracer: Tracer, given: Placed) -> Any:
    return begin(tracer, links=[Link(identity(), given)]).links[0].attributes


def _add_link(tracer: Tracer, given: Placed) -> Any:
    span = begin(tracer)
    span.add_link(identity(), given)
    return span.links[0].attributes


PLACES = [_start, _set_attribute, _set_attributes, _event, _link, _add_link]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__.strip("_"))
@pytest.mark.parametrize("case", VALUES)
def test_value(case: str, place: Callable[[Tracer, Placed], Any], tracer: Tracer) -> None:
    """A value is kept, converted or dropped alike wherever attributes are taken, and its neighbours stay."""
    value, kept = VALUES[case]
    found = place(tracer, {"before": 1, "key": value, "after": 2})
    expected = {"before": 1, "after": 2} if kept is DROPPED else {"before": 1, "key": kept, "after": 2}
    # By text: 1, 1.0 and True are equal, and NaN is not even equal to itself.
    assert repr(dict(found)) == repr(expected)


def test_nested_values_are_copied(tracer: Tracer) -> None:
    """What happens to the inside of a given value afterwards does not reach the span."""
    inner: list[Any] = [1]
    given: Any = {"list": inner, "map": {"inner": inner}} if ANY_VALUE else {"list": inner}
    span = begin(tracer, attributes=given)
    inner.append(2)
    given["list"] = 3
    assert dict(span.attributes or {}) == ({"list": (1,), "map": {"inner": (1,)}} if ANY_VALUE else {"list": (1,)})


@pytest.mark.parametrize("value", [Plain(), Spoken(), Colour.RED, {1}], ids=lambda value: type(value).__name__)
def test_a_wrong_type_is_told(value: Any, tracer: Tracer, logged: Callable[[], list[str]]) -> None:
    """A value of a type that attributes do not have is logged as a warning."""
    begin(tracer).set_attribute("key", value)
    assert logged() == ["WARNING"]
