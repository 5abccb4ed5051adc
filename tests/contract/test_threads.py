"""Many threads at once on one span and on many: nothing lost, nothing twice, no exception."""

from __future__ import annotations

import json
import sys
import threading
from time import sleep
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from contract.probes import Recorder, begin, identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan, Tracer, TracerProvider

    from contract.conftest import ProviderFactory

# The SDK hides its own DeprecationWarning by a filter that it removes and sets again; a thread can fall in between.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

THREADS, TIMES = 8, 40


def together(work: Callable[[int], None], threads: int = THREADS) -> None:
    """Run ``work(number)`` in as many threads at once; an exception in one fails the test.

    Every call and every return, of C functions too, lets another thread go on: what can go wrong does.
    """
    barrier, failed = threading.Barrier(threads), []

    def run(number: int) -> None:
        barrier.wait()
        sys.setprofile(lambda *_: sleep(0))
        try:
            work(number)
        except BaseException as error:
            failed.append(error)
        finally:
            sys.setprofile(None)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert failed == []


@pytest.fixture
def unlimited(provider_factory: ProviderFactory) -> trace.Tracer:
    """A tracer without limits."""
    unset = SpanLimits.UNSET
    limits = SpanLimits(max_span_attributes=unset, max_events=unset, max_links=unset)
    return provider_factory(span_limits=limits).get_tracer("orders")


def test_attributes_of_one_span(unlimited: trace.Tracer) -> None:
    """Attributes that many threads set are all there."""
    span = begin(unlimited)

    def work(number: int) -> None:
        for time in range(TIMES):
            span.set_attribute(f"{number}.{time}", time)

    together(work)
    assert span.attributes == {f"{number}.{time}": time for number in range(THREADS) for time in range(TIMES)}


def test_many_attributes_of_one_span(unlimited: trace.Tracer) -> None:
    """The same in whole mappings."""
    span = begin(unlimited)

    def work(number: int) -> None:
        for time in range(0, TIMES, 4):
            span.set_attributes({f"{number}.{time + step}": time + step for step in range(4)})

    together(work)
    assert span.attributes == {f"{number}.{time}": time for number in range(THREADS) for time in range(TIMES)}


def test_limited_attributes_of_one_span(tracer: Tracer, caplog: pytest.LogCaptureFixture) -> None:
    """At the limit the numbers kept and dropped add up to what was set."""
    caplog.set_level("ERROR")  # current SDKs log each one that is dropped
    span = begin(tracer)

    def work(number: int) -> None:
        for time in range(TIMES):
            span.set_attribute(f"{number}.{time}", time)

    together(work)
    assert (len(span.attributes or {}), span.dropped_attributes) == (128, THREADS * TIMES - 128)


def test_events_of_one_span(unlimited: trace.Tracer) -> None:
    """Events that many threads add are all there, each thread's in its order."""
    span = begin(unlimited)

    def work(number: int) -> None:
        for time in range(TIMES):
            span.add_event(str(number), timestamp=time)

    together(work)
    by_thread = {
        name: [event.timestamp for event in span.events if event.name == name] for name in map(str, range(THREADS))
    }
    assert by_thread == {str(number): list(range(TIMES)) for number in range(THREADS)}


@pytest.mark.parametrize("round_", range(3))
def test_the_first_events_of_one_span(unlimited: trace.Tracer, round_: int) -> None:
    """No event or link is lost among the first ones of a span."""
    span = begin(unlimited)

    def work(number: int) -> None:
        span.add_event(str(number))
        span.add_link(identity(span_id=number + 1))

    together(work)
    assert sorted(event.name for event in span.events) == sorted(map(str, range(THREADS)))
    assert sorted(link.context.span_id for link in span.links) == list(range(1, THREADS + 1))


def test_limited_events_and_links_of_one_span(tracer: Tracer) -> None:
    """At the limit the numbers kept and dropped add up."""
    span = begin(tracer)

    def work(number: int) -> None:
        for time in range(TIMES):
            span.add_event(f"{number}.{time}")
            span.add_link(identity(span_id=number + 1))

    together(work)
    assert (len(span.events), span.dropped_events) == (128, THREADS * TIMES - 128)
    assert (len(span.links), span.dropped_links) == (128, THREADS * TIMES - 128)


