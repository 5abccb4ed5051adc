"""Counts of started spans, also where it is known only later whether they are sampled, or whether there are any."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import sampling
from opentelemetry.trace import SpanKind, StatusCode

from metrics.conftest import Make
from metrics.exposed import Measured
from support.recorder import Recorder
from tracing_agent.config import Settings
from tracing_agent.operation import Operation
from tracing_agent.propagation.remote import Remote
from tracing_agent.sampling.before import before
from tracing_agent.sampling.kept import Keeper, KeepingEngine
from tracing_agent.trace.begin import admit, beginner, enter, leave, receiver, withdraw

STARTED = "otel_span_started_total"
TRACE, UP = 7, 8
CALL = Operation("test", "work")
REQUEST = Operation("test", "work", SpanKind.SERVER)


class ByName(sampling.Sampler):
    """Decides by the name of the span."""

    def should_sample(
        self, context: Any, trace_id: int, name: str, *given: Any, **more: Any
    ) -> sampling.SamplingResult:
        return sampling.SamplingResult(sampling.Decision[name])

    def get_description(self) -> str:
        return "by name"


def told(metrics: Measured) -> dict[tuple[str, str], int]:
    """What the conventions' counter tells now: by the parent's origin and the sampling result, without zeros."""
    metrics.scraped()
    found: Any = metrics.metrics._reader.get_metrics_data()
    return {
        (point.attributes["otel.span.parent.origin"], point.attributes["otel.span.sampling_result"]): point.value
        for resource in found.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "otel.sdk.span.started"
        for point in metric.data.data_points
        if point.value
    }


def since(before: dict[tuple[str, str], int], now: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """What was added."""
    return {key: count - before.get(key, 0) for key, count in now.items() if count != before.get(key, 0)}


def current(recorder: Recorder, parent: str, sampled: bool) -> Any:
    """Make a parent the current one."""
    if parent == "remote":
        flags = trace.TraceFlags(int(sampled))
        return enter(trace.NonRecordingSpan(trace.SpanContext(TRACE, UP, True, flags)))  # type: ignore[arg-type]
    if parent == "local operation":
        found: Any = beginner(recorder.engine, CALL)()
        return enter(found)
    if parent == "other provider":
        flags = trace.TraceFlags(int(sampled))
        return enter(trace.NonRecordingSpan(trace.SpanContext(TRACE, UP, False, flags)))  # type: ignore[arg-type]
    return enter(recorder.tracer.start_span("above")) if parent == "local" else None


@pytest.mark.parametrize("way", ["api", "operation", "request"])
@pytest.mark.parametrize("sampled", [True, False])
@pytest.mark.parametrize("parent", ["none", "local", "local operation", "other provider", "remote"])
def test_origins(measured: Make, parent: str, sampled: bool, way: str) -> None:
    """A span is counted once, by where its parent is and by what was decided, whoever begins it."""
    recorder, metrics = measured(sampling.DEFAULT_ON if sampled else sampling.DEFAULT_OFF)
    token = current(recorder, parent, sampled)
    before = told(metrics)
    if way == "api":
        recorder.tracer.start_span("work").end()
    elif way == "operation":
        found: Any = beginner(recorder.engine, CALL)()
        found.origin.finish(found)
    else:
        # What came with the request is not yet current.
        received = Remote(TRACE, UP, int(sampled)) if parent == "remote" else None
        if token is not None and received is not None:
            leave(token)
            token = None
        found = receiver(recorder.engine, REQUEST)(received)
        found.origin.finish(found)
    if token is not None:
        leave(token)
    origin = {"none": "none", "remote": "remote"}.get(parent, "local")
    assert since(before, told(metrics)) == {(origin, "RECORD_AND_SAMPLE" if sampled else "DROP"): 1}


@pytest.mark.parametrize("way", ["api", "operation"])
@pytest.mark.parametrize("result", ["DROP", "RECORD_ONLY", "RECORD_AND_SAMPLE"])
@pytest.mark.parametrize("parent", ["none", "local", "remote"])
def test_asked_sampler(measured: Make, parent: str, result: str, way: str) -> None:
    """What a sampler says that is asked when a span is described counts as it says, recorded only included."""
    recorder, metrics = measured(ByName())
    name = {"local": "RECORD_AND_SAMPLE"}.get(parent)
    token = enter(recorder.tracer.start_span(name)) if name else current(recorder, parent, True)
    before = told(metrics)
    if way == "api":
        recorder.tracer.start_span(result)
    else:
        found: Any = beginner(recorder.engine, CALL)()
        found.update_name(result)
        admit(recorder.engine, found)
    if token is not None:
        leave(token)
    assert since(before, told(metrics)) == {(parent, result): 1}


def test_rules(measured: Make) -> None:
    """What the owner's rule drops once it is described counts as dropped, where its parent is."""
    settings = Settings({"OTEL_PYTHON_TRACES_RULES": "drop parent:any name:work"}).sampling
    recorder, metrics = measured(before(settings, sampling.DEFAULT_ON))
    for came in (None, Remote(TRACE, UP, 1)):
        for name in ("work", "other", "other"):
            found: Any = receiver(recorder.engine, REQUEST)(came)
            found.update_name(name)
            admit(recorder.engine, found)
    recorder.tracer.start_span("work")
    assert told(metrics) == {
        ("none", "DROP"): 2,
        ("none", "RECORD_AND_SAMPLE"): 2,
        ("remote", "DROP"): 1,
        ("remote", "RECORD_AND_SAMPLE"): 2,
    }


