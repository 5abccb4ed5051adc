"""The SDK's own processors and exporters over spans of either provider."""

from __future__ import annotations

import io
import json
from os import linesep
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision

from contract.probes import Decider, begin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import TracerProvider

    from contract.conftest import ProviderFactory


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Keeps what is exported."""
    return InMemorySpanExporter()


def names(exporter: InMemorySpanExporter) -> list[str]:
    """The names of the exported spans, in their order."""
    return [span.name for span in exporter.get_finished_spans()]


def test_simple(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    """A simple processor exports each span when it ends."""
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("orders")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner", attributes={"a": 1}):
        assert names(exporter) == []
    assert names(exporter) == ["inner", "outer"]
    inner, outer = exporter.get_finished_spans()
    assert (inner.parent, inner.attributes, outer.parent) == (outer.context, {"a": 1}, None)


def test_batch(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    """A batch processor exports in order when flushed, and what is left when shut down."""
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=3_600_000))
    tracer = provider.get_tracer("orders")
    for number in range(700):
        begin(tracer, str(number)).end()
    assert provider.force_flush() is True
    assert names(exporter) == [str(number) for number in range(700)]
    begin(tracer, "last").end()
    provider.shutdown()
    assert names(exporter)[700:] == ["last"]


@pytest.mark.parametrize(("decision", "exported"), [(Decision.RECORD_ONLY, 0), (Decision.RECORD_AND_SAMPLE, 1)])
def test_only_sampled_spans(
    provider_factory: ProviderFactory, exporter: InMemorySpanExporter, decision: Decision, exported: int
) -> None:
    """Of recorded spans only the sampled ones are exported."""
    provider = provider_factory(sampler=Decider(decision))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    begin(provider.get_tracer("orders")).end()
    provider.force_flush()
    assert names(exporter) == ["work"] * 2 * exported


def test_console(provider: TracerProvider) -> None:
    """The console exporter prints each span's JSON and a line's end."""
    out = io.StringIO()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=out)))
    span = begin(provider.get_tracer("orders"), attributes={"a": 1})
    span.end()
    assert out.getvalue() == span.to_json() + linesep
    assert json.loads(out.getvalue())["name"] == "work"


class Failing(SpanExporter):
    """An exporter that raises."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        raise RuntimeError("no network")


def test_an_exporter_that_fails(provider: TracerProvider, logged: Callable[[], list[str]]) -> None:
    """An exporter's exception is logged by its processor and goes no further."""
    provider.add_span_processor(SimpleSpanProcessor(Failing()))
    begin(provider.get_tracer("orders")).end()
    assert logged() == ["ERROR"]


def test_an_exporter_of_the_application(provider: TracerProvider) -> None:
    """An exporter gets a sequence of readable spans."""
    seen: list[object] = []

    class Looking(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            seen.extend([len(spans), spans[0].name, isinstance(spans[0], ReadableSpan)])
            return SpanExportResult.SUCCESS

    provider.add_span_processor(SimpleSpanProcessor(Looking()))
    begin(provider.get_tracer("orders")).end()
    assert seen == [1, "work", True]


def test_spans_after_shutdown(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    """After the provider's shutdown spans go nowhere, without an exception."""
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("orders")
    begin(tracer).end()
    provider.shutdown()
    exported = names(exporter)
    begin(tracer, "late").end()
    assert exported.count("work") >= 1
    assert names(exporter) == exported
