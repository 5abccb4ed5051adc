"""What a span is that the sampler drops: an identity, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    Decision,
)

from contract.probes import SPAN_ID, TRACE_ID, Decider, begin, below, identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import TracerProvider

    from contract.conftest import ProviderFactory
    from contract.probes import Recorder


@pytest.fixture
def dropping(provider_factory: ProviderFactory, recorder: Recorder) -> TracerProvider:
    """A provider that records nothing, watched by ``recorder``."""
    provider = provider_factory(sampler=ALWAYS_OFF)
    provider.add_span_processor(recorder)
    return provider


def test_unrecorded_root(dropping: TracerProvider, random_flag: bool) -> None:
    """An unrecorded root has an identity of its own, which is valid and not sampled."""
    one, two = (dropping.get_tracer("orders").start_span("work").get_span_context() for _ in range(2))
    assert (one.is_valid, one.is_remote, one.trace_flags.sampled) == (True, False, False)
    assert one.trace_flags == (2 if random_flag else 0)
    assert (one.trace_id, one.span_id) != (two.trace_id, two.span_id)


def test_unrecorded_child(dropping: TracerProvider) -> None:
    """An unrecorded child is in its parent's trace, with a span id of its own and the parent's tracestate."""
    span = dropping.get_tracer("orders").start_span("work", context=below(identity(state=[("a", "1")])))
    context = span.get_span_context()
    assert (context.trace_id, context.trace_flags, list(context.trace_state.items())) == (TRACE_ID, 0, [("a", "1")])
    assert context.span_id not in (0, SPAN_ID)


def test_unrecorded_spans_take_everything(dropping: TracerProvider, recorder: Recorder) -> None:
    """Every method may be called and does nothing."""
    with dropping.get_tracer("orders").start_as_current_span("work", attributes={"a": 1}) as span:
        before = span.get_span_context()
        span.set_attribute("a", 1)
        span.set_attributes({"a": 1})
        span.add_event("e", {"a": 1}, 1)
        span.add_link(identity(), {"a": 1})
        span.update_name("other")
        span.set_status(trace.StatusCode.ERROR, "failed")
        span.record_exception(ValueError(), {"a": 1}, 1, True)
        assert span.is_recording() is False
        span.end()
        span.end(1)
    assert (span.get_span_context(), recorder.log) == (before, [])


def test_unrecorded_spans_are_current(dropping: TracerProvider) -> None:
    """An unrecorded span is the current one, the parent of the next, and is propagated."""
    tracer = dropping.get_tracer("orders")
    with tracer.start_as_current_span("outer") as outer:
        assert trace.get_current_span() is outer
        inner = tracer.start_span("inner")
    assert inner.get_span_context().trace_id == outer.get_span_context().trace_id
    assert inner.get_span_context().span_id != outer.get_span_context().span_id


def test_exceptions_leave_unrecorded_spans(dropping: TracerProvider) -> None:
    """An exception passes an unrecorded span."""
    for make in ("start_span", "start_as_current_span"):
        with pytest.raises(ValueError, match="no"), getattr(dropping.get_tracer("orders"), make)("work"):
            raise ValueError("no")


def test_unrecorded_text(dropping: TracerProvider) -> None:
    """An unrecorded span says what it is."""
    span = dropping.get_tracer("orders").start_span("work")
    assert repr(span).endswith(f"({span.get_span_context()!r})")


def test_a_recorded_child_of_an_unrecorded_span(sampled_by: Callable[..., trace.Tracer]) -> None:
    """Below an unrecorded span a sampler may say yes again; the parent is the unrecorded span's identity."""

    class Second(Decider):
        def should_sample(self, *given: Any, **named: Any) -> Any:
            self.answer = (Decision.RECORD_AND_SAMPLE if self.asked else Decision.DROP, None, None)
            return super().should_sample(*given, **named)

    tracer = sampled_by(Second())
    with tracer.start_as_current_span("outer") as outer:
        inner = begin(tracer)
    assert (inner.parent, inner.context.trace_flags.sampled) == (outer.get_span_context(), True)
