"""Limits: how many, how long, what makes room, and what is counted as dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import Link

from contract.probes import begin, crowd, identity, named, shape
from contract.versions import ANY_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan, Tracer

    from contract.conftest import ProviderFactory
    from contract.probes import Recorder


@pytest.fixture
def limited(provider_factory: ProviderFactory, recorder: Recorder) -> Callable[..., Tracer]:
    """A tracer whose provider has these SpanLimits."""

    def make(**limits: int) -> Tracer:
        provider = provider_factory(span_limits=SpanLimits(**limits))
        provider.add_span_processor(recorder)
        return cast("Tracer", provider.get_tracer("orders"))

    return make


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """The attributes as a dict."""
    return dict(span.attributes or {})


def test_the_oldest_attribute_makes_room(limited: Callable[..., Tracer]) -> None:
    """Past the limit the attribute that was set longest ago goes."""
    span = begin(limited(max_span_attributes=2))
    for key in "abc":
        span.set_attribute(key, key)
    assert attributes(span) == {"b": "b", "c": "c"}
    assert span.dropped_attributes == 1


def test_set_again_at_the_limit(limited: Callable[..., Tracer]) -> None:
    """A key that is there needs no room, and is the newest afterwards."""
    span = begin(limited(max_span_attributes=2), attributes={"a": 1, "b": 2})
    span.set_attribute("a", 3)
    assert (list(attributes(span).items()), span.dropped_attributes) == ([("b", 2), ("a", 3)], 0)
    span.set_attribute("c", 4)
    assert (list(attributes(span).items()), span.dropped_attributes) == ([("a", 3), ("c", 4)], 1)


def test_attributes_of_the_start(limited: Callable[..., Tracer]) -> None:
    """Of too many attributes at the start the last ones stay."""
    span = begin(limited(max_span_attributes=2), attributes=named(5))
    assert (attributes(span), span.dropped_attributes) == ({"k3": 3, "k4": 4}, 3)


def test_several_at_once(limited: Callable[..., Tracer]) -> None:
    """Of too many attributes in one call the last ones stay."""
    span = begin(limited(max_span_attributes=2), attributes={"first": 1})
    span.set_attributes(named(3))
    assert (attributes(span), span.dropped_attributes) == ({"k1": 1, "k2": 2}, 2)


def test_no_attributes_at_all(limited: Callable[..., Tracer]) -> None:
    """A limit of 0 drops and counts everything."""
    span = begin(limited(max_span_attributes=0), attributes={"a": 1})
    span.set_attribute("b", 2)
    span.set_attributes({"c": 3, "d": 4})
    assert (attributes(span), span.dropped_attributes) == ({}, 4)


def test_an_invalid_value_takes_no_room(limited: Callable[..., Tracer]) -> None:
    """A key that is refused does not push another out."""
    span = begin(limited(max_span_attributes=1), attributes={"a": 1})
    span.set_attribute("", 2)
    assert attributes(span) == {"a": 1}


def test_dropped_counts_reach_processors(limited: Callable[..., Tracer], recorder: Recorder) -> None:
    """The ended span has the counts of attributes, events and links that were dropped."""
    span = begin(limited(max_span_attributes=1, max_events=1, max_links=1))
    for number in range(4):
        span.set_attribute(str(number), number)
        if number > 0:
            span.add_event("e")
        if number > 1:
            span.add_link(identity())
    span.end()
    ended = recorder.ended[0]
    assert (ended.dropped_attributes, ended.dropped_events, ended.dropped_links) == (3, 2, 1)


def test_nothing_dropped(limited: Callable[..., Tracer], recorder: Recorder) -> None:
    """At the limit, nothing counts as dropped."""
    span = begin(limited(max_span_attributes=1, max_events=1, max_links=1), attributes={"a": 1})
    span.add_event("e", {"a": 1})
    span.add_link(identity(), {"a": 1})
    span.end()
    for found in (span, recorder.ended[0]):
        assert (found.dropped_attributes, found.dropped_events, found.dropped_links) == (0, 0, 0)
        assert (found.events[0].dropped_attributes, found.links[0].dropped_attributes) == (0, 0)


def test_the_oldest_event_makes_room(limited: Callable[..., Tracer]) -> None:
    """Past the limit the first event goes."""
    span = begin(limited(max_events=2))
    for name in "abc":
        span.add_event(name)
    assert ([event.name for event in span.events], span.dropped_events) == (["b", "c"], 1)


def test_no_events_at_all(limited: Callable[..., Tracer]) -> None:
    """A limit of 0 drops and counts every event, an exception's too."""
    span = begin(limited(max_events=0))
    span.add_event("a")
    span.record_exception(ValueError("x"))
    assert (span.events, span.dropped_events) == ((), 2)


