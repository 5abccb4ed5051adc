"""Empties the queue into the exporters: what the export thread does, on whatever thread that is."""

from __future__ import annotations

from _queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from tracing_agent.export.limits import Limits
from tracing_agent.faults import fault
from tracing_agent.trace.sketch import begun, drawn

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.resources import Resource

    from tracing_agent.export.notices import Losses
    from tracing_agent.export.old_names import OldNames
    from tracing_agent.export.pace import Pace
    from tracing_agent.trace.sketch import Sketch
    from tracing_agent.trace.span import Span


class Exporter(Protocol):
    """Takes batches on the export thread: of spans, and where its ``sketches`` is true of sketches as well."""

    def prepare(self) -> None:
        """Import and make what sending needs, before the first batch."""

    def export(self, spans: Sequence[Any], resource: Resource, pace: Pace) -> None:
        """Send one batch while ``pace.left()``; every span is counted on ``pace.health`` as exported or failed."""

    def flush(self, closing: bool) -> None:
        """Put out what was held back; ``closing`` if nothing comes after it."""

    def forget(self) -> None:
        """Drop connections without using them: they belong to the process that this one was forked from."""


class Drain:
    """The way from one process's queue to the exporters, in batches of ``batch``; each may take ``timeout`` seconds.

    ``since`` is when the process was forked (nanoseconds since the epoch, 0 if it was not): spans that began before are
    the parent's. ``prepared`` once everything that sending needs is imported.
    """

    def __init__(
        self,
        queue: deque[Span | Sketch],
        exporters: Sequence[Exporter],
        resource: Callable[[], Resource],
        pace: Pace,
        losses: Losses,
        batch: int,
        timeout: float,
    ) -> None:
        self.queue = queue
        self.exporters = exporters
        self.resource = resource
        self.pace = pace
        self.losses = losses
        self.batch = batch
        self.timeout = timeout
        self.health = pace.health
        self.since = 0
        self.old_names: OldNames | None = None
        self.prepared = False
        self._limits: Limits | None = None
        self._sketches = all(getattr(exporter, "sketches", False) for exporter in exporters)
        # One token: whoever has it exports.
        self._turn: SimpleQueue[None] = SimpleQueue()
        self._turn.put(None)

    def prepare(self) -> None:
        """Prepare the exporters, once."""
        if self.prepared:
            return
        for exporter in self.exporters:
            try:
                exporter.prepare()
            except Exception as error:
                fault(f"exporter {type(exporter).__name__}", error)
        self.prepared = True

    def sending(self) -> bool:
        """Whether a batch is on its way just now."""
        return self.prepared and self._turn.empty()

    def run(self, everything: bool, timeout: float = 0.0) -> bool | None:
        """Export what is queued (full batches only, unless ``everything``); whether there was anything.

        Not what is queued meanwhile: a flush ends though others go on recording. ``timeout`` seconds (0: no limit)
        may pass with each batch; and while another thread exports, after which it is None.
        """
        try:
            self._turn.get(True, timeout or None)
        except Empty:
            return None
        try:
            return self._run(everything, timeout)
        finally:
            self._turn.put(None)

    def _run(self, everything: bool, timeout: float) -> bool:
        queue, health, found = self.queue, self.health, False
        goal = health.taken + len(queue)
        while queue and (health.taken < goal if everything else len(queue) >= self.batch):
            found = True
            spans = self._take()
            self.pace.pressed = len(queue) >= self.batch
            self.pace.begin(min(timeout, self.timeout or timeout) if timeout else self.timeout)
            self._export(spans)
            self.losses.tell()
        return found

    def flush(self, closing: bool) -> None:
        """Let the exporters put out what they held back."""
        for exporter in self.exporters:
            try:
                exporter.flush(closing)
            except Exception as error:
                fault(f"exporter {type(exporter).__name__}", error)

    def _take(self) -> Sequence[Span | Sketch]:
        health, pop, since = self.health, self.queue.popleft, self.since
        # Nobody else takes from the queue meanwhile.
        count = min(self.batch, len(self.queue))
        health.version += 1
        spans = [pop() for _ in range(count)]
        health.taken += count
        if since:
            spans = [span for span in spans if begun(span) >= since]
            health.inherited += count - len(spans)
        health.version += 1
        return self._finished(spans) if spans else spans

    def _finished(self, items: Sequence[Span | Sketch]) -> Sequence[Span | Sketch]:
        """Spans with what is done to them on their way out, rather than while the program waits.

        Sketches stay what they are where nothing is to be done to them and all exporters take them.
        """
        try:
            limits = self._limits_of(items[0])
            if self.old_names is not None or not (limits.wide and self._sketches):
                items = drawn(items)
            limits.apply(items)
            if self.old_names is not None:
                self.old_names.apply(items)  # type: ignore[arg-type]
        except Exception as error:
            fault("the limits of attributes", error)
        return items

    def _limits_of(self, item: Span | Sketch) -> Limits:
        limits = (item[0] if type(item) is tuple else item.origin).engine.limits  # type: ignore[union-attr]
        if self._limits is None or self._limits.limits is not limits:
            self._limits = Limits(limits)
        return self._limits

    def _export(self, spans: Sequence[Span | Sketch]) -> None:
        failure = "no exporter took them"
        for exporter in self.exporters:
            try:
                exporter.export(spans, self.resource(), self.pace)
            except Exception as error:
                failure = repr(error)
                fault(f"exporter {type(exporter).__name__}", error)
        unknown = self.health.sending()
        if unknown > 0:
            self.health.fail(unknown, "exporter fault", failure)
