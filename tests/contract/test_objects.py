"""Spans as Python objects: copies, pickles, weak references, and what keeps them alive."""

from __future__ import annotations

import copy
import gc
import importlib
import pickle
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import set_span_in_context

from contract.probes import END, START, begin, below, identity
from contract.versions import DEEP_COPY

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, Tracer

    from contract.conftest import ProviderFactory
    from contract.probes import Recorder


def ended(tracer: Tracer, recorder: Recorder) -> ReadableSpan:
    """What a processor got of an ended span with something in it."""
    span = begin(tracer, attributes={"a": 1, "b": [1]}, start_time=START, context=below(identity()))
    span.add_event("noted", {"c": 1}, START)
    span.add_link(identity(), {"d": 1})
    span.end(END)
    return recorder.ended[-1]


def test_copy_of_a_span(tracer: Tracer) -> None:
    """A shallow copy of a span reads as the span."""
    span = begin(tracer, attributes={"a": 1})
    span.add_event("noted")
    found = copy.copy(span)
    assert found is not span
    assert type(found) is type(span)
    assert (found.to_json(), found.context, found.instrumentation_scope) == (
        span.to_json(),
        span.context,
        span.instrumentation_scope,
    )


def test_copy_of_an_ended_span(tracer: Tracer, recorder: Recorder) -> None:
    """A shallow copy of what processors get reads as the original."""
    original = ended(tracer, recorder)
    assert copy.copy(original).to_json() == original.to_json()


@pytest.mark.skipif(not DEEP_COPY, reason="possible since SDK 1.41")
def test_deep_copy_of_an_ended_span(tracer: Tracer, recorder: Recorder) -> None:
    """A deep copy of what processors get reads as the original."""
    original = ended(tracer, recorder)
    found = copy.deepcopy(original)
    assert found.to_json() == original.to_json()
    assert (found.context, found.parent) == (original.context, original.parent)


def test_copy_of_a_span_in_progress(tracer: Tracer) -> None:
    """A span in progress cannot be copied deeply."""
    with pytest.raises(TypeError):
        copy.deepcopy(begin(tracer))


def test_pickle(tracer: Tracer, recorder: Recorder) -> None:
    """Neither a span in progress nor an ended one can be pickled."""
    for span in (begin(tracer), ended(tracer, recorder)):
        with pytest.raises(TypeError):
            pickle.dumps(span)


def test_pickle_of_an_identity(tracer: Tracer) -> None:
    """A span's identity can, to be sent elsewhere."""
    span = begin(tracer, context=below(identity(state=[("a", "1")])))
    found = pickle.loads(pickle.dumps(span.get_span_context()))
    assert found == span.get_span_context()
    assert dict(found.trace_state) == {"a": "1"}
    assert copy.deepcopy(span.get_span_context()) == span.get_span_context()


def test_identities_can_be_compared(tracer: Tracer) -> None:
    """Identities are equal by value and can be keys."""
    span = begin(tracer)
    same = copy.deepcopy(span.get_span_context())
    assert (same == span.context, same.span_id) == (True, span.context.span_id)
    assert span.context != begin(tracer).context


def test_weak_reference(tracer: Tracer) -> None:
    """A span can be referred to weakly."""
    span = begin(tracer)
    assert weakref.ref(span)() is span
    assert weakref.WeakKeyDictionary({span: 1})[span] == 1


@pytest.mark.parametrize("end", [True, False], ids=["ended", "forgotten"])
def test_nobody_keeps_a_span(provider_factory: ProviderFactory, end: bool) -> None:
    """A span that nobody holds is gone, ended or not."""
    tracer = provider_factory().get_tracer("orders")
    with tracer.start_as_current_span("outer"):
        span: Any = tracer.start_span("work", attributes={"a": 1})
        span.get_span_context()
        if end:
            span.end()
    reference = weakref.ref(span)
    del span
    gc.collect()
    assert reference() is None


def test_children_do_not_keep_their_parents_data(provider_factory: ProviderFactory) -> None:
    """A chain of spans, each below the one before, keeps alive the last alone."""
    tracer = provider_factory().get_tracer("orders")
    span: Any = tracer.start_span("first")
    references = []
    for _ in range(5):
        references.append(weakref.ref(span))
        child = tracer.start_span("next", context=set_span_in_context(span))
        span.end()
        span = child
    del child
    gc.collect()
    assert [reference() for reference in references] == [None] * 5
    assert span.parent is not None


def test_nobody_keeps_a_provider(provider_factory: ProviderFactory, module: str) -> None:
    """A provider without an exit handler is gone with its last holder."""
    provider = importlib.import_module(module).TracerProvider(shutdown_on_exit=False)
    begin(provider.get_tracer("orders")).end()
    reference = weakref.ref(provider)
    del provider
    gc.collect()
    assert reference() is None
