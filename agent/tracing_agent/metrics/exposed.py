"""The health of tracing under the names that operators of tracing know, for Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from tracing_agent.export.health import FULL
from tracing_agent.metrics.prometheus import Family, Sample, histogram

if TYPE_CHECKING:
    from tracing_agent.metrics.health import Numbers
    from tracing_agent.metrics.propagated import Propagated

_BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# Told from the start, as a rate does not see a series that begins at more than 0.
_REASONS = (FULL, "connection", "timeout", "rejected")


class Latency:
    """How long export requests took, in seconds, retries included."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDARIES) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """One more took so long."""
        self._counts[bisect_left(_BOUNDARIES, seconds)] += 1
        self._sum += seconds

    def samples(self) -> list[Sample]:
        """The lines of the histogram."""
        return histogram({}, _BOUNDARIES, self._counts, self._sum)


def health(numbers: Numbers, latency: Latency, propagated: Propagated) -> list[Family]:
    """Every family. Spans that a sampler left out are told apart from those that were lost."""
    lost = {**dict.fromkeys(_REASONS, 0), **numbers.failed}
    for reason, count in numbers.dropped.items():
        lost[reason] = lost.get(reason, 0) + count
    found = numbers.found

    def counter(name: str, what: str, *samples: Sample) -> Family:
        return Family(name, "counter", what, list(samples))

    def gauge(name: str, what: str, value: int) -> Family:
        return Family(name, "gauge", what, [Sample("", {}, value)])

    return [
        counter(
            "otel_span_started",
            "Spans started, by the sampler's decision",
            Sample("_total", {"sampled": "true"}, numbers.sampled),
            Sample("_total", {"sampled": "false"}, numbers.unsampled),
        ),
        counter("otel_span_ended", "Sampled spans ended", Sample("_total", {}, numbers.finished())),
        counter(
            "otel_span_status_code",
            "Sampled spans ended, by status",
            *(Sample("_total", {"code": code}, count) for code, count in numbers.ended.items()),
        ),
        counter("otel_exporter_sent_spans", "Spans exported and accepted", Sample("_total", {}, found["exported"])),
        counter(
            "otel_exporter_failed_spans",
            "Spans lost, by reason",
            *(Sample("_total", {"reason": reason}, count) for reason, count in lost.items()),
        ),
        counter(
            "otel_trace_context_propagated",
            "Contexts read from or written to a carrier",
            *(
                Sample("_total", {"direction": direction, "status": status}, count)
                for (direction, status), count in propagated.counts().items()
            ),
        ),
        gauge("otel_span_queue_depth", "Spans waiting for export", found["queued"]),
        gauge("otel_span_queue_limit", "Spans that may wait for export", found["queue_limit"]),
        Family(
            "otel_exporter_send_latency_seconds", "histogram", "Time of one export, retries included", latency.samples()
        ),
    ]