def _id(span: ReadableSpan) -> int:
    number: int = span.context.span_id
    return number


def test_the_end_of_one_span(tracer: Tracer, recorder: Recorder, logged: Callable[[], list[str]]) -> None:
    """Of many ends of one span one is the end; the others are warnings."""
    spans = [begin(tracer) for _ in range(TIMES)]

    def work(_: int) -> None:
        for span in spans:
            span.end()

    together(work)
    assert sorted(map(_id, recorder.ended)) == sorted(map(_id, spans))
    assert len(logged()) == TIMES * (THREADS - 1)


def test_given_ends_of_one_span(tracer: Tracer, recorder: Recorder) -> None:
    """The same with times: the end that was shown to processors is the one that stays."""
    spans = [begin(tracer) for _ in range(TIMES)]

    def work(number: int) -> None:
        for span in spans:
            span.end(number + 1)

    together(work)
    assert len(recorder.ended) == TIMES
    shown = {span.context.span_id: span.end_time for span in recorder.ended}
    assert shown == {span.context.span_id: span.end_time for span in spans}


def test_writing_during_the_end(tracer: Tracer, recorder: Recorder) -> None:
    """What a processor was handed at the end does not change while others go on writing."""
    for _ in range(10):
        span = begin(tracer)
        together(lambda number, span=span: span.end() if number == 0 else span.set_attribute(str(number), 1), 4)  # type: ignore[misc]
        before = dict(recorder.ended[-1].attributes or {})
        span.set_attribute("late", 1)
        assert recorder.ended[-1].attributes == before == span.attributes


def test_reading_while_writing(unlimited: trace.Tracer) -> None:
    """A span may be read and printed while others write to it."""
    span = begin(unlimited)

    def work(number: int) -> None:
        if number % 2:
            for time in range(TIMES):
                span.set_attribute(f"{number}.{time}", time)
                span.add_event(str(time))
        else:
            assert repr(span)
            for _ in range(4):
                assert len([str(key) for key, _ in (span.attributes or {}).items()]) <= len(span.attributes or {})
                assert len([str(event.name) for event in span.events]) <= len(span.events)
            assert json.loads(span.to_json())["name"] == "work"

    together(work)
    assert (len(span.attributes or {}), len(span.events)) == (THREADS // 2 * TIMES,) * 2


def test_many_spans(provider: TracerProvider) -> None:
    """Threads that make spans of their own do not meet: all are exported, with ids that do not repeat."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def work(number: int) -> None:
        tracer = provider.get_tracer(f"scope {number % 2}")
        for _ in range(TIMES // 2):
            with tracer.start_as_current_span("outer") as outer, tracer.start_as_current_span("inner") as inner:
                assert inner.parent == outer.get_span_context()  # type: ignore[attr-defined]
                inner.set_attribute("thread", number)

    together(work)
    spans = exporter.get_finished_spans()
    assert len(spans) == len({span.context.span_id for span in spans}) == THREADS * TIMES
    assert len({span.context.trace_id for span in spans}) == THREADS * TIMES // 2
    found = [sum(dict(span.attributes or {}) == {"thread": number} for span in spans) for number in range(THREADS)]
    assert found == [TIMES // 2] * THREADS


def test_tracers(provider: TracerProvider) -> None:
    """Threads that ask for the same new scope get tracers that work at once, with equal scopes."""
    scopes: list[Any] = []

    def work(_: int) -> None:
        for time in range(20):
            scopes.append(begin(provider.get_tracer(f"scope {time}")).instrumentation_scope)

    together(work)
    assert sorted(scope.name for scope in scopes) == sorted(
        f"scope {time}" for time in range(20) for _ in range(THREADS)
    )


def test_processors_added_meanwhile(provider: TracerProvider) -> None:
    """Processors may be added while spans are made."""
    added = [Recorder(str(number)) for number in range(4)]

    def work(number: int) -> None:
        if number < len(added):
            provider.add_span_processor(added[number])
        tracer = provider.get_tracer("orders")
        for _ in range(10):
            begin(tracer).end()

    together(work)
    assert all(len(recorder.ended) >= 10 for recorder in added)
