"""Attributes of a span: where they come from, their order, and what a span takes and gives back."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from contract.probes import begin
from contract.versions import ANY_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from opentelemetry.sdk.trace import ReadableSpan, Tracer

    from contract.probes import Recorder


def pairs(span: ReadableSpan) -> list[tuple[str, object]]:
    """The attributes in their order."""
    return list((span.attributes or {}).items())


def test_none_at_all(tracer: Tracer) -> None:
    """A span without attributes has an empty mapping."""
    span = begin(tracer)
    assert pairs(span) == []
    assert span.attributes == {}


def test_at_the_start(tracer: Tracer) -> None:
    """Attributes given at the start are there in their order."""
    assert pairs(begin(tracer, attributes={"b": 1, "a": 2})) == [("b", 1), ("a", 2)]


def test_any_mapping_at_the_start(tracer: Tracer) -> None:
    """A mapping that is not a dict does as well."""
    assert pairs(begin(tracer, attributes=MappingProxyType({"a": 1}))) == [("a", 1)]


def test_set_attribute(tracer: Tracer) -> None:
    """One attribute is added after those that are there."""
    span = begin(tracer, attributes={"a": 1})
    span.set_attribute("b", 2)
    assert pairs(span) == [("a", 1), ("b", 2)]


def test_set_attributes(tracer: Tracer) -> None:
    """Several are added in the mapping's order."""
    span = begin(tracer, attributes={"a": 1})
    span.set_attributes({"c": 3, "b": 2})
    assert pairs(span) == [("a", 1), ("c", 3), ("b", 2)]


def test_set_attributes_with_nothing(tracer: Tracer) -> None:
    """An empty mapping changes nothing."""
    span = begin(tracer, attributes={"a": 1})
    span.set_attributes({})
    assert pairs(span) == [("a", 1)]


def test_set_again(tracer: Tracer) -> None:
    """A key that is set again has the new value and moves to the end."""
    span = begin(tracer, attributes={"a": 1, "b": 2})
    span.set_attribute("a", 3)
    assert pairs(span) == [("b", 2), ("a", 3)]


def test_set_again_with_several(tracer: Tracer) -> None:
    """The same holds for set_attributes."""
    span = begin(tracer, attributes={"a": 1, "b": 2, "c": 3})
    span.set_attributes({"b": 4, "a": 5})
    assert pairs(span) == [("c", 3), ("b", 4), ("a", 5)]


def test_set_again_with_another_type(tracer: Tracer) -> None:
    """A value may be replaced with one of another type."""
    span = begin(tracer, attributes={"a": 1})
    span.set_attribute("a", "one")
    assert pairs(span) == [("a", "one")]


def test_the_given_mapping_is_copied(tracer: Tracer) -> None:
    """What happens to the caller's mapping after the call does not reach the span."""
    first, second = {"a": 1}, {"b": 2}
    span = begin(tracer, attributes=first)
    span.set_attributes(second)
    first["a"] = second["b"] = 9
    first["x"] = 9
    assert pairs(span) == [("a", 1), ("b", 2)]


def test_the_given_sequence_is_copied(tracer: Tracer) -> None:
    """A list changed after the call does not change the attribute."""
    items: list[str] = ["a"]
    span = begin(tracer, attributes={"start": items})
    span.set_attribute("later", items)
    items.append("b")
    assert pairs(span) == [("start", ("a",)), ("later", ("a",))]


def test_readable_until_and_after_the_end(tracer: Tracer, recorder: Recorder) -> None:
    """The ended span that a processor gets has the attributes that were set in between."""
    span = begin(tracer, attributes={"a": 1})
    span.set_attribute("b", 2)
    span.end()
    assert pairs(recorder.ended[0]) == pairs(span) == [("a", 1), ("b", 2)]


def test_spans_share_nothing(tracer: Tracer) -> None:
    """Two spans started with the same mapping have attributes of their own."""
    given = {"a": 1}
    one, two = begin(tracer, attributes=given), begin(tracer, attributes=given)
    one.set_attribute("a", 2)
    assert (pairs(one), pairs(two)) == ([("a", 2)], [("a", 1)])


def test_set_attribute_with_bad_keys(tracer: Tracer, logged: Callable[[], list[str]]) -> None:
    """A key that is empty or no string is refused with a warning; a current SDK counts it as dropped."""
    span = begin(tracer)
    bad: list[Any] = ["", None, 3, b"k", ("a",)]
    for key in bad:
        span.set_attribute(key, "x")
    assert pairs(span) == []
    assert logged() == ["WARNING"] * len(bad)
    assert span.dropped_attributes == (len(bad) if ANY_VALUE else 0)


def test_set_attributes_with_bad_keys(tracer: Tracer) -> None:
    """In a mapping an empty key is dropped; any other object becomes a string key where the SDK has that rule."""
    span = begin(tracer)
    bad: Any = {"": 1, None: 2, 0: 3, 3: "three", "ok": 5, object(): 6}
    span.set_attributes(bad)
    assert pairs(span) == ([("3", "three"), ("ok", 5)] if ANY_VALUE else [("ok", 5)])
    assert span.dropped_attributes == (4 if ANY_VALUE else 0)


def test_start_with_bad_keys(tracer: Tracer) -> None:
    """The attributes of the start follow the same rule."""
    bad: Any = {"": 1, 3: "three", "ok": 5}
    span = begin(tracer, attributes=bad)
    assert pairs(span) == ([("3", "three"), ("ok", 5)] if ANY_VALUE else [("ok", 5)])
    assert span.dropped_attributes == (1 if ANY_VALUE else 0)


def test_key_that_meets_its_own_string(tracer: Tracer) -> None:
    """Where a number and its text are both keys of one mapping, one is left and one counts as dropped."""
    span = begin(tracer)
    bad: Any = {1: "number", "1": "text"}
    span.set_attributes(bad)
    assert pairs(span) == [("1", "text")]
    assert span.dropped_attributes == (1 if ANY_VALUE else 0)
