"""Prints finished traces to a stream: those that were asked for, each in one piece."""

from __future__ import annotations

import os
import shutil
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TextIO

from tracing_watch.findings import findings
from tracing_watch.model import Trace
from tracing_watch.remarks import remarks
from tracing_watch.saved import line
from tracing_watch.style import style_for
from tracing_watch.tree import Tree, grow
from tracing_watch.waterfall import waterfall

# Ids of traces that were not shown, remembered for the case that late spans change that.
HIDDEN = 10_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which traces to show; what is not set asks for nothing."""

    slower_than: float = 0.0
    """Milliseconds that the trace takes at least."""
    errors: bool = False
    service: str = ""

    def takes(self, tree: Tree) -> bool:
        spans = tree.trace.spans
        return (
            (tree.end - tree.start) / 1e6 >= self.slower_than
            and (not self.errors or any(span.failure is not None for span in spans))
            and (not self.service or any(span.process.service == self.service for span in spans))
        )


class File(Protocol):
    """Where traces are saved."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class Screen:
    """Counts what it has shown and what not. What it shows it also saves, if it was given a file for that."""

    def __init__(
        self,
        stream: TextIO,
        selection: Selection,
        full: bool,
        warn: Callable[[str], None],
        *,
        machine: bool = False,
        file: File | None = None,
    ) -> None:
        """For a ``machine`` each trace is a line of JSON; one that grows by late spans comes again, whole."""
        self._machine = machine
        self._file = file
        self._stream = stream
        self._warn = warn
        self._selection = selection
        self._full = full
        self._style = style_for(stream, os.environ)
        self._hidden: OrderedDict[str, None] = OrderedDict()
        self.gone = False
        """Nobody reads the stream any more, and nothing is written to it."""
        self.traces = 0
        self.hidden = 0
        self.left_out = 0

    def show(self, trace: Trace) -> None:
        """Prints the trace, or what is new of it since it was printed. Never raises."""
        try:
            self._show(trace)
        except OSError:
            self.gone = True
        except Exception as error:  # one trace that cannot be drawn must not cost the others
            self._warn(f"trace {trace.trace_id} could not be drawn: {type(error).__name__}: {error}")

    def _show(self, trace: Trace) -> None:
        self.left_out += trace.left_out
        again = bool(trace.shown_before)
        if trace.trace_id in self._hidden:
            trace = Trace(trace.trace_id, trace.spans, left_out=trace.left_out)
        tree = grow(trace)
        if not self._selection.takes(tree) and not trace.shown_before:
            self._hide(trace.trace_id, again)
            return
        if self._hidden.pop(trace.trace_id, True) is None:
            self.hidden -= 1
        self.traces += not trace.shown_before
        self._save(trace, tree)
        if self._machine:
            self._write(line(trace, grow(replace(trace, shown_before=frozenset()))) + "\n")
            return
        width = shutil.get_terminal_size((100, 24)).columns
        lines = waterfall(tree, width, self._style, self._full)
        if len(tree.trace.spans) > 1:
            # Of one span its own lines tell everything.
            lines += remarks(findings(tree, self._style.glyphs.micro), width, self._style)
        self._write("\n".join(["", *lines, ""]))

    def _save(self, trace: Trace, tree: Tree) -> None:
        if self._file is None:
            return
        try:
            self._file.write(line(trace, tree) + "\n")
            self._file.flush()
        except OSError as error:
            self._file = None
            self._warn(f"traces are no longer saved: {error.strerror or error}")

    def _hide(self, trace_id: str, again: bool) -> None:
        self.hidden += not again
        self._hidden[trace_id] = None
        if len(self._hidden) > HIDDEN:
            self._hidden.popitem(last=False)

    def _write(self, text: str) -> None:
        if self.gone:
            return
        # One write, so that the lines of a command that shares the terminal do not come between.
        encoding = self._stream.encoding or "ascii"
        self._stream.write(text.encode(encoding, "replace").decode(encoding))
        self._stream.flush()
