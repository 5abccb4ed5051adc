"""Span processors of the application: when they are called, with what, in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor

from contract.probes import END, START, Recorder, begin, below, identity
from contract.versions import ON_ENDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span, Tracer, TracerProvider

    from contract.conftest import ProviderFactory


def test_a_life(tracer: Tracer, recorder: Recorder) -> None:
    """A processor hears of a span's start and of its end, once each."""
    span = begin(tracer)
    assert recorder.log == [("recorder", "on_start")]
    span.set_attribute("a", 1)
    span.end()
    assert recorder.log == [("recorder", "on_start"), ("recorder", "on_end")]


def test_order(provider_factory: ProviderFactory) -> None:
    """Processors are called in the order in which they were added."""
    log: list[tuple[str, str]] = []
    provider = provider_factory()
    for name in "abc":
        provider.add_span_processor(Recorder(name, log))
    begin(provider.get_tracer("orders")).end()
    provider.force_flush()
    assert log == [(name, call) for call in ("on_start", "on_end", "force_flush") for name in "abc"]


def test_the_same_twice(provider: TracerProvider, recorder: Recorder) -> None:
    """A processor that was added twice is called twice."""
    provider.add_span_processor(recorder)
    begin(provider.get_tracer("orders")).end()
    assert [call for _, call in recorder.log] == ["on_start", "on_start", "on_end", "on_end"]


def test_what_on_start_gets(tracer: Tracer, recorder: Recorder) -> None:
    """on_start gets the very span that the caller gets, and the very context that was given, by keyword; else None."""
    context = below(identity())
    spans = [begin(tracer, context=context), begin(tracer)]
    with trace.use_span(spans[0]):
        spans.append(begin(tracer))
    assert recorder.started == spans
    assert recorder.contexts[0] is context
    assert recorder.contexts[1:] == [None, None]


