"""Limits hold for what instrumentations write directly, as they hold for what is set through the API."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.trace import SpanKind

from export.pipelines import Kept, exporting
from support.program import run
from support.sink import Sink
from tracing_agent.operation import Operation
from tracing_agent.trace.begin import beginner

CONSTANT = {"db.system.name": "redis", "network.transport": "tcp"}
VALUES: dict[str, Any] = {
    "db.query.text": "GET some-key",
    "server.port": 6379,
    "list": ("longer than five", "b"),
    "short": "ab",
}


def by_the_sdk(limits: SpanLimits) -> tuple[dict[str, Any], int]:
    """What the SDK's own span keeps of the same attributes."""
    span: Any = TracerProvider(span_limits=limits, shutdown_on_exit=False).get_tracer("a").start_span("a")
    for key, value in {**CONSTANT, **VALUES}.items():
        span.set_attribute(key, value)
    span.end()
    return dict(span.attributes), span.dropped_attributes


@pytest.mark.parametrize("count", [None, 0, 1, 3, 4, 5, 6, 128])
@pytest.mark.parametrize("length", [None, 0, 5, 9, 1000])
def test_as_the_sdk(count: int | None, length: int | None) -> None:
    """A span of an instrumentation with constants and values keeps what the SDK's span keeps, and counts the rest."""
    limits = SpanLimits(
        max_span_attributes=SpanLimits.UNSET if count is None else count,
        max_span_attribute_length=SpanLimits.UNSET if length is None else length,
    )
    kept = Kept()
    with exporting(kept, limits=limits) as running:
        begin = beginner(running.provider.engine, Operation("redis", "GET", SpanKind.CLIENT, CONSTANT))
        for _ in range(2):
            span: Any = begin()
            span.values.update(VALUES)
            span.origin.finish(span)
        running.pipeline.flush(5)
    ((first, second),) = kept.batches
    wanted, dropped = by_the_sdk(limits)
    for span in (first, second):
        assert {
            key: value if type(value) is not list else tuple(value) for key, value in span.attributes.items()
        } == wanted
        assert span.dropped_attributes == dropped
    assert CONSTANT == {"db.system.name": "redis", "network.transport": "tcp"}


def test_untouched_without_limits() -> None:
    """Within the limits a span is not touched: the same dictionary, the same origin."""
    kept = Kept()
    with exporting(kept) as running:
        begin = beginner(running.provider.engine, Operation("redis", "GET", SpanKind.CLIENT, CONSTANT))
        span: Any = begin()
        values, origin = span.values, span.origin
        values.update(VALUES)
        span.origin.finish(span)
        running.pipeline.flush(5)
    assert span.values is values and span.origin is origin


@pytest.mark.process
def test_by_environment(sink: Sink, tmp_path: Any) -> None:
    """OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT and _COUNT_LIMIT cut a Flask span on its way out."""
    program = tmp_path / "app.py"
    program.write_text(
        "import flask\n"
        "app = flask.Flask('a')\n"
        "app.get('/items/<int:item>')(lambda item: 'x')\n"
        "app.test_client().get('/items/1')\n"
    )
    done = run(
        sys.executable,
        program,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
        OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT="4",
        OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="5",
    )
    assert (done.returncode, done.stderr) == (0, "")
    (span,) = sink.wait(len)
    assert len(span["attributes"]) == 5
    assert all(len(value) <= 4 for value in span["attributes"].values() if isinstance(value, str))
