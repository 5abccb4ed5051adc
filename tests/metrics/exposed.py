"""What a scrape gave, taken apart: values by name and labels."""

from __future__ import annotations

import re
import urllib.request
from typing import Any

from tracing_agent.config import Settings
from tracing_agent.export.pipeline import Pipeline
from tracing_agent.metrics.configured import Metrics
from tracing_agent.trace.provider import TracerProvider

_line = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*?)\})? (?P<value>\S+)(?: # (?P<exemplar>.*))?")
_pair = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
OPEN_METRICS = "application/openmetrics-text"


class Scraped:
    """The samples of one exposition; ``exemplars`` are those of the lines that have one, as text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples: dict[str, list[tuple[dict[str, str], float]]] = {}
        self.exemplars: dict[str, list[str]] = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                found = _line.fullmatch(line)
                assert found, line
                labels = dict(_pair.findall(found["labels"] or ""))
                self.samples.setdefault(found["name"], []).append((labels, float(found["value"])))
                if found["exemplar"]:
                    self.exemplars.setdefault(found["name"], []).append(found["exemplar"])

    def value(self, name: str, **labels: str) -> float:
        """The sum of all samples of a name that have these labels; 0 for none."""
        found = (value for given, value in self.samples.get(name, ()) if labels.items() <= given.items())
        return sum(found)

    def labels(self, name: str) -> list[dict[str, str]]:
        """The labels of all samples of a name."""
        return [given for given, _ in self.samples.get(name, ())]


def scrape(port: int, accept: str = "text/plain", path: str = "/metrics") -> tuple[str, Scraped]:
    """(content type, samples) of the endpoint at a port of this machine."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.headers["Content-Type"], Scraped(response.read().decode())


class Measured:
    """A provider whose operations are measured, without an endpoint, a thread and the process's signals."""

    def __init__(self, provider: TracerProvider, **variables: str) -> None:
        settings = Settings({"OTEL_METRICS_EXPORTER": "prometheus", **variables})
        assert not settings.rejected
        self.provider = provider
        self.pipeline = Pipeline([], lambda: provider.resource)
        self.metrics = Metrics(settings, lambda: provider.resource)
        self.metrics.watch(provider, self.pipeline)
        # Whoever collects measures; the thread is tested in whole processes.
        self.metrics.intake.started = True
        self.metrics.intake.act_at = 1 << 30

    def scraped(self, open_metrics: bool = False) -> Scraped:
        """What a scrape gets now."""
        return Scraped(self.metrics.rendered(open_metrics))


def points(requests: list[Any], name: str) -> list[Any]:
    """The data points of one metric in the newest of some OTLP requests."""
    return [
        point
        for resource in requests[-1].resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in (metric.histogram.data_points or metric.sum.data_points or metric.gauge.data_points)
    ]


def attributes(point: Any) -> dict[str, Any]:
    """The attributes of a data point."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in point.attributes}
