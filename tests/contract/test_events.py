"""Events: name, time and attributes, and that an event stays what it was."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from contract.probes import START, begin

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, Tracer

    from contract.probes import Recorder


def events(span: ReadableSpan) -> list[tuple[str, int, dict[str, Any]]]:
    """Name, time and attributes of each event."""
    return [(event.name, event.timestamp, dict(event.attributes or {})) for event in span.events]


def test_none_at_all(tracer: Tracer) -> None:
    """A span without events has an empty tuple."""
    assert begin(tracer).events == ()


def test_event(tracer: Tracer) -> None:
    """An event has the name, attributes and time that were given."""
    span = begin(tracer)
    span.add_event("noted", {"a": 1}, START)
    assert events(span) == [("noted", START, {"a": 1})]


def test_by_keyword(tracer: Tracer) -> None:
    """The same by keyword."""
    span = begin(tracer)
    span.add_event(timestamp=START, attributes={"a": 1}, name="noted")
    assert events(span) == [("noted", START, {"a": 1})]


def test_time_now(tracer: Tracer) -> None:
    """Without a time an event happened now."""
    span = begin(tracer)
    before = time.time_ns()
    span.add_event("noted")
    assert before <= span.events[0].timestamp <= time.time_ns()


@pytest.mark.parametrize("timestamp", [0, 1, 2**63])
def test_any_time(tracer: Tracer, timestamp: int) -> None:
    """A time is taken as it is, 0 too, and before the span's start."""
    span = begin(tracer, start_time=START)
    span.add_event("noted", timestamp=timestamp)
    assert events(span) == [("noted", timestamp, {})]


def test_order(tracer: Tracer) -> None:
    """Events are in the order in which they were added, whatever their times, and may repeat."""
    span = begin(tracer)
    for number, name in enumerate("abba"):
        span.add_event(name, timestamp=10 - number)
    assert [event.name for event in span.events] == ["a", "b", "b", "a"]


def test_without_attributes(tracer: Tracer) -> None:
    """An event without attributes has an empty mapping."""
    span = begin(tracer)
    span.add_event("noted")
    span.add_event("noted", None)
    span.add_event("noted", {})
    assert [event.attributes for event in span.events] == [{}, {}, {}]
    assert [event.dropped_attributes for event in span.events] == [0, 0, 0]


def test_the_given_attributes_are_copied(tracer: Tracer) -> None:
    """What happens to the caller's mapping and lists afterwards does not reach the event."""
    items = [1]
    given: dict[str, Any] = {"a": 1, "items": items}
    span = begin(tracer)
    span.add_event("noted", given)
    given["a"] = 2
    items.append(2)
    assert span.events[0].attributes == {"a": 1, "items": (1,)}


def test_attributes_are_immutable(tracer: Tracer) -> None:
    """An event's attributes can be neither set nor deleted."""
    span = begin(tracer)
    span.add_event("noted", {"a": 1})
    attributes: Any = span.events[0].attributes
    with pytest.raises(TypeError):
        attributes["a"] = 2
    with pytest.raises(TypeError):
        del attributes["a"]
    assert span.events[0].attributes == {"a": 1}


def test_what_was_read_does_not_grow(tracer: Tracer) -> None:
    """The tuple of events read before is not changed by the next event."""
    span = begin(tracer)
    span.add_event("a")
    read = span.events
    span.add_event("b")
    assert [event.name for event in read] == ["a"]


def test_processors_see_events(tracer: Tracer, recorder: Recorder) -> None:
    """The ended span has its events."""
    span = begin(tracer)
    span.add_event("noted", {"a": 1}, START)
    span.end()
    assert events(recorder.ended[0]) == [("noted", START, {"a": 1})]


def test_read_only_properties(tracer: Tracer) -> None:
    """An event's name and time cannot be assigned."""
    span = begin(tracer)
    span.add_event("noted")
    for name in ("name", "timestamp", "attributes"):
        with pytest.raises(AttributeError):
            setattr(span.events[0], name, None)
