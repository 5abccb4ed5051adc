"""Pipelines in this process, over exporters that keep, stall or refuse; all ended when the test is."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits

from tracing_agent.config import Settings
from tracing_agent.export.health import snapshot
from tracing_agent.export.pace import Pace
from tracing_agent.export.pipeline import Pipeline
from tracing_agent.trace.provider import TracerProvider

RESOURCE = Resource({"service.name": "test"})


class Kept:
    """Keeps what it is given; ``open`` false stalls it in the middle of an export."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.threads: set[int] = set()
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.flushes: list[bool] = []
        self.forgotten = self.prepared = 0

    def prepare(self) -> None:
        self.prepared += 1

    def export(self, spans: Sequence[Any], resource: Resource, pace: Pace) -> None:
        self.threads.add(threading.get_ident())
        self.entered.set()
        self.open.wait()
        self.batches.append(list(spans))
        pace.health.succeed(len(spans))

    def flush(self, closing: bool) -> None:
        self.flushes.append(closing)

    def forget(self) -> None:
        self.forgotten += 1

    @property
    def names(self) -> list[str]:
        """All spans by name, in order."""
        return [span._name for batch in self.batches for span in batch]


class Exporting:
    """A provider whose spans go through a pipeline."""

    def __init__(self, exporter: Any, limits: SpanLimits | None = None, **options: Any) -> None:
        self.exporter = exporter
        self.pipeline = Pipeline([exporter], lambda: RESOURCE, **{"delay": 3600.0, **options})
        self.provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False, span_limits=limits)
        self.provider.engine.deliver(self.pipeline.offer)
        self.tracer = self.provider.get_tracer("test")

    def spans(self, *names: str) -> None:
        """End spans with these names."""
        for name in names:
            self.tracer.start_span(name).end()

    @property
    def health(self) -> dict[str, Any]:
        """The numbers now."""
        return snapshot(self.provider, self.pipeline)


@contextmanager
def exporting(exporter: Any, **options: Any) -> Iterator[Exporting]:
    """An `Exporting` that is closed at the end."""
    found = Exporting(exporter, **options)
    try:
        yield found
    finally:
        if isinstance(exporter, Kept):
            exporter.open.set()
        found.pipeline.close(5.0)
        # The thread serves this one until it has another.
        served, found.pipeline.pace = found.pipeline.pace, Pace(found.pipeline.health)
        served.wake()


def settings(**variables: str) -> Settings:
    """Settings of an environment, every value of which must be accepted."""
    found = Settings({f"OTEL_{key}": value for key, value in variables.items()})
    assert not found.rejected
    return found


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once."""
    monkeypatch.setattr("tracing_agent.export.http._FIRST_PAUSE", 0.001)
    monkeypatch.setattr("tracing_agent.export.http._SHORTEST_PAUSE", 0.001)


def until(condition: Any, timeout: float = 10.0) -> None:
    """Wait until a condition holds."""
    done = threading.Event()
    for _ in range(int(timeout / 0.005)):
        if condition():
            return
        done.wait(0.005)
    raise AssertionError("it did not come")
