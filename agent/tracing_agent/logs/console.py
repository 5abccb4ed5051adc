"""The console exporter of log records: a line each on stderr, and the exception's below it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tracing_agent.export.values import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.resources import Resource

    from tracing_agent.export.otlp_logs import Entry
    from tracing_agent.export.pace import Pace

_TRACE = "exception.stacktrace"


class ConsoleExporter:
    """Prints to stderr, so that the program's own output stays what it was."""

    def __init__(self, counts: bool) -> None:
        self.counts = counts

    def prepare(self) -> None:
        pass

    def export(self, spans: Sequence[Any], resource: Resource, pace: Pace) -> None:
        try:
            lines = "".join(line(entry) for entry in spans)
            sys.stderr.write(lines.encode("utf-8", "replace").decode())
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError) as error:
            # Closed, full, or taken away meanwhile: there is nobody to tell.
            if self.counts:
                pace.health.fail(len(spans), "console", str(error))
            return
        if self.counts:
            pace.health.succeed(len(spans))

    def flush(self, closing: bool) -> None:
        pass

    def forget(self) -> None:
        pass


def line(entry: Entry) -> str:
    """``log LEVEL logger: body [trace:span] key=value …`` with a line break, and the stack trace in further ones."""
    where = f" [{entry.trace_id:032x}:{entry.span_id:016x}]" if entry.trace_id else ""
    shown = "".join(f" {key}={value}" for key, value in entry.attributes.items() if key != _TRACE)
    stack = text(entry.attributes.get(_TRACE)).rstrip()
    first = f"log {entry.level} {text(entry.scope.name)}: {entry.body}{where}{shown}".replace("\n", "\\n")
    return "\n    ".join([first, *stack.splitlines()]) + "\n"
