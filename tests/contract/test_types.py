"""What the objects are: types that others check for, and every public name with the SDK's parameters."""

from __future__ import annotations

import inspect
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from contract.probes import Decider, begin

if TYPE_CHECKING:
    from contract.conftest import ProviderFactory
    from contract.probes import Recorder


def test_provider_type(provider: sdk.TracerProvider) -> None:
    """The provider is the SDK's and the API's to whoever asks."""
    assert isinstance(provider, sdk.TracerProvider)
    assert isinstance(provider, trace.TracerProvider)
    assert issubclass(type(provider), sdk.TracerProvider)


def test_tracer_type(tracer: sdk.Tracer) -> None:
    """A tracer is the SDK's and the API's."""
    assert isinstance(tracer, sdk.Tracer)
    assert isinstance(tracer, trace.Tracer)


def test_span_type(tracer: sdk.Tracer) -> None:
    """A recorded span is the SDK's span, readable, and the API's span."""
    span = tracer.start_span("work")
    assert [isinstance(span, kind) for kind in (sdk.Span, sdk.ReadableSpan, trace.Span)] == [True] * 3
    assert [issubclass(type(span), kind) for kind in (sdk.Span, sdk.ReadableSpan, trace.Span)] == [True] * 3
    assert not isinstance(span, trace.NonRecordingSpan)


def test_ended_span_type(tracer: sdk.Tracer, recorder: Recorder) -> None:
    """What processors get at the end is a readable span."""
    tracer.start_span("work").end()
    (ended,) = recorder.ended
    assert isinstance(ended, sdk.ReadableSpan)
    assert issubclass(type(ended), sdk.ReadableSpan)


def test_unrecorded_span_type(provider_factory: ProviderFactory) -> None:
    """A span that is not recorded is the API's NonRecordingSpan and not readable."""
    span = provider_factory(sampler=Decider(Decision.DROP)).get_tracer("orders").start_span("work")
    assert isinstance(span, trace.NonRecordingSpan)
    assert not isinstance(span, sdk.ReadableSpan)


def test_types_of_what_a_span_holds(tracer: sdk.Tracer, recorder: Recorder) -> None:
    """Everything read from a span, before its end and after, has the SDK's or the API's type."""
    link = trace.Link(tracer.start_span("other").get_span_context())
    span = begin(tracer, links=[link], attributes={"a": 1})
    span.add_event("started")
    span.end()
    for readable in (span, recorder.ended[-1]):
        assert type(readable.attributes) is MappingProxyType
        assert [type(readable.events), type(readable.links)] == [tuple, tuple]
        assert type(readable.events[0]) is sdk.Event
        assert type(readable.links[0]) is trace.Link
        assert type(readable.context) is trace.SpanContext
        assert type(readable.context.trace_flags) is trace.TraceFlags
        assert type(readable.context.trace_state) is trace.TraceState
        assert type(readable.status) is trace.Status
        assert type(readable.kind) is trace.SpanKind
        assert type(readable.resource) is Resource
        assert type(readable.instrumentation_scope) is InstrumentationScope
        assert [type(time) for time in (readable.start_time, readable.end_time)] == [int, int]


def _names(kind: type) -> list[str]:
    return [name for name in dir(kind) if not name.startswith("_")]


@pytest.mark.parametrize(
    "kind", [sdk.TracerProvider, sdk.Tracer, sdk.Span, sdk.ReadableSpan], ids=lambda k: str(k.__name__)
)
def test_public_names(kind: type, provider: sdk.TracerProvider, tracer: sdk.Tracer, recorder: Recorder) -> None:
    """Every public method is there with the SDK's parameters, every property is a property."""
    span = begin(tracer)
    span.end()
    ours = {sdk.TracerProvider: provider, sdk.Tracer: tracer, sdk.Span: span, sdk.ReadableSpan: recorder.ended[0]}[kind]
    for name in _names(kind):
        wanted, found = inspect.getattr_static(kind, name), inspect.getattr_static(type(ours), name)
        assert isinstance(found, property) == isinstance(wanted, property), name
        if inspect.isfunction(wanted):
            # Some of the SDK's methods are wrapped in (*args, **kwargs); the API says what those take.
            api = inspect.getattr_static(trace.Span, name, wanted)
            assert _parameters(getattr(ours, name)) in (_parameters(wanted)[1:], _parameters(api)[1:]), name


def _parameters(function: object) -> list[tuple[str, object, object]]:
    assert callable(function)
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


def test_instance_names(provider: sdk.TracerProvider, tracer: sdk.Tracer) -> None:
    """What provider and tracer publish as plain attributes can be read."""
    assert [tracer.sampler, tracer.resource, tracer.id_generator] == [
        provider.sampler,
        provider.resource,
        provider.id_generator,
    ]
    assert isinstance(tracer.span_processor, sdk.SynchronousMultiSpanProcessor)
    assert (tracer.instrumentation_info.name, tracer.instrumentation_info.version) == ("orders", "1.2")


def test_constructor(provider: sdk.TracerProvider) -> None:
    """The provider's constructor takes what the SDK's takes, in its order and with its defaults."""
    wanted = [p for p in _parameters(sdk.TracerProvider) if not p[0].startswith("_")]
    positional = [p for p in wanted if p[1] is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert _parameters(type(provider))[: len(positional)] == positional
    inspect.signature(type(provider)).bind(**{name: None for name, _, _ in wanted})


def test_a_span_is_an_object_like_any(tracer: sdk.Tracer) -> None:
    """A span is true, hashable by identity, and an application can hang an attribute of its own on it."""
    one, two = begin(tracer), begin(tracer)
    one.cart = 7  # type: ignore[attr-defined]
    assert bool(one)
    assert {one: 1, two: 2}[one] == 1
    assert one.cart == 7  # type: ignore[attr-defined]
    assert not hasattr(two, "cart")


def test_the_view_of_attributes_is_read_only(tracer: sdk.Tracer, recorder: Recorder) -> None:
    """Attributes cannot be changed through what a span shows, before its end or after."""
    span = begin(tracer, attributes={"a": 1})
    span.end()
    for readable in (span, recorder.ended[0]):
        with pytest.raises(TypeError):
            readable.attributes["a"] = 2  # type: ignore[index]
        assert dict(readable.attributes or {}) == {"a": 1}
