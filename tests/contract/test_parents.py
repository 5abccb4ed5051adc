"""Who is whose parent, and what a child inherits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span

from contract.probes import SPAN_ID, TRACE_ID, begin, below, identity

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Tracer

    from contract.probes import Recorder


def test_root(tracer: Tracer) -> None:
    """Without a current span a span has no parent, and a trace of its own."""
    one, two = begin(tracer), begin(tracer)
    assert (one.parent, two.parent) == (None, None)
    assert one.context.trace_id != two.context.trace_id


def test_child(tracer: Tracer) -> None:
    """The current span is the parent; the trace is its trace, the identity local."""
    with tracer.start_as_current_span("outer") as outer:
        child = begin(tracer)
    assert child.parent == outer.get_span_context()
    assert child.context.trace_id == outer.get_span_context().trace_id
    assert child.context.span_id != outer.get_span_context().span_id
    assert (child.context.is_remote, child.context.is_valid) == (False, True)


def test_child_of_an_ended_span(tracer: Tracer) -> None:
    """An ended span is still a parent."""
    outer = begin(tracer)
    outer.end()
    with trace.use_span(outer):
        assert begin(tracer).parent == outer.context


def test_given_context(tracer: Tracer) -> None:
    """A given context beats the current one, without becoming current."""
    other = begin(tracer)
    with tracer.start_as_current_span("current") as current:
        child = begin(tracer, context=trace.set_span_in_context(other))
        assert trace.get_current_span() is current
    assert child.parent == other.context


@pytest.mark.parametrize("context", [Context(), Context({"other": 1})], ids=["empty", "other"])
def test_given_context_without_a_span(tracer: Tracer, context: Context) -> None:
    """A given context without a span makes a root, whatever is current."""
    with tracer.start_as_current_span("current") as current:
        span = begin(tracer, context=context)
    assert span.parent is None
    assert span.context.trace_id != current.get_span_context().trace_id


@pytest.mark.parametrize(
    "parent",
    [trace.INVALID_SPAN_CONTEXT, identity(trace_id=0), identity(span_id=0), identity(trace_id=1 << 128)],
    ids=["invalid", "no trace", "no span", "too long"],
)
def test_invalid_parent(tracer: Tracer, parent: trace.SpanContext) -> None:
    """A parent without a valid identity is none."""
    span = begin(tracer, context=below(parent))
    assert span.parent is None
    assert span.context.trace_id not in (0, parent.trace_id)


def test_what_is_no_span(tracer: Tracer) -> None:
    """Something else in the place of the current span is no parent."""
    (key,) = below(identity())
    assert begin(tracer, context=Context({key: "span"})).parent is None


def _foreign(context: Any) -> Context:
    class Foreign(trace.NonRecordingSpan):
        def get_span_context(self) -> Any:
            return context

    return trace.set_span_in_context(Foreign(trace.INVALID_SPAN_CONTEXT), Context())


def test_foreign_parent(tracer: Tracer) -> None:
    """A span of another kind is a parent by its identity."""
    assert begin(tracer, context=_foreign(identity())).parent == identity()


def test_foreign_parent_without_identity(tracer: Tracer) -> None:
    """A span that gives None for its identity is no parent."""
    assert begin(tracer, context=_foreign(None)).parent is None


def test_foreign_parent_with_a_wrong_identity(tracer: Tracer) -> None:
    """A span whose identity is something else is a TypeError."""
    with pytest.raises(TypeError):
        tracer.start_span("work", context=_foreign("00-1-2-01"))


@pytest.mark.parametrize("remote", [True, False])
@pytest.mark.parametrize("flags", [0, 1, 2, 3, 0xFF])
def test_what_a_child_inherits(tracer: Tracer, remote: bool, flags: int, random_flag: bool) -> None:
    """A child has its parent's trace, tracestate and, as flags, sampled and random; no other bit, and is local."""
    parent = identity(remote=remote, flags=flags, state=[("b", "2"), ("a", "1")])
    span = tracer.start_span("work", context=below(parent))
    context = span.get_span_context()
    assert context.trace_id == TRACE_ID
    assert context.span_id not in (0, SPAN_ID)
    assert context.trace_flags == flags & (3 if random_flag else 1)
    assert list(context.trace_state.items()) == [("b", "2"), ("a", "1")]
    assert context.is_remote is False
    assert isinstance(span, Span) == bool(flags & 1)


def test_the_parent_as_it_came(tracer: Tracer, recorder: Recorder) -> None:
    """The parent is kept with its flags, state and remoteness."""
    parent = identity(flags=0xFF, state=[("a", "1")])
    span = begin(tracer, context=below(parent))
    span.end()
    for readable in (span, recorder.ended[0]):
        assert readable.parent == parent
        assert readable.parent.is_remote


def test_identity_is_stable(tracer: Tracer, recorder: Recorder) -> None:
    """A span's identity is the same whenever it is asked for, during its life and after."""
    span = begin(tracer)
    before = span.get_span_context()
    span.end()
    assert before == span.get_span_context() == span.context == recorder.ended[0].context
    assert recorder.ended[0].get_span_context() == before


def test_nested_inheritance(tracer: Tracer) -> None:
    """Tracestate and flags reach grandchildren."""
    with (
        tracer.start_as_current_span("child", context=below(identity(state=[("a", "1")]))),
        tracer.start_as_current_span("grandchild") as span,
    ):
        assert list(span.get_span_context().trace_state.items()) == [("a", "1")]
        assert span.get_span_context().trace_flags == 1
