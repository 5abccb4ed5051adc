"""The exporters that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracing_agent.config import Settings
    from tracing_agent.export.drain import Exporter


def exporters_of(settings: Settings) -> Iterator[Exporter]:
    """Every exporter of ``OTEL_TRACES_EXPORTER``; each imports what it needs in the export thread."""
    for name in settings.exporters:
        if name == "console":
            from tracing_agent.export.console import ConsoleExporter

            yield ConsoleExporter(counts="otlp" not in settings.exporters)
        elif name == "otlp" and settings.protocol == "grpc":
            from tracing_agent.export.otlp_grpc import OtlpGrpcExporter

            yield OtlpGrpcExporter(settings)
        elif name == "otlp":
            from tracing_agent.export.otlp_http import OtlpHttpExporter

            yield OtlpHttpExporter(settings)
