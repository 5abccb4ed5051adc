"""Counts of started spans, where it is known only later whether they are sampled."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import sampling
from opentelemetry.trace import StatusCode

from metrics.exposed import Measured
from support.recorder import Recorder
from tracing_agent.sampling.kept import Keeper, KeepingEngine

STARTED = "otel_span_started_total"


@pytest.mark.parametrize("kept", [True, False])
def test_counts_do_not_go_down(kept: bool) -> None:
    """While a span is held, and when it is kept or dropped, neither the sampled nor the others become fewer: a scraper
    would take that for a new process, and count all of them again.
    """
    keeper = Keeper(True, None, 9, 9)
    recorder = Recorder(sampling.DEFAULT_OFF, made=lambda **given: KeepingEngine(keeper, **given))
    metrics = Measured(recorder.provider)
    seen = []
    for _ in range(3):
        span = recorder.tracer.start_span("work")
        seen.append(metrics.scraped())
        if kept:
            span.set_status(StatusCode.ERROR)
        span.end()
        seen.append(metrics.scraped())
    told = [[found.value(STARTED, sampled=sampled) for sampled in ("true", "false")] for found in seen]
    if kept:
        assert told == [[1, 0], [1, 0], [2, 0], [2, 0], [3, 0], [3, 0]]
    else:
        # The one that is held counts as sampled, and that it was not is made up for by the next one.
        assert told == [[1, 0], [1, 1], [1, 1], [1, 2], [1, 2], [1, 3]]
