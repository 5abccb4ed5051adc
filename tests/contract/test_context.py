"""Spans in the context: what is current, across threads, tasks and foreign contexts."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach, get_current, get_value, set_value
from opentelemetry.sdk.trace import Span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from contract.probes import SPAN_ID, TRACE_ID, begin, below, identity

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Tracer

    from contract.probes import Recorder


def test_start_span_is_not_current(tracer: Tracer) -> None:
    """start_span alone leaves the context as it is."""
    before = get_current()
    tracer.start_span("work")
    assert get_current() is before
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_current_span(tracer: Tracer, recorder: Recorder) -> None:
    """start_as_current_span gives the span, makes it the current one, ends it and restores the context."""
    before = get_current()
    with tracer.start_as_current_span("outer") as outer:
        assert trace.get_current_span() is outer
        with tracer.start_as_current_span("inner") as inner:
            assert trace.get_current_span() is inner
        assert trace.get_current_span() is outer
    assert get_current() == before
    assert [span.name for span in recorder.ended] == ["inner", "outer"]


def test_nothing_happens_before_entering(tracer: Tracer, recorder: Recorder) -> None:
    """A span of start_as_current_span begins when the block is entered, not when it is asked for."""
    block = tracer.start_as_current_span("work")
    assert recorder.started == []
    with block:
        assert [span.name for span in recorder.started] == ["work"]


def test_left_open(tracer: Tracer, recorder: Recorder) -> None:
    """With end_on_exit=False the span outlives the block."""
    with tracer.start_as_current_span("work", end_on_exit=False) as span:
        pass
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert (recorder.ended, span.is_recording()) == ([], True)


def test_arguments_of_start_as_current_span(tracer: Tracer) -> None:
    """Every argument of start_span holds for start_as_current_span."""
    link = trace.Link(identity(span_id=3))
    with tracer.start_as_current_span("work", below(identity()), trace.SpanKind.SERVER, {"a": 1}, [link], 5) as span:
        assert isinstance(span, Span)
        assert (span.name, span.parent, span.kind) == ("work", identity(), trace.SpanKind.SERVER)
        assert (span.attributes, span.links[0].context, span.start_time) == ({"a": 1}, link.context, 5)


def test_use_span(tracer: Tracer, recorder: Recorder) -> None:
    """use_span makes a span current, and ends it when asked to."""
    span = begin(tracer)
    with trace.use_span(span) as used:
        assert trace.get_current_span() is used is span
    assert recorder.ended == []
    with trace.use_span(span, end_on_exit=True):
        pass
    assert [ended.name for ended in recorder.ended] == ["work"]


def test_with_span_does_not_make_it_current(tracer: Tracer) -> None:
    """`with span` only ends it."""
    with tracer.start_span("work"):
        assert trace.get_current_span() is trace.INVALID_SPAN


def test_the_rest_of_the_context_is_kept(tracer: Tracer) -> None:
    """Baggage and other values are there inside the block, and what is set inside is gone after it."""
    token = attach(baggage.set_baggage("user", "7", set_value("mine", 1)))
    with tracer.start_as_current_span("work"):
        assert (baggage.get_baggage("user"), get_value("mine")) == ("7", 1)
        inner = attach(baggage.set_baggage("user", "8"))
        assert trace.get_current_span().is_recording()
        detach(inner)
    assert (baggage.get_baggage("user"), get_value("mine")) == ("7", 1)
    detach(token)


def test_injection(tracer: Tracer) -> None:
    """The W3C propagator writes the current span's identity."""
    with tracer.start_as_current_span("work", context=below(identity(state=[("a", "1")]))) as span:
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
    assert carrier == {
        "traceparent": f"00-{TRACE_ID:032x}-{span.get_span_context().span_id:016x}-01",
        "tracestate": "a=1",
    }


def test_extraction(tracer: Tracer) -> None:
    """What the W3C propagator read is the remote parent."""
    carrier = {"traceparent": f"00-{TRACE_ID:032x}-{SPAN_ID:016x}-01", "tracestate": "a=1"}
    span = begin(tracer, context=TraceContextTextMapPropagator().extract(carrier))
    assert span.parent == identity(state=[("a", "1")])


def test_threads_start_without_a_span(tracer: Tracer) -> None:
    """A new thread has no current span; one that runs in a copy of the context has."""
    seen: list[trace.Span] = []
    with tracer.start_as_current_span("work") as span:
        copied = contextvars.copy_context()
        for target in (trace.get_current_span, lambda: copied.run(trace.get_current_span)):
            thread = threading.Thread(target=lambda run=target: seen.append(run()))
            thread.start()
            thread.join()
    assert seen == [trace.INVALID_SPAN, span]


def test_tasks_have_their_own(tracer: Tracer, recorder: Recorder) -> None:
    """Concurrent tasks have the span they were made under as parent, and do not see each other's."""

    async def work(name: str, started: asyncio.Event, other: asyncio.Event) -> None:
        with tracer.start_as_current_span(name) as span:
            started.set()
            await other.wait()
            assert trace.get_current_span() is span

    async def main() -> None:
        one, two = asyncio.Event(), asyncio.Event()
        with tracer.start_as_current_span("main"):
            await asyncio.gather(work("one", one, two), work("two", two, one))

    asyncio.run(main())
    *tasks, outer = recorder.ended
    assert sorted(span.name for span in tasks) == ["one", "two"]
    assert [span.parent for span in tasks] == [outer.context] * 2


def test_left_in_another_context(tracer: Tracer, recorder: Recorder) -> None:
    """A block that is left in another context than it was entered in (a closed generator) ends its span, no more."""
    block = tracer.start_as_current_span("work")
    contextvars.copy_context().run(block.__enter__)
    block.__exit__(None, None, None)
    assert [span.name for span in recorder.ended] == ["work"]
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_left_out_of_order(tracer: Tracer, recorder: Recorder) -> None:
    """Two blocks that are left in the order in which they were entered both end."""
    one, two = tracer.start_as_current_span("one"), tracer.start_as_current_span("two")
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    two.__exit__(None, None, None)
    assert [(span.name, span.parent and span.parent.span_id) for span in recorder.ended] == [
        ("one", None),
        ("two", recorder.ended[0].context.span_id),
    ]


def test_inside_a_generator(tracer: Tracer, recorder: Recorder) -> None:
    """A span inside a generator is current to its consumer between two items, and ends with the generator."""

    def numbers() -> Any:
        with tracer.start_as_current_span("work"):
            yield 1
            yield 2

    assert [(number, trace.get_current_span().is_recording()) for number in numbers()] == [(1, True), (2, True)]
    assert [span.name for span in recorder.ended] == ["work"]


@pytest.mark.parametrize("number", [1, 2, 200])
def test_depth(tracer: Tracer, recorder: Recorder, number: int) -> None:
    """Spans nest as deep as one likes, each below the one before."""

    def nest(left: int) -> None:
        with tracer.start_as_current_span(str(left)):
            if left > 1:
                nest(left - 1)

    nest(number)
    parents = [span.parent and span.parent.span_id for span in recorder.ended]
    assert parents == [span.context.span_id for span in recorder.ended[1:]] + [None]
