"""The exporters that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.sdk.resources import Resource

    from tracing_agent.config import Settings
    from tracing_agent.export.drain import Exporter
    from tracing_agent.export.health import Health
    from tracing_agent.export.pace import Pace
    from tracing_agent.trace.span import Span


def exporters_of(settings: Settings) -> Iterator[Exporter]:
    """Every exporter of ``OTEL_TRACES_EXPORTER``; each imports what it needs in the export thread.

    One of them counts what became of the spans: the first of OTLP, Zipkin, console.
    """
    names = settings.exporters
    for name in names:
        if name == "console":
            from tracing_agent.export.console import ConsoleExporter

            yield ConsoleExporter(counts=names == ("console",))
        elif name == "otlp" and settings.protocol == "grpc":
            from tracing_agent.export.otlp_grpc import OtlpGrpcExporter

            yield OtlpGrpcExporter(settings)
        elif name in ("otlp", "zipkin"):
            from tracing_agent.export.otlp_http import OtlpHttpExporter

            if name == "otlp":
                yield OtlpHttpExporter(settings)
            else:
                zipkin = OtlpHttpExporter(settings.zipkin)
                yield Uncounted(zipkin) if "otlp" in names else zipkin


class Preparing:
    """Stands before the exporters and sends nothing: ``prepare`` is called with theirs, before the first batch."""

    sketches = True

    def __init__(self, prepare: Callable[[], object]) -> None:
        self._prepare = prepare

    def prepare(self) -> None:
        self._prepare()

    def export(self, spans: Sequence[Span], resource: Resource, pace: Pace) -> None:
        pass

    def flush(self, closing: bool) -> None:
        pass

    def forget(self) -> None:
        pass


class Uncounted:
    """An exporter beside one that counts: it has counts of its own, which nobody sees; its outages are said."""

    def __init__(self, exporter: Exporter) -> None:
        self.exporter = exporter
        self.prepare, self.flush = exporter.prepare, exporter.flush
        self._health: Health | None = None

    def export(self, spans: Sequence[Span], resource: Resource, pace: Pace) -> None:
        if self._health is None:
            self._health = type(pace.health)()
        pace_of_ours: Any = _Pace(pace, self._health)
        self.exporter.export(spans, resource, pace_of_ours)

    def forget(self) -> None:
        self._health = None
        self.exporter.forget()


class _Pace:
    """The time of another pace, with a health of its own."""

    def __init__(self, pace: Pace, health: Health) -> None:
        self._pace = pace
        self.health = health

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pace, name)
