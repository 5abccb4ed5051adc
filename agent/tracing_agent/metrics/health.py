"""The health of tracing as metrics: the engine's and the exporter's own counts, read when somebody collects.

Source: semantic conventions 1.44, "OpenTelemetry SDK metrics" (development).
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import Observation

from tracing_agent.export.health import FULL, LATE, snapshot

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Sequence

    from opentelemetry.metrics import Meter
    from opentelemetry.sdk.resources import Resource

    from tracing_agent.config import Settings
    from tracing_agent.export.drain import Exporter
    from tracing_agent.export.pace import Pace
    from tracing_agent.export.pipeline import Pipeline
    from tracing_agent.metrics.started import Started
    from tracing_agent.trace.provider import TracerProvider
    from tracing_agent.trace.span import Span

    Count = tuple[int, dict[str, str]]

SCOPE = "tracing_agent.health"
_PROCESSOR = {"otel.component.type": "batching_span_processor", "otel.component.name": "batching_span_processor/0"}
_DROPPED = {FULL: "queue_full", LATE: "already_shutdown"}
_TYPES = {
    "http/protobuf": "otlp_http_span_exporter",
    "http/json": "otlp_http_json_span_exporter",
    "grpc": "otlp_grpc_span_exporter",
    "console": "console_span_exporter",
    "zipkin": "zipkin_http_span_exporter",
}


def component(settings: Settings) -> dict[str, str]:
    """The attributes that tell the exporter of spans; of several the one whose outcome is counted."""
    names = settings.exporters
    type = settings.protocol if "otlp" in names else names[0] if names else "none"
    type = _TYPES.get(type, type)
    return {"otel.component.type": type, "otel.component.name": f"{type}/0"}


class Timed:
    """An exporter of spans whose operations are timed: ``times`` gets (seconds, the error's type or "").

    Everything else of it is the exporter's own.
    """

    def __init__(self, exporter: Exporter, times: deque[tuple[float, str]]) -> None:
        self._exporter = exporter
        self._times = times

    def export(self, spans: Sequence[Span], resource: Resource, pace: Pace) -> None:
        """Send one batch."""
        failed, since, error = pace.health.failed.copy(), monotonic(), ""
        try:
            self._exporter.export(spans, resource, pace)
        except Exception as fault:
            error = type(fault).__qualname__
            raise
        finally:
            for reason, count in pace.health.failed.items():
                if count > failed.get(reason, 0):
                    error = error or reason
            self._times.append((monotonic() - since, error))

    def prepare(self) -> None:
        """As the exporter."""
        self._exporter.prepare()

    def flush(self, closing: bool) -> None:
        """As the exporter."""
        self._exporter.flush(closing)

    def forget(self) -> None:
        """As the exporter; what was timed is the parent's."""
        self._times.clear()
        self._exporter.forget()


class Numbers:
    """The counts of one moment, as the conventions split them.

    ``told`` are the spans sampled and not sampled as they were told last, and are from now on: these counts never go
    down, as a collector would take that for a new process. A span whose sampling is settled late, as it is held for
    `OTEL_PYTHON_TRACES_KEEP`, is among the sampled at first.
    """

    def __init__(
        self,
        provider: TracerProvider,
        pipeline: Pipeline,
        ended: dict[str, int],
        told: list[int],
        begun: Started,
    ) -> None:
        found = snapshot(provider, pipeline)
        self.found = found
        self.ended = ended
        self._begun = begun
        told[:] = max(told[0], found["sampled"]), max(told[1], found["started"] - found["sampled"])
        self.sampled, self.unsampled = told
        self.dropped: dict[str, int] = found["dropped"]
        self.failed: dict[str, int] = found["failed"]

    def started(self) -> list[Count]:
        """Spans begun, by where their parent is and the sampler's decision."""
        return self._begun.told()

    def finished(self) -> int:
        """Sampled spans that have ended: those meant for an exporter, if there is one."""
        return self.found["ended"] or sum(self.ended.values())

    def live(self) -> list[Count]:
        """Sampled spans that have not ended."""
        count = max(0, self.found["sampled"] - self.finished())
        return [(count, {"otel.span.sampling_result": "RECORD_AND_SAMPLE"})]

    def queued(self) -> list[Count]:
        """Spans that wait for export."""
        return [(self.found["queued"], _PROCESSOR)]

    def capacity(self) -> list[Count]:
        """How many may wait."""
        return [(self.found["queue_limit"], _PROCESSOR)]

    def processed(self) -> list[Count]:
        """Spans handed to the exporter, and those that never got there."""
        handed = self.found["exported"] + self.found["sending"] + sum(self.failed.values())
        lost = [(count, {**_PROCESSOR, "error.type": _DROPPED[reason]}) for reason, count in self.dropped.items()]
        return [(handed, _PROCESSOR), *lost]


def observe(meter: Meter, read: Callable[[], Numbers], exporter: dict[str, str]) -> None:
    """Make the instruments; ``read`` gives the numbers of the moment."""

    def inflight(numbers: Numbers) -> list[Count]:
        return [(numbers.found["sending"], exporter)]

    def exported(numbers: Numbers) -> list[Count]:
        failed = [(count, {**exporter, "error.type": reason}) for reason, count in numbers.failed.items()]
        return [(numbers.found["exported"], exporter), *failed]

    def callback(counts: Callable[[Numbers], list[Count]]) -> Any:
        def told(options: Any) -> Iterable[Observation]:
            return [Observation(count, attributes) for count, attributes in counts(read())]

        return [told]

    up_down, counter, unit = meter.create_observable_up_down_counter, meter.create_observable_counter, "{span}"
    processor = "otel.sdk.processor.span."
    counter("otel.sdk.span.started", callback(Numbers.started), unit, "The number of created spans.")
    up_down("otel.sdk.span.live", callback(Numbers.live), unit, "Sampled spans that have not ended.")
    up_down(processor + "queue.size", callback(Numbers.queued), unit, "Spans waiting for export.")
    up_down(processor + "queue.capacity", callback(Numbers.capacity), unit, "Spans that may wait for export.")
    counter(processor + "processed", callback(Numbers.processed), unit, "Spans handed to the exporter, or lost before.")
    up_down("otel.sdk.exporter.span.inflight", callback(inflight), unit, "Spans being exported.")
    counter("otel.sdk.exporter.span.exported", callback(exported), unit, "Spans exported, or lost on the way.")
