"""From start to end: names, kinds, times, recording, and what an ended span refuses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import SpanKind, Status, StatusCode

from contract.probes import END, START, begin, identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan, Span, Tracer

    from contract.probes import Recorder


def everything(span: ReadableSpan) -> list[object]:
    """All that can change during a span's life."""
    return [
        span.name,
        span.start_time,
        span.end_time,
        dict(span.attributes or {}),
        [(event.name, event.timestamp) for event in span.events],
        [link.context for link in span.links],
        (span.status.status_code, span.status.description),
        (span.dropped_attributes, span.dropped_events, span.dropped_links),
    ]


@pytest.mark.parametrize("name", ["work", "", "größe 🙂", "a" * 100_000, "GET /{id}\n"], ids=len)
def test_name(tracer: Tracer, recorder: Recorder, name: str) -> None:
    """Any name is kept as it is."""
    span = begin(tracer, name)
    span.end()
    assert (span.name, recorder.ended[0].name) == (name, name)


def test_update_name(tracer: Tracer, recorder: Recorder) -> None:
    """A new name replaces the old one, as often as one likes."""
    span = begin(tracer)
    span.update_name("play")
    span.update_name(name="rest")
    span.end()
    assert (span.name, recorder.ended[0].name) == ("rest", "rest")


@pytest.mark.parametrize("kind", SpanKind)
def test_kind(tracer: Tracer, recorder: Recorder, kind: SpanKind) -> None:
    """Each kind is kept."""
    span = begin(tracer, kind=kind)
    span.end()
    assert (span.kind, recorder.ended[0].kind) == (kind, kind)


def test_default_kind(tracer: Tracer) -> None:
    """A span is internal unless something else is said."""
    assert begin(tracer).kind is SpanKind.INTERNAL


def test_times_now(tracer: Tracer, recorder: Recorder) -> None:
    """Without times a span starts and ends now; before the end there is none."""
    times = [time.time_ns()]
    span = begin(tracer)
    times += [span.start_time or 0, time.time_ns()]
    assert span.end_time is None
    span.end()
    times += [span.end_time or 0, time.time_ns()]
    assert times == sorted(times)
    assert (recorder.ended[0].start_time, recorder.ended[0].end_time) == (times[1], times[3])


@pytest.mark.parametrize(
    ("start", "end"), [(START, END), (END, START), (0, 0), (1, 2**63)], ids=["usual", "backwards", "zero", "huge"]
)
def test_given_times(tracer: Tracer, recorder: Recorder, start: int, end: int) -> None:
    """Times are taken as they are given."""
    span = begin(tracer, start_time=start)
    span.end(end)
    for readable in (span, recorder.ended[0]):
        assert (readable.start_time, readable.end_time) == (start, end)


def test_end_time_by_keyword(tracer: Tracer) -> None:
    """The time of the end may be named, and None is now."""
    one, two = begin(tracer), begin(tracer)
    one.end(end_time=END)
    two.end(end_time=None)
    assert one.end_time == END
    assert two.end_time is not None


def test_end_gives_nothing(tracer: Tracer) -> None:
    """end() and the setters return None."""
    span: Any = begin(tracer)
    assert [
        span.set_attribute("a", 1),
        span.set_attributes({"a": 1}),
        span.add_event("e"),
        span.add_link(identity()),
        span.update_name("n"),
        span.set_status(StatusCode.OK),
        span.record_exception(ValueError()),
        span.end(),
    ] == [None] * 8


def test_recording(tracer: Tracer) -> None:
    """A span records until its end."""
    span = begin(tracer)
    assert span.is_recording() is True
    span.end()
    assert span.is_recording() is False


def test_recording_with_an_end_of_zero(tracer: Tracer) -> None:
    """A time of 0 is an end as any other."""
    span = begin(tracer)
    span.end(0)
    assert span.is_recording() is False


def test_start_again(tracer: Tracer, recorder: Recorder, logged: Callable[[], list[str]]) -> None:
    """A second start changes nothing, is not shown to processors, and is a warning."""
    span = begin(tracer, start_time=START)
    span.start(5)
    assert (span.start_time, logged()) == (START, ["WARNING"])
    assert recorder.started == [span]


def test_end_twice(tracer: Tracer, recorder: Recorder, logged: Callable[[], list[str]]) -> None:
    """A second end changes nothing, is not shown to processors, and is a warning."""
    span = begin(tracer)
    span.end(END)
    span.end(END + 1)
    span.end()
    assert (span.end_time, len(recorder.ended), logged()) == (END, 1, ["WARNING"] * 2)


def test_end_inside_with(tracer: Tracer, recorder: Recorder, logged: Callable[[], list[str]]) -> None:
    """A span that was ended inside its block is ended once, and the block's end is a warning."""
    with tracer.start_as_current_span("work") as span:
        span.end(END)
    assert [ended.end_time for ended in recorder.ended] == [END]
    assert logged() == ["WARNING"]


LATE: dict[str, Callable[[Span], None]] = {
    "set_attribute": lambda span: span.set_attribute("late", 1),
    "set_attributes": lambda span: span.set_attributes({"late": 1}),
    "add_event": lambda span: span.add_event("late"),
    "add_link": lambda span: span.add_link(identity(span_id=9)),
    "update_name": lambda span: span.update_name("late"),
    "set_status": lambda span: span.set_status(StatusCode.ERROR, "late"),
    "set_status with Status": lambda span: span.set_status(Status(StatusCode.OK)),
    "record_exception": lambda span: span.record_exception(ValueError("late")),
}


@pytest.mark.parametrize("call", LATE)
def test_after_the_end(tracer: Tracer, recorder: Recorder, logged: Callable[[], list[str]], call: str) -> None:
    """After its end a span changes no more; trying to is a warning."""
    span = begin(tracer, attributes={"a": 1})
    span.add_event("e")
    span.end()
    before = everything(span)
    LATE[call](span)
    assert everything(span) == before
    assert everything(recorder.ended[0]) == before
    assert logged() == ["WARNING"]


def test_all_at_once(tracer: Tracer, recorder: Recorder) -> None:
    """A whole life: what processors get at the end is what the span itself shows."""
    span = begin(tracer, "first", kind=SpanKind.CLIENT, attributes={"a": 1}, start_time=START)
    span.set_attributes({"b": "two", "c": [True]})
    span.add_event("e", {"x": 1}, START + 1)
    span.add_link(identity())
    span.set_status(StatusCode.ERROR, "failed")
    span.update_name("last")
    span.end(END)
    expected = [
        "last",
        START,
        END,
        {"a": 1, "b": "two", "c": (True,)},
        [("e", START + 1)],
        [identity()],
        (StatusCode.ERROR, "failed"),
        (0, 0, 0),
    ]
    assert everything(span) == everything(recorder.ended[0]) == expected


def test_held_after_the_end(tracer: Tracer) -> None:
    """A span that the application holds stays readable after its end, whatever ends after it."""
    span = begin(tracer, attributes={"a": 1})
    span.add_event("e", timestamp=1)
    span.end(END)
    before, context = everything(span), span.get_span_context()
    for _ in range(1000):
        tracer.start_span("other").end()
    assert (everything(span), span.context) == (before, context)
