"""The settings of metrics: their variables, read with all others by `config.Settings`."""

from __future__ import annotations

from tracing_agent.config_export import Otlp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tracing_agent.config_reader import Reader

#: What people write in ``OTEL_METRICS_EXPORTER``, and which exporter that is.
EXPORTERS = {
    "otlp": "otlp",
    "console": "console",
    "prometheus": "prometheus",
    "none": "none",
    "otlp_proto_http": "otlp",
    "otlp_proto_grpc": "otlp",
    "logging": "console",
}


class Metrics:
    """What is measured for whom. Times in milliseconds.

    ``exporters`` is empty where metrics are off; ``otlp`` says where and how they are sent by OTLP.
    """

    def __init__(self, read: Reader) -> None:
        known = read.known("OTEL_METRICS_EXPORTER", "none", EXPORTERS, "where metrics go: one, or several")
        self.exporters = tuple(name for name in known if name != "none")
        self.interval = max(
            1, read.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", 60000, "time between two exports of metrics")
        )
        self.timeout = read.milliseconds("OTEL_METRIC_EXPORT_TIMEOUT", 30000, "time for one export of metrics")
        self.exemplars = read.choice(
            "OTEL_METRICS_EXEMPLAR_FILTER",
            "trace_based",
            ("trace_based", "always_on", "always_off"),
            "which measurements may be exemplars",
        )
        # These two are the SDK's exporter's to obey; read here so that they are known, and checked.
        read.choice(
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "cumulative",
            ("cumulative", "delta", "lowmemory"),
            "whether values are sums since the start or since the last export",
        )
        read.choice(
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "explicit_bucket_histogram",
            ("explicit_bucket_histogram", "base2_exponential_bucket_histogram"),
            "how durations are aggregated",
        )
        self.host = read.text("OTEL_EXPORTER_PROMETHEUS_HOST", "localhost", "address of the endpoint for Prometheus")
        self.port = read.integer(
            "OTEL_EXPORTER_PROMETHEUS_PORT", 9464, "its port; a process that finds it taken uses the next free one"
        )
        self.otlp = Otlp(read, "METRICS")
