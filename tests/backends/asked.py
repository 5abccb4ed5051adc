"""Begins a root span for each line that it is given, under that name, and prints whether it was sampled."""

import sys

from opentelemetry import trace

tracer = trace.get_tracer("asked")
for line in sys.stdin:
    with tracer.start_as_current_span(line.strip()) as span:
        print(int(span.get_span_context().trace_flags.sampled), flush=True)
