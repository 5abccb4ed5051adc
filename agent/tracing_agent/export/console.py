"""The console exporter: each local trace as an indented waterfall on stderr, once its local root has ended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.resources import Resource

    from tracing_agent.export.pipeline import Pace
    from tracing_agent.trace.span import Span

#: Spans held back for roots that have not ended; past it the oldest trace is printed as it is.
HELD = 4096
_BAR = 24


class ConsoleExporter:
    """Prints to stderr, so that the program's own output stays what it was."""

    def __init__(self, counts: bool) -> None:
        self.counts = counts
        self._traces: dict[int, list[Span]] = {}
        self._held = 0

    def export(self, spans: Sequence[Span], resource: Resource, pace: Pace) -> None:
        ended: dict[int, None] = {}
        for span in spans:
            self._traces.setdefault(span.trace.id, []).append(span)
            self._held += 1
            if type(span.up) is not int:
                ended[span.trace.id] = None
        for trace_id in ended:
            self._print(trace_id, resource)
        while self._held > HELD:
            self._print(next(iter(self._traces)), resource)
        self._resource = resource
        if self.counts:
            pace.health.succeed(len(spans))

    def flush(self) -> None:
        for trace_id in list(self._traces):
            self._print(trace_id, self._resource)

    def forget(self) -> None:
        self._traces.clear()
        self._held = 0

    def _print(self, trace_id: int, resource: Resource) -> None:
        spans = self._traces.pop(trace_id)
        self._held -= len(spans)
        text = "\n".join(waterfall(spans, str(resource.attributes.get("service.name", "")))) + "\n"
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()


def waterfall(spans: Sequence[Span], service: str) -> list[str]:
    """The spans of one trace in this process as lines of text: a head, then a line a span, children indented."""
    start = min(span._start_time for span in spans)
    end = max(span._end_time or 0 for span in spans)
    total = max(end - start, 1)
    own = {span.span_id for span in spans}
    children: dict[int, list[Span]] = {}
    for span in sorted(spans, key=lambda span: span._start_time):
        up = span.up if type(span.up) is int else 0
        children.setdefault(up if up in own else 0, []).append(span)
    lines = [
        f"trace {spans[0].trace.id:032x}  {service}  {_duration(total)}  {len(spans)} span{'s' * (len(spans) > 1)}"
    ]
    stack = [(span, 1) for span in reversed(children.get(0, []))]
    while stack:
        span, depth = stack.pop()
        left = min((span._start_time - start) * _BAR // total, _BAR - 1)
        took = (span._end_time or 0) - span._start_time
        width = max(1, min(_BAR - left, round(took * _BAR / total)))
        bar = " " * left + "=" * width + " " * (_BAR - left - width)
        lines.append(f"{'  ' * depth}{span._name:<{max(1, 44 - 2 * depth)}} |{bar}| {_duration(took):>9}{_error(span)}")
        stack += [(child, depth + 1) for child in reversed(children.get(span.span_id, []))]
    return lines


def _error(span: Span) -> str:
    if span._status.status_code.name != "ERROR":
        return ""
    kind = span._attributes.get("error.type", "")
    return f"  ERROR {kind} {span._status.description or ''}".rstrip()


def _duration(nanoseconds: int) -> str:
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1000:.0f} us"
    if nanoseconds < 10_000_000_000:
        return f"{nanoseconds / 1_000_000:.1f} ms"
    return f"{nanoseconds / 1_000_000_000:.1f} s"
