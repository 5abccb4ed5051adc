"""A program that records a span of every kind, with values of every type, and prints what it recorded.

What it prints is the message that OpenTelemetry's own encoder makes of the spans, one request in JSON: the reference
that what arrived is compared with.
"""

import random
import sys

from google.protobuf.json_format import MessageToJson
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState


class Kept(SpanProcessor):
    """Keeps what ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def main() -> None:
    """Record, and print."""
    kept = Kept()
    provider = trace.get_tracer_provider()
    provider.add_span_processor(kept)  # type: ignore[attr-defined]
    tracer = trace.get_tracer("everything", "1.2.3", schema_url="https://opentelemetry.io/schemas/1.44.0")
    other = trace.get_tracer("other")
    far = SpanContext(0x1234, 0x56, True, TraceFlags(1), TraceState([("vendor", "value")]))
    remote = trace.set_span_in_context(
        trace.NonRecordingSpan(SpanContext(random.getrandbits(128), 0xDEF, True, TraceFlags(1)))
    )
    values = {
        "text": "ünïcode \U0001f600",
        "empty": "",
        "integer": -(2**62),
        "zero": 0,
        "float": 1.5,
        "true": True,
        "false": False,
        "texts": ["a", "b"],
        "integers": [1, 2, 3],
        "floats": [0.5, -0.25],
        "booleans": [True, False],
    }
    with tracer.start_as_current_span("root", context=remote, kind=SpanKind.SERVER, attributes=values):
        for kind in SpanKind:
            with other.start_as_current_span(f"kind {kind.name}", kind=kind) as span:
                span.set_attribute("kind", kind.name)
        with tracer.start_as_current_span("linked", links=[Link(far, {"why": "because"})]) as span:
            span.add_link(far)
            span.add_event("event", {"n": 1}, timestamp=1_700_000_000_000_000_000)
        with tracer.start_as_current_span("good") as span:
            span.set_status(Status(StatusCode.OK))
        try:
            with tracer.start_as_current_span("bad"):
                raise ValueError("no")
        except ValueError:
            pass
    provider.force_flush()  # type: ignore[attr-defined]
    sys.stdout.write(MessageToJson(encode_spans(kept.spans)))


if __name__ == "__main__":
    main()
