"""The console exporter: each local trace as an indented waterfall on stderr, once its local root has ended."""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tracing_agent.export.values import text, unsigned

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.sdk.resources import Resource

    from tracing_agent.export.pace import Pace
    from tracing_agent.trace.span import Span

#: Spans held back for roots that have not ended, past it the oldest trace is printed as it is; and printed spans that
#: are remembered, so that children which end later are told from those whose parent is still to come.
HELD = 4096
_BAR = 24
# The labels' column: as wide as its longest label, in these bounds.
_COLUMN, _WIDEST = 44, 72
#: What goes out, and what comes from a queue; a server's and an internal span stand for themselves.
_DIRECTIONS = {"CLIENT": "> ", "PRODUCER": ">> ", "CONSUMER": "<< "}


class ConsoleExporter:
    """Prints to stderr, so that the program's own output stays what it was."""

    def __init__(self, counts: bool) -> None:
        self.counts = counts
        self.forget()

    def prepare(self) -> None:
        pass

    def export(self, spans: Sequence[Span], resource: Resource, pace: Pace) -> None:
        stream = sys.stderr
        if stream is None or getattr(stream, "closed", False):
            if self.counts:
                pace.health.fail(len(spans), "console", "stderr is closed")
            return
        self._service = text(resource.attributes.get("service.name"))
        for span in spans:
            held = self._traces.setdefault(span.trace.id, {})
            self._held += span.span_id not in held
            held[span.span_id] = span
        for trace_id in dict.fromkeys(span.trace.id for span in spans):
            self._print_ended(trace_id)
        while self._held > HELD:
            self._print_rest(next(iter(self._traces)))
        if self.counts:
            pace.health.succeed(len(spans))

    def flush(self, closing: bool) -> None:
        if closing:
            for trace_id in list(self._traces):
                self._print_rest(trace_id)

    def forget(self) -> None:
        self._traces: dict[int, dict[int, Span]] = {}
        self._held = 0
        self._printed: OrderedDict[int, None] = OrderedDict()
        self._service = ""

    def _print_ended(self, trace_id: int) -> None:
        """Print below each ended local root what belongs to it; then what belongs to spans that were printed before."""
        spans = self._traces[trace_id]
        children: dict[int, list[Span]] = {}
        roots, late = [], []
        for span in spans.values():
            if type(span.up) is not int:
                roots.append(span)
            elif span.up in self._printed:
                late.append(span)
            else:
                children.setdefault(span.up, []).append(span)
        for root in roots:
            self._print(trace_id, _below([root], children), "")
        if late:
            self._print(trace_id, _below(late, children), "late")

    def _print_rest(self, trace_id: int) -> None:
        self._print(trace_id, list(self._traces[trace_id].values()), "unfinished")

    def _print(self, trace_id: int, spans: Sequence[Span], remark: str) -> None:
        held = self._traces[trace_id]
        for span in spans:
            del held[span.span_id]
            self._printed[span.span_id] = None
        self._held -= len(spans)
        if not held:
            del self._traces[trace_id]
        while len(self._printed) > HELD:
            self._printed.popitem(last=False)
        _write("\n".join(waterfall(spans, self._service, remark)) + "\n")


def waterfall(spans: Sequence[Span], service: str, remark: str = "") -> list[str]:
    """The spans of one trace in this process as lines of text: a head, then a line a span, children indented."""
    starts = {span.span_id: unsigned(span._start_time, 64) for span in spans}
    start = min(starts.values())
    total = max(max(unsigned(span._end_time, 64) for span in spans) - start, 1)
    children: dict[int, list[Span]] = {}
    for span in sorted(spans, key=lambda span: starts[span.span_id]):
        children.setdefault(span.up if type(span.up) is int and span.up in starts else 0, []).append(span)
    head = f"trace {spans[0].trace.id:032x}  {service}  {_duration(total)}  {len(spans)} span{'s' * (len(spans) > 1)}"
    rows = []
    stack = [(span, 1) for span in reversed(children.get(0, []))]
    while stack:
        span, depth = stack.pop()
        took = max(0, unsigned(span._end_time, 64) - starts[span.span_id])
        left = min((starts[span.span_id] - start) * _BAR // total, _BAR - 1)
        width = max(1, min(_BAR - left, round(took * _BAR / total)))
        bar = f"{' ' * left}{'=' * width}".ljust(_BAR)
        rows.append(("  " * depth + _printable(_label(span)), f"|{bar}| {_duration(took):>9}{_error(span)}"))
        stack += [(child, depth + 1) for child in reversed(children.get(span.span_id, []))]
    column = min(max(_COLUMN, *(len(label) for label, _ in rows)), _WIDEST)
    return [head + (f"  ({remark})" if remark else ""), *(f"{label:<{column}} {rest}" for label, rest in rows)]


def _below(tops: Iterable[Span], children: dict[int, list[Span]]) -> list[Span]:
    """``tops`` and all spans below them."""
    found = []
    stack = list(tops)
    while stack:
        span = stack.pop()
        found.append(span)
        stack += children.pop(span.span_id, ())
    return found


def _write(output: str) -> None:
    try:
        try:
            sys.stderr.write(output)
        except UnicodeError:
            sys.stderr.write(output.encode("ascii", "backslashreplace").decode())
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # closed, full, or taken away meanwhile: there is nobody to tell


def _printable(name: str) -> str:
    """One line, without what would move a terminal's cursor."""
    if name.isprintable():
        return name
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)


def _label(span: Span) -> str:
    """Its direction and name, and what the viewer of `tracing-run watch` tells: status, address called, database."""
    direction = span.kind.name
    found = span._attributes.get
    parts = [text(span._name), _status(span)]
    if direction == "CLIENT":
        parts.append(_address(text(found("url.full"))))
    parts.append(text(found("db.system.name")))
    return _DIRECTIONS.get(direction, "") + " ".join(part for part in parts if part)


def _status(span: Span) -> str:
    return text(span._attributes.get("http.response.status_code"))


def _address(url: str) -> str:
    """Host, port and path: credentials and query strings are nobody's business on a screen."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts.netloc.rpartition("@")[2] + parts.path


def _error(span: Span) -> str:
    if span._status.status_code.name != "ERROR":
        return ""
    kind = text(span._attributes.get("error.type"))
    told = ["  ERROR", kind if kind != _status(span) else "", text(span._status.description)]
    return _printable(" ".join(part for part in told if part))


def _duration(nanoseconds: int) -> str:
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1000:.0f} us"
    if nanoseconds < 10_000_000_000:
        return f"{nanoseconds / 1_000_000:.1f} ms"
    return f"{nanoseconds / 1_000_000_000:.1f} s"
