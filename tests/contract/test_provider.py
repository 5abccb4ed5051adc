"""The provider: resource, flush and shutdown, the global one, and what it is asked to measure of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.util._once import Once

from contract.probes import Recorder, begin, below, identity
from contract.versions import OWN_METRICS, PATIENT_FLUSH

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import Tracer, TracerProvider

    from contract.conftest import ProviderFactory


def test_resource(provider_factory: ProviderFactory) -> None:
    """Provider, tracers and spans have the very resource that was given."""
    resource, recorder = Resource({"service.name": "cart"}, "https://example.org/schema"), Recorder()
    provider = provider_factory(resource=resource)
    provider.add_span_processor(recorder)
    tracer: Any = provider.get_tracer("orders")
    span = begin(tracer)
    span.end()
    assert all(
        one is resource for one in (provider.resource, tracer.resource, span.resource, recorder.ended[0].resource)
    )


def test_default_resource(provider_factory: ProviderFactory) -> None:
    """Without a resource the SDK's default is taken."""
    assert provider_factory(resource=None).resource == Resource.create({})


def test_resource_from_the_environment(provider_factory: ProviderFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default resource has the service's name and attributes from the environment."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "cart")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=blue,service.name=other")
    attributes = provider_factory(resource=None).resource.attributes
    assert (attributes["service.name"], attributes["team"]) == ("cart", "blue")


def test_flush_of_nobody(provider_factory: ProviderFactory) -> None:
    """Without processors there is nothing to flush: True, whatever the time-out."""
    provider = provider_factory()
    assert [provider.force_flush(), provider.force_flush(0)] == [True, True]


def test_flush(provider: TracerProvider, recorder: Recorder) -> None:
    """A flush reaches each processor with what is left of the time-out, in milliseconds."""
    second = Recorder()
    provider.add_span_processor(second)
    assert provider.force_flush() is True
    assert provider.force_flush(timeout_millis=7000) is True
    for default, given in (recorder.flush_timeouts, second.flush_timeouts):
        assert 20_000 < default <= 30_000
        assert 5_000 < given <= 7_000


def test_flush_without_time(provider: TracerProvider, recorder: Recorder) -> None:
    """Without time no processor is flushed, and the answer is False."""
    assert provider.force_flush(0) is False
    assert recorder.log == []


class Answering(Recorder):
    """A processor whose flush gives a fixed answer."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        super().force_flush(timeout_millis)
        result: bool = self.answer
        return result


def test_failed_flush(provider: TracerProvider) -> None:
    """One processor's False is the answer; the ones after it are flushed all the same since SDK 1.42."""
    failing, last = Answering(False), Recorder()
    provider.add_span_processor(failing)
    provider.add_span_processor(last)
    assert provider.force_flush() is False
    assert [len(one.flush_timeouts) for one in (failing, last)] == [1, int(PATIENT_FLUSH)]


def test_flush_that_says_nothing(provider: TracerProvider) -> None:
    """A processor that answers None has flushed, since SDK 1.42."""
    provider.add_span_processor(Answering(None))
    assert provider.force_flush() is PATIENT_FLUSH


def test_flush_of_the_interface(provider: TracerProvider) -> None:
    """A processor that does not define force_flush counts as flushed, since SDK 1.42."""
    provider.add_span_processor(SpanProcessor())
    assert provider.force_flush() is PATIENT_FLUSH


def test_shutdown(provider: TracerProvider, recorder: Recorder) -> None:
    """A shutdown reaches each processor, in their order, and gives nothing."""
    log = recorder.log
    provider.add_span_processor(Recorder("second", log))
    shutdown: Any = provider.shutdown
    assert shutdown() is None
    assert log == [("recorder", "shutdown"), ("second", "shutdown")]


def test_after_shutdown(provider: TracerProvider, recorder: Recorder) -> None:
    """After a shutdown tracers, old and new, go on, and processors see their spans."""
    before = provider.get_tracer("before")
    provider.shutdown()
    for tracer in (before, provider.get_tracer("after")):
        begin(tracer).end()
    assert [span.name for span in recorder.ended] == ["work"] * 2
    assert provider.force_flush() is True


def test_shutdown_again(provider: TracerProvider) -> None:
    """A second shutdown is harmless."""
    provider.shutdown()
    provider.shutdown()
    assert begin(provider.get_tracer("orders")).is_recording()


@pytest.mark.parametrize("kind", [SynchronousMultiSpanProcessor, ConcurrentMultiSpanProcessor])
def test_given_multi_processor(provider_factory: ProviderFactory, kind: Any) -> None:
    """Spans go through the multi processor that was given, to processors added to it and to the provider."""
    multi, one, two = kind(), Recorder(), Recorder()
    multi.add_span_processor(one)
    provider = provider_factory(active_span_processor=multi)
    provider.add_span_processor(two)
    tracer: Any = provider.get_tracer("orders")
    assert tracer.span_processor is multi
    begin(tracer).end()
    assert provider.force_flush() is True
    provider.shutdown()
    for recorder in (one, two):
        assert [name for _, name in recorder.log] == ["on_start", "on_end", "force_flush", "shutdown"]
        assert [span.name for span in recorder.ended] == ["work"]


@pytest.mark.skipif(not OWN_METRICS, reason="came with SDK 1.42")
def test_own_metrics(provider_factory: ProviderFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked to, a provider counts started and live spans on the given meter provider."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    tracer = provider_factory(meter_provider=meters).get_tracer("orders")
    unsampled = provider_factory(meter_provider=meters, sampler=ALWAYS_OFF).get_tracer("orders")
    begin(tracer)
    begin(tracer, context=below(identity())).end()
    unsampled.start_span("work").end()
    assert _numbers(reader) == {
        ("otel.sdk.span.started", "none", "RECORD_AND_SAMPLE"): 1,
        ("otel.sdk.span.started", "remote", "RECORD_AND_SAMPLE"): 1,
        ("otel.sdk.span.started", "none", "DROP"): 1,
        ("otel.sdk.span.live", None, "RECORD_AND_SAMPLE"): 1,
    }


def _numbers(reader: InMemoryMetricReader) -> dict[tuple[str, object, object], object]:
    data: Any = reader.get_metrics_data()
    return {
        (
            metric.name,
            point.attributes.get("otel.span.parent.origin"),
            point.attributes.get("otel.span.sampling_result"),
        ): point.value
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


@pytest.mark.skipif(not OWN_METRICS, reason="came with SDK 1.42")
def test_no_metrics_unasked(provider_factory: ProviderFactory) -> None:
    """Unasked it counts nothing on the meter provider."""
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    begin(provider_factory(meter_provider=meters).get_tracer("orders")).end()
    assert reader.get_metrics_data() is None


# -- the global provider ------------------------------------------------------------------------------------------


@pytest.fixture
def no_global(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process in which no provider has been set; put back afterwards."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())


@pytest.mark.usefixtures("no_global")
def test_as_the_global_provider(provider: TracerProvider, recorder: Recorder) -> None:
    """Set as the global provider it is found by the API, as are its tracers."""
    trace.set_tracer_provider(provider)
    assert trace.get_tracer_provider() is provider
    with trace.get_tracer("orders", "1").start_as_current_span("work"):
        pass
    assert [span.name for span in recorder.ended] == ["work"]


@pytest.mark.usefixtures("no_global")
def test_tracers_from_before(provider: TracerProvider, recorder: Recorder) -> None:
    """A tracer that a module took before there was a provider, and a decorator made with it, work from then on."""
    early = trace.get_tracer("orders", "1", schema_url="https://example.org/s")

    @early.start_as_current_span("decorated")
    def work() -> None:
        pass

    assert not early.start_span("nothing").is_recording()
    trace.set_tracer_provider(provider)
    early.start_span("work").end()
    work()
    assert [span.name for span in recorder.ended] == ["work", "decorated"]
    scope = recorder.ended[0].instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.version, scope.schema_url) == ("orders", "1", "https://example.org/s")


@pytest.mark.usefixtures("no_global")
def test_only_one_global_provider(provider_factory: ProviderFactory, logged: Callable[[], list[str]]) -> None:
    """A second provider does not replace the first, and is a warning."""
    first, second = provider_factory(), provider_factory()
    trace.set_tracer_provider(first)
    trace.set_tracer_provider(second)
    assert trace.get_tracer_provider() is first
    assert logged() == ["WARNING"]


def test_beside_a_global_provider(tracer: Tracer) -> None:
    """A provider that is not the global one works; its spans are parents to anybody's."""
    with tracer.start_as_current_span("work") as span:
        assert trace.get_current_span() is span