def test_the_oldest_link_makes_room(limited: Callable[..., Tracer]) -> None:
    """Past the limit the first link goes, whether it came at the start or later."""
    span = begin(limited(max_links=2), links=[Link(identity(span_id=number)) for number in (1, 2, 3)])
    assert ([link.context.span_id for link in span.links], span.dropped_links) == ([2, 3], 1)
    span.add_link(identity(span_id=4))
    assert ([link.context.span_id for link in span.links], span.dropped_links) == ([3, 4], 2)


def test_invalid_links_are_not_counted(limited: Callable[..., Tracer]) -> None:
    """A link to nowhere takes no room and is no dropped link."""
    nowhere = Link(identity(0, 0))
    span = begin(limited(max_links=1), links=[Link(identity()), nowhere])
    span.add_link(nowhere.context)
    assert (len(span.links), span.dropped_links) == (1, 0)


def test_no_links_at_all(limited: Callable[..., Tracer]) -> None:
    """A limit of 0 drops and counts every link."""
    span = begin(limited(max_links=0), links=[Link(identity())])
    span.add_link(identity())
    assert (span.links, span.dropped_links) == ((), 2)


def test_attributes_of_an_event(limited: Callable[..., Tracer]) -> None:
    """Of too many attributes of an event the last ones stay, and the event counts the others."""
    span = begin(limited(max_event_attributes=2), attributes=named(3))
    span.add_event("e", named(3))
    (event,) = span.events
    assert (dict(event.attributes or {}), event.dropped_attributes) == ({"k1": 1, "k2": 2}, 1)
    assert (attributes(span), span.dropped_attributes) == (named(3), 0)


def test_attributes_of_a_link(limited: Callable[..., Tracer]) -> None:
    """Of too many attributes of a link the last ones stay, and the link counts the others."""
    span = begin(limited(max_link_attributes=2), links=[Link(identity(), named(3))])
    span.add_link(identity(), named(4))
    found = [(dict(link.attributes or {}), link.dropped_attributes) for link in span.links]
    assert found == [({"k1": 1, "k2": 2}, 1), ({"k2": 2, "k3": 3}, 2)]


def test_attributes_of_an_exception(limited: Callable[..., Tracer]) -> None:
    """An exception's event obeys the limit of events' attributes."""
    span = begin(limited(max_event_attributes=1))
    span.record_exception(ValueError("x"))
    assert dict(span.events[0].attributes or {}) == {"exception.escaped": "False"}


LONG: Any = {
    "string": "größer",
    "strings": ["größer", "ab"],
    "longer-key": "a",
    "number": 123456,
    **({"bytes": b"123456", "map": {"longer-key": "größer", "list": [["größer"]]}} if ANY_VALUE else {}),
}
SHORT: Any = {
    "string": "grö",
    "strings": ("grö", "ab"),
    "longer-key": "a",
    "number": 123456,
    **({"bytes": b"123456", "map": {"longer-key": "grö", "list": (("grö",),)}} if ANY_VALUE else {}),
}


