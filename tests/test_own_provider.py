"""A program that sets up OpenTelemetry itself keeps what it set up, and nothing is doubled."""

from __future__ import annotations

import json
from pathlib import Path

from support.program import run
from support.sink import Sink

_OWN = """
import json, sys
from opentelemetry import trace
tracer = trace.get_tracer("early")
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.resources import Resource

class Own(SpanExporter):
    def export(self, spans):
        for span in spans:
            print(json.dumps([span.name, span.kind.name, span.resource.attributes["service.name"],
                              span.parent.span_id if span.parent else None, span.context.span_id]))

provider = TracerProvider(resource=Resource({"service.name": "own"}))
provider.add_span_processor(SimpleSpanProcessor(Own()))
trace.set_tracer_provider(provider)
assert trace.get_tracer_provider() is provider
import flask
app = flask.Flask("shop")

@app.get("/")
def index():
    with trace.get_tracer("late").start_as_current_span("manual"), tracer.start_as_current_span("earlier"):
        return "ok"

assert app.test_client().get("/").data == b"ok"
"""


def test_the_programs_provider_wins(tmp_path: Path, sink: Sink) -> None:
    """user-pain row 23: all spans go through its exporter, once, in one trace; we send none."""
    script = tmp_path / "app.py"
    script.write_text(_OWN)
    done = run("python", script, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, OTEL_LOG_LEVEL="info")
    assert done.returncode == 0, done.stderr
    spans = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(name, kind, service) for name, kind, service, _, _ in spans] == [
        ("earlier", "INTERNAL", "own"),
        ("manual", "INTERNAL", "own"),
        ("GET /", "SERVER", "own"),
    ]
    parents = {name: (parent, own) for name, _, _, parent, own in spans}
    assert parents["earlier"][0] == parents["manual"][1]
    assert parents["manual"][0] == parents["GET /"][1]
    assert sink.spans == []
    assert "the program set its own TracerProvider" in done.stderr
    assert len(done.stderr.splitlines()) == 2  # and who this is