def test_what_is_there_at_the_start(provider_factory: ProviderFactory) -> None:
    """In on_start the span has everything that it was started with."""
    seen: list[object] = []

    class Looking(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            seen.extend([span.name, span.kind, dict(span.attributes or {}), len(span.links), span.parent])
            seen.extend([span.start_time, span.end_time, span.is_recording(), span.resource.attributes["service.name"]])

    provider = provider_factory()
    provider.add_span_processor(Looking())
    begin(
        provider.get_tracer("orders"),
        kind=trace.SpanKind.SERVER,
        context=below(identity()),
        attributes={"a": 1},
        links=[trace.Link(identity())],
        start_time=START,
    )
    assert seen == ["work", trace.SpanKind.SERVER, {"a": 1}, 1, identity(), START, None, True, "shop"]


def test_changes_in_on_start(provider_factory: ProviderFactory, recorder: Recorder) -> None:
    """What a processor does to the span in on_start stays, and the next processor sees it."""
    seen: list[object] = []

    class Marking(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            seen.append(dict(span.attributes or {}))
            span.set_attribute("marked", True)
            span.add_event("marked")
            span.update_name(span.name + "!")

    provider = provider_factory()
    for processor in (Marking(), Marking(), recorder):
        provider.add_span_processor(processor)
    begin(provider.get_tracer("orders")).end()
    assert seen == [{}, {"marked": True}]
    (ended,) = recorder.ended
    assert (ended.name, ended.attributes, len(ended.events)) == ("work!!", {"marked": True}, 2)


def test_the_span_is_not_current_in_on_start(provider_factory: ProviderFactory) -> None:
    """In on_start and on_end of a current span, current is what the caller has: its parent, then itself no more."""
    seen: list[trace.Span] = []

    class Looking(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            seen.append(trace.get_current_span())

        def on_end(self, span: ReadableSpan) -> None:
            seen.append(trace.get_current_span())

    provider = provider_factory()
    provider.add_span_processor(Looking())
    with provider.get_tracer("orders").start_as_current_span("work"):
        pass
    assert seen == [trace.INVALID_SPAN] * 2


def test_what_on_end_gets(provider_factory: ProviderFactory) -> None:
    """In on_end the span is readable and has its end."""
    seen: list[object] = []

    class Looking(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            seen.extend([span.name, span.start_time, span.end_time, dict(span.attributes or {})])
            seen.extend([len(span.events), span.status.status_code])

    provider = provider_factory()
    provider.add_span_processor(Looking())
    span = begin(provider.get_tracer("orders"), start_time=START)
    span.set_attribute("a", 1)
    span.add_event("e")
    span.set_status(trace.StatusCode.OK)
    span.end(END)
    assert seen == ["work", START, END, {"a": 1}, 1, trace.StatusCode.OK]


def test_the_span_is_over_in_on_end(provider_factory: ProviderFactory, logged: Callable[[], list[str]]) -> None:
    """When on_end is called the caller's span records no more, and ending it again is a warning, not a recursion."""
    spans: list[Span] = []
    seen: list[bool] = []

    class Ending(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            seen.append(spans[0].is_recording())
            spans[0].end()

    provider = provider_factory()
    provider.add_span_processor(Ending())
    spans.append(begin(provider.get_tracer("orders")))
    spans[0].end()
    assert (seen, logged()) == ([False], ["WARNING"])


def test_what_on_end_got_stays(tracer: Tracer, recorder: Recorder) -> None:
    """An ended span that a processor keeps does not change any more."""
    span = begin(tracer, attributes={"a": 1})
    span.end()
    span.set_attribute("late", 1)
    span.update_name("late")
    (ended,) = recorder.ended
    assert (ended.name, ended.attributes) == ("work", {"a": 1})


class Ending(Recorder):
    """A processor that looks at a span when it is about to end."""

    def __init__(self, name: str, log: list[tuple[str, str]]) -> None:
        super().__init__(name, log)
        self.seen: list[object] = []

    def _on_ending(self, span: Span) -> None:
        self.log.append((self.name, "_on_ending"))
        self.seen += [span, span.end_time, span.is_recording()]
        span.set_attribute("late", 1)


@pytest.mark.skipif(not ON_ENDING, reason="came with SDK 1.40")
def test_on_ending(provider_factory: ProviderFactory) -> None:
    """Before any on_end each processor's _on_ending gets the caller's span, which has its end."""
    log: list[tuple[str, str]] = []
    one, two = Ending("one", log), Ending("two", log)
    provider = provider_factory()
    provider.add_span_processor(one)
    provider.add_span_processor(two)
    span = begin(provider.get_tracer("orders"))
    log.clear()
    span.end(END)
    assert log == [("one", "_on_ending"), ("two", "_on_ending"), ("one", "on_end"), ("two", "on_end")]
    assert one.seen == two.seen == [span, END, False]
    assert one.ended[0].attributes == {}


def test_added_later(provider: TracerProvider) -> None:
    """A processor that was added during a span's life hears of its end, and of all that tracers from before start."""
    tracer = provider.get_tracer("orders")
    span = begin(tracer, "early")
    late = Recorder("late")
    provider.add_span_processor(late)
    span.end()
    begin(tracer).end()
    assert late.log == [("late", "on_end"), ("late", "on_start"), ("late", "on_end")]
    assert [one.name for one in late.ended] == ["early", "work"]


def test_added_to_the_tracers_processor(tracer: Tracer) -> None:
    """A processor may be added to the multi processor that a tracer publishes."""
    late, processor = Recorder("late"), tracer.span_processor
    processor.add_span_processor(late)
    begin(tracer).end()
    assert late.log == [("late", "on_start"), ("late", "on_end")]


def test_only_added_to_the_tracers_processor(provider_factory: ProviderFactory) -> None:
    """The same where the provider itself was never given one."""
    tracer: Any = provider_factory().get_tracer("orders")
    late = Recorder("late")
    tracer.span_processor.add_span_processor(late)
    begin(tracer).end()
    assert late.log == [("late", "on_start"), ("late", "on_end")]


def test_a_processor_that_makes_spans(provider_factory: ProviderFactory) -> None:
    """A processor may start and end a span of its own inside on_start and on_end."""
    names: list[str] = []
    provider = provider_factory()
    tracer = provider.get_tracer("orders")

    class Making(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            if span.name == "work":
                tracer.start_span("inner").end()

        def on_end(self, span: ReadableSpan) -> None:
            names.append(span.name)
            if span.name == "work":
                tracer.start_span("last").end()

    provider.add_span_processor(Making())
    begin(tracer).end()
    assert names == ["inner", "work", "last"]
