"""Traces of known kinds over two services: `front` makes them and prints their contexts, `back` continues them."""

import sys
import time

from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

SECOND = 1_000_000_000
#: How many traces of each kind.
COUNTS = {"error": 50, "slow": 50, "health": 100, "rest": 800}


def front() -> None:
    """One trace a line: kind and traceparent."""
    tracer = trace.get_tracer("front")
    for kind, count in COUNTS.items():
        for _ in range(count):
            path = "/healthz" if kind == "health" else "/orders"
            now = time.time_ns()
            span = tracer.start_span(f"GET {path}", kind=SpanKind.SERVER, start_time=now, attributes={"url.path": path})
            span.set_attribute("test.kind", kind)
            carrier: dict[str, str] = {}
            propagate.inject(carrier, trace.set_span_in_context(span))
            span.end(now + (2 * SECOND if kind == "slow" else SECOND // 100))
            print(kind, carrier["traceparent"])


def back() -> None:
    """The other half of each trace; health checks end at the first service."""
    tracer = trace.get_tracer("back")
    for line in sys.stdin:
        kind, traceparent = line.split()
        if kind == "health":
            continue
        now = time.time_ns()
        context = propagate.extract({"traceparent": traceparent})
        span = tracer.start_span("GET /stock", context, SpanKind.SERVER, start_time=now)
        if kind == "error":
            span.set_status(Status(StatusCode.ERROR, "out of stock"))
        span.end(now + SECOND // 200)


if __name__ == "__main__":
    {"front": front, "back": back}[sys.argv[1]]()
