"""The way of log records out of the process: as that of spans, with a queue, a thread and words of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracing_agent.export.drain import Drain
from tracing_agent.export.notices import Losses
from tracing_agent.export.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracing_agent.trace.sketch import Sketch
    from tracing_agent.trace.span import Span


class LogDrain(Drain):
    """Records are finished when they are made: limits, names."""

    def _finished(self, items: Sequence[Span | Sketch]) -> Sequence[Span | Sketch]:
        return items


class LogPipeline(Pipeline):
    """As `Pipeline`, of `otlp_logs.Entry` objects."""

    def reset(self) -> None:
        super().reset()
        losses = Losses(self.health, self.limit, "log records", "OTEL_BLRP_MAX_QUEUE_SIZE")
        self.drain = LogDrain(self.queue, self.exporters, self.resource, self.pace, losses, self.batch, self.timeout)
