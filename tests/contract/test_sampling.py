"""Samplers of an application: what they are asked, and what becomes of their answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    DEFAULT_ON,
    Decision,
    ParentBasedTraceIdRatio,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState

from contract.probes import TRACE_ID, Asked, Counting, Decider, begin, below, identity
from contract.versions import LINKS_NEVER_NONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.probes import Recorder


def test_asked_for_a_root(sampled_by: Callable[..., trace.Tracer]) -> None:
    """For a root with the defaults a sampler gets no context, the new trace id, the name, the kind and nothing else."""
    sampler = Decider()
    span = sampled_by(sampler).start_span("work")
    links: Any = ()
    assert sampler.asked == [
        Asked(None, span.get_span_context().trace_id, "work", SpanKind.INTERNAL, None, links),
    ]


def test_asked_with_everything(sampled_by: Callable[..., trace.Tracer]) -> None:
    """A sampler gets the very context, attributes and links that were given, unchecked, and the parent's trace id."""
    sampler = Decider()
    context, attributes, links = below(identity()), {"a": [1], "": 2}, [Link(identity(span_id=5), {"b": 1})]
    tracer: Any = sampled_by(sampler)
    tracer.start_span("work", context, SpanKind.CLIENT, attributes, links)
    (asked,) = sampler.asked
    assert asked == Asked(context, TRACE_ID, "work", SpanKind.CLIENT, {"a": [1], "": 2}, links)
    assert asked.parent_context is context
    assert asked.links[0] is links[0]


def test_asked_below_the_current_span(sampled_by: Callable[..., trace.Tracer]) -> None:
    """Where the parent is the current span, the context that a sampler gets is None: it looks for itself."""
    sampler = Decider()
    tracer = sampled_by(sampler)
    with tracer.start_as_current_span("outer") as outer:
        tracer.start_span("inner")
    assert [asked.parent_context for asked in sampler.asked] == [None, None]
    assert sampler.asked[1].trace_id == outer.get_span_context().trace_id


@pytest.mark.parametrize("given", [None, (), []], ids=repr)
def test_asked_without_links(sampled_by: Callable[..., trace.Tracer], given: Any) -> None:
    """No links reach a sampler as an empty tuple; before SDK 1.41 as they were given."""
    sampler = Decider()
    sampled_by(sampler).start_span("work", links=given)
    assert sampler.asked[0].links == (() if LINKS_NEVER_NONE else given)


def test_asked_below_an_invalid_parent(sampled_by: Callable[..., trace.Tracer]) -> None:
    """Below an invalid parent a sampler gets the new trace id."""
    sampler = Decider()
    span = sampled_by(sampler).start_span("work", context=below(identity(span_id=0)))
    assert sampler.asked[0].trace_id == span.get_span_context().trace_id != TRACE_ID


def test_order_of_questions(sampled_by: Callable[..., trace.Tracer]) -> None:
    """First the trace id, then the sampler, then the span id, which a dropped span gets as well."""
    log: list[str] = []

    class Ids(Counting):
        def generate_trace_id(self) -> int:
            log.append("trace id")
            return super().generate_trace_id()

        def generate_span_id(self) -> int:
            log.append("span id")
            return super().generate_span_id()

    class Asking(Decider):
        def should_sample(self, *given: Any, **named: Any) -> Any:
            log.append("sampler")
            return super().should_sample(*given, **named)

    sampled_by(Asking(Decision.DROP), id_generator=Ids()).start_span("work")
    assert log == ["trace id", "sampler", "span id"]


def test_asked_once_a_span(sampled_by: Callable[..., trace.Tracer]) -> None:
    """A sampler is asked at the start and never again."""
    sampler = Decider()
    span = sampled_by(sampler).start_span("work")
    span.update_name("other")
    span.set_attribute("a", 1)
    span.end()
    assert len(sampler.asked) == 1


ANSWERS = [
    # decision, recorded, sampled flag
    (Decision.DROP, False, 0),
    (Decision.RECORD_ONLY, True, 0),
    (Decision.RECORD_AND_SAMPLE, True, 1),
]


@pytest.mark.parametrize(("decision", "recorded", "flag"), ANSWERS, ids=lambda value: getattr(value, "name", None))
@pytest.mark.parametrize("parented", [False, True], ids=["root", "child"])
def test_decision(
    sampled_by: Callable[..., trace.Tracer],
    recorder: Recorder,
    decision: Decision,
    recorded: bool,
    flag: int,
    parented: bool,
) -> None:
    """DROP gives an unrecorded span that processors never see; RECORD_ONLY a recorded one that is not sampled."""
    tracer = sampled_by(Decider(decision), id_generator=Counting())
    span = tracer.start_span("work", context=below(identity()) if parented else None)
    span.end()
    assert isinstance(span, ReadableSpan) == recorded
    assert [one.name for one in recorder.started] == [one.name for one in recorder.ended] == ["work"] * recorded
    assert span.get_span_context().trace_flags == flag
    assert span.get_span_context().is_valid


def test_attributes_of_the_answer(sampled_by: Callable[..., trace.Tracer]) -> None:
    """A span starts with the attributes of the sampler's answer, checked as any."""
    given = {"rate": 0.5, "tags": ["a"]}
    tracer = sampled_by(Decider(attributes=given))
    span = begin(tracer)
    given["rate"] = 1.0
    assert span.attributes == {"rate": 0.5, "tags": ("a",)}


def test_an_answer_without_attributes(sampled_by: Callable[..., trace.Tracer]) -> None:
    """The given attributes are the sampler's to pass on: one that answers with none takes them away."""
    assert begin(sampled_by(Decider()), attributes={"a": 1}).attributes == {}


def test_attributes_through_the_sdks_samplers(sampled_by: Callable[..., trace.Tracer]) -> None:
    """The SDK's samplers pass the given attributes on."""
    for sampler in (ALWAYS_ON, DEFAULT_ON, TraceIdRatioBased(1), ParentBasedTraceIdRatio(1)):
        assert begin(sampled_by(sampler), attributes={"a": 1}).attributes == {"a": 1}


@pytest.mark.parametrize("state", [None, [], [("x", "1")], [("x", "1"), ("y", "2")]], ids=repr)
@pytest.mark.parametrize("decision", Decision)
def test_tracestate_of_the_answer(
    sampled_by: Callable[..., trace.Tracer], decision: Decision, state: list[tuple[str, str]] | None
) -> None:
    """The tracestate is the answer's, recorded or not; an answer without one clears the parent's."""
    answer = None if state is None else TraceState(state)
    tracer = sampled_by(Decider(decision, trace_state=answer))
    span = tracer.start_span("work", context=below(identity(state=[("parent", "0")])))
    assert list(span.get_span_context().trace_state.items()) == (state or [])


def test_a_sampler_that_fails(sampled_by: Callable[..., trace.Tracer]) -> None:
    """A sampler's exception is the caller's."""

    class Failing(Decider):
        def should_sample(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("no decision")

    with pytest.raises(RuntimeError, match="no decision"):
        sampled_by(Failing()).start_span("work")
