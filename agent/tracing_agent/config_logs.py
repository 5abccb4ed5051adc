"""The settings of logs: their variables, read with all others by `config.Settings`."""

from __future__ import annotations

from tracing_agent.config_export import Batch, Otlp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tracing_agent.config_reader import Reader

EXPORTERS = {
    "otlp": "otlp",
    "console": "console",
    "none": "none",
    "otlp_proto_http": "otlp",
    "otlp_proto_grpc": "otlp",
    "logging": "console",
}
#: Levels by name, as numbers of `logging`.
LEVELS = {"notset": 0, "debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
#: Contrib's format, so that what reads lines of it reads ours.
FORMAT = (
    "%(asctime)s %(levelname)s [%(name)s] [%(filename)s:%(lineno)d] [trace_id=%(otelTraceID)s span_id=%(otelSpanID)s "
    "resource.service.name=%(otelServiceName)s trace_sampled=%(otelTraceSampled)s] - %(message)s"
)


class Logs:
    """The values as they were read.

    ``ids`` is whether records carry the current span's ids; ``correlation`` whether the root logger gets a handler
    with ``format`` and ``level`` where it has none. ``exporters`` are where records go, from ``handler_level`` on and
    with the place in the code if ``code``; ``max_attributes`` and ``max_attribute_length`` are limits of one record.
    """

    def __init__(self, read: Reader) -> None:
        self.exporters = tuple(
            name
            for name in read.known("OTEL_LOGS_EXPORTER", "none", EXPORTERS, "where log records go: one, or several")
            if name != "none"
        )
        self.otlp = Otlp(read, "LOGS")
        self.batch = Batch(read, "OTEL_BLRP_", "log records", 1000)
        count = read.limit("OTEL_ATTRIBUTE_COUNT_LIMIT", 128, "attributes of anything")
        length = read.limit("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", None, "characters of an attribute's value")
        self.max_attributes = read.limit("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", count, "attributes of a log record")
        self.max_attribute_length = read.limit(
            "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", length, "characters of a log record attribute's value"
        )
        prefix, levels = "OTEL_PYTHON_LOG_", tuple(LEVELS)
        self.ids = read.boolean(prefix + "IDS", True, "log records carry the ids of the current span")
        self.correlation = read.boolean(
            prefix + "CORRELATION", False, "log lines show the ids, where the program sets no format of its own"
        )
        self.format = read.text(prefix + "FORMAT", FORMAT, "the format of such lines")
        self.level = LEVELS[read.choice(prefix + "LEVEL", "info", levels, "the level of such lines")]
        # Contrib's switch of its handler; the exporter decides alone here, unless this is false.
        if not read.boolean(prefix + "AUTO_INSTRUMENTATION", True, "false: OTEL_LOGS_EXPORTER sends no records"):
            self.exporters = ()
        self.handler_level = LEVELS[
            read.choice(prefix + "HANDLER_LEVEL", "notset", levels, "the level from which records are sent")
        ]
        self.code = read.boolean(prefix + "CODE_ATTRIBUTES", False, "records sent say where in the code they come from")