def test_length_of_values(limited: Callable[..., Tracer]) -> None:
    """Strings are cut to so many characters, inside sequences and maps too; keys, bytes and numbers are not."""
    span = begin(limited(max_attribute_length=3), attributes=LONG, links=[Link(identity(), LONG)])
    span.add_event("longer", LONG)
    span.add_link(identity(), LONG)
    assert attributes(span) == SHORT
    assert dict(span.events[0].attributes or {}) == SHORT
    assert [dict(link.attributes or {}) for link in span.links] == [SHORT, SHORT]
    span.set_attribute("string", "changed")
    assert attributes(span)["string"] == "cha"


def test_length_of_a_spans_values_only(limited: Callable[..., Tracer]) -> None:
    """The limit for spans leaves events and links alone, and beats the general one."""
    span = begin(limited(max_span_attribute_length=2, max_attribute_length=4), attributes={"a": "abcdef"})
    span.add_event("e", {"a": "abcdef"})
    span.add_link(identity(), {"a": "abcdef"})
    assert attributes(span) == {"a": "ab"}
    assert [span.events[0].attributes, span.links[0].attributes] == [{"a": "abcd"}, {"a": "abcd"}]


def test_length_of_nothing(limited: Callable[..., Tracer]) -> None:
    """A length of 0 leaves empty strings."""
    span = begin(limited(max_attribute_length=0), attributes={"a": "abc", "b": ["x"]})
    assert attributes(span) == {"a": "", "b": ("",)}


@pytest.mark.skipif(not ANY_VALUE, reason="objects become text since SDK 1.45")
def test_length_of_an_objects_text(limited: Callable[..., Tracer]) -> None:
    """The text that an object was turned into is not cut."""
    span = begin(limited(max_attribute_length=1), attributes={"a": {10}})
    assert attributes(span) == {"a": "{10}"}


def test_length_of_a_stack_trace(limited: Callable[..., Tracer]) -> None:
    """An exception's texts are cut as well."""
    span = begin(limited(max_attribute_length=4))
    span.record_exception(ValueError("too bad"))
    assert dict(span.events[0].attributes or {}) == {
        "exception.type": "Valu",
        "exception.message": "too ",
        "exception.stacktrace": "Valu",
        "exception.escaped": "Fals",
    }


def test_names_are_not_cut(limited: Callable[..., Tracer]) -> None:
    """No limit touches names of spans and events or a status."""
    span = begin(limited(max_attribute_length=1), name="a long name")
    span.add_event("another one")
    assert (span.name, span.events[0].name) == ("a long name", "another one")


def test_defaults(provider_factory: ProviderFactory) -> None:
    """Without a word about limits there are 128 of everything, and length has no limit."""
    tracer: Any = provider_factory().get_tracer("orders")
    span = crowd(tracer, 130)
    assert shape(span) == [128] * 5
    assert (span.dropped_attributes, span.dropped_events, span.dropped_links) == (2, 2, 2)
    span.set_attribute("text", "x" * 100_000)
    assert len(attributes(span)["text"]) == 100_000


def test_one_limit_for_attributes_of_anything(limited: Callable[..., Tracer]) -> None:
    """max_attributes holds for spans, events and links that have no limit of their own."""
    assert shape(crowd(limited(max_attributes=3), 4)) == [3, 4, 3, 4, 3]
    assert shape(crowd(limited(max_attributes=3, max_span_attributes=2), 4)) == [2, 4, 3, 4, 3]
    assert shape(crowd(limited(max_attributes=3, max_event_attributes=2), 4)) == [3, 4, 2, 4, 3]
    assert shape(crowd(limited(max_attributes=3, max_link_attributes=2), 4)) == [3, 4, 3, 4, 2]


def test_unset(limited: Callable[..., Tracer]) -> None:
    """UNSET takes a limit away."""
    names = ["attributes", "events", "links", "span_attributes", "event_attributes", "link_attributes"]
    tracer = limited(**{f"max_{name}": SpanLimits.UNSET for name in names})
    assert shape(crowd(tracer, 130)) == [130] * 5