@pytest.mark.parametrize("sampled", [True, False])
def test_withdrawn(measured: Make, sampled: bool) -> None:
    """What began and came to nothing is not told, and after it was told the next one makes up for it."""
    recorder, metrics = measured(sampling.DEFAULT_ON if sampled else sampling.DEFAULT_OFF)
    begin, key = beginner(recorder.engine, CALL), ("none", "RECORD_AND_SAMPLE" if sampled else "DROP")
    withdraw(recorder.engine, begin())
    assert told(metrics) == {}
    begun = begin()
    assert told(metrics) == {key: 1}
    withdraw(recorder.engine, begun)
    assert told(metrics) == {key: 1}
    begin()
    assert told(metrics) == {key: 1}
    begin()
    assert told(metrics) == {key: 2}


def test_later_sampler(measured: Make) -> None:
    """Tracers made after the program replaced the sampler count by that one."""
    recorder, metrics = measured()
    recorder.tracer.start_span("work")
    recorder.provider.sampler = sampling.ALWAYS_OFF
    recorder.provider.get_tracer("later").start_span("work")
    assert told(metrics) == {("none", "RECORD_AND_SAMPLE"): 1, ("none", "DROP"): 1}


def test_forked() -> None:
    """A forked child counts from nothing, and nothing for what began before it."""
    recorder = Recorder()
    metrics = Measured(recorder.provider)
    first: Any = beginner(recorder.engine, CALL)()
    recorder.tracer.start_span("work")
    assert told(metrics) == {("none", "RECORD_AND_SAMPLE"): 2}
    recorder.provider.forked()
    metrics.metrics.forked()
    metrics.metrics.intake.started = True
    withdraw(recorder.engine, first)
    assert told(metrics) == {}
    recorder.tracer.start_span("work")
    assert told(metrics) == {("none", "RECORD_AND_SAMPLE"): 1}


@pytest.mark.parametrize("kept", [True, False])
def test_held(kept: bool) -> None:
    """What was held counts, each by its own parent, as it is settled: the spans of a trace that is kept are sampled."""
    keeper = Keeper(True, None, 9, 1)
    recorder = Recorder(sampling.DEFAULT_OFF, made=lambda **given: KeepingEngine(keeper, **given))
    metrics = Measured(recorder.provider)
    root: Any = receiver(recorder.engine, REQUEST)(Remote(TRACE, UP, 0))
    token = enter(root)
    for _ in range(3):
        recorder.tracer.start_span("work").end()
    leave(token)
    if kept:
        root.set_status(StatusCode.ERROR)
    root.origin.finish(root)
    if kept:
        # Only one besides the root is held.
        expected = {("remote", "RECORD_AND_SAMPLE"): 1, ("local", "RECORD_AND_SAMPLE"): 1, ("local", "DROP"): 2}
    else:
        expected = {("remote", "DROP"): 1, ("local", "DROP"): 3}
    assert told(metrics) == expected


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
