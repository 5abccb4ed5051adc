"""What of the OpenTelemetry SDK for metrics is used, and made here: the provider, readers, exporters.

No other module of metrics touches a private name. Imported where metrics are on, in a thread of our own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    AlwaysOnExemplarFilter,
    MeterProvider,
    TraceBasedExemplarFilter,
)
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, InMemoryMetricReader, MetricExporter

from tracing_agent.export.endpoint import Unusable, grpc_endpoint, pem_files, printable_headers, tls_context
from tracing_agent.faults import INFO, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.resources import Resource

    from tracing_agent.config_export import Otlp
    from tracing_agent.config_metrics import Metrics

_FILTERS: dict[str, Any] = {
    "trace_based": TraceBasedExemplarFilter,
    "always_on": AlwaysOnExemplarFilter,
    "always_off": AlwaysOffExemplarFilter,
}
_UNLIMITED = 3600.0


def provider_of(settings: Metrics, resource: Resource, readers: Sequence[InMemoryMetricReader]) -> MeterProvider:
    """The provider with its readers."""
    return MeterProvider(
        metric_readers=readers,
        resource=resource,
        exemplar_filter=_FILTERS[settings.exemplars](),
        shutdown_on_exit=False,
    )


def exporter_of(name: str, settings: Metrics) -> MetricExporter:
    """The exporter of one name; raises `Unusable` for settings that cannot work.

    It obeys the variables for temporality and for the aggregation of histograms itself.
    """
    if name == "console":
        return ConsoleMetricExporter()
    otlp = settings.otlp
    if otlp.protocol == "grpc":
        return _grpc(otlp)
    if otlp.protocol == "http/json":
        say(INFO, "metrics are sent by http/protobuf, as they have no exporter for http/json")
    return _http(otlp)


def reader_of(exporter: MetricExporter | None) -> InMemoryMetricReader:
    """A reader that aggregates as ``exporter`` wants it; cumulative for none."""
    if exporter is None:
        return InMemoryMetricReader()
    return InMemoryMetricReader(
        preferred_temporality=exporter._preferred_temporality,
        preferred_aggregation=exporter._preferred_aggregation,
    )


def _http(otlp: Otlp) -> MetricExporter:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    tls_context(otlp)  # says which file cannot be read
    # None lets it read the variables for all signals, to which the settings came by themselves.
    files: dict[str, Any] = {
        "certificate_file": otlp.certificate or None,
        "client_key_file": otlp.client_key or None,
        "client_certificate_file": otlp.client_certificate or None,
    }
    return OTLPMetricExporter(
        endpoint=otlp.endpoint,
        headers=otlp.headers or None,
        timeout=otlp.timeout / 1000 or _UNLIMITED,  # type: ignore[arg-type,unused-ignore]
        compression=Compression.Gzip if otlp.compression == "gzip" else Compression.NoCompression,
        **files,
    )


def _grpc(otlp: Otlp) -> MetricExporter:
    try:
        import grpc  # type: ignore[import-untyped,unused-ignore]
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    except ImportError as error:
        raise Unusable(
            f"grpc needs opentelemetry-exporter-otlp-proto-grpc ({error}); install it, or use http/protobuf"
        ) from None
    _, insecure = grpc_endpoint(otlp)
    credentials = None
    if not insecure:
        trusted, key, certificate = pem_files(otlp)
        credentials = grpc.ssl_channel_credentials(trusted, key, certificate)
    return OTLPMetricExporter(
        endpoint=otlp.endpoint,
        insecure=insecure,
        credentials=credentials,
        headers=printable_headers(otlp),
        timeout=otlp.timeout / 1000 or _UNLIMITED,  # type: ignore[arg-type,unused-ignore]
        compression=grpc.Compression.Gzip if otlp.compression == "gzip" else grpc.Compression.NoCompression,
    )


__all__ = ["Unusable", "exporter_of", "provider_of", "reader_of"]
