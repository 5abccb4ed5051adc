"""The agent's settings: ``OTEL_*`` variables read once, by the specification's rules, into one frozen object."""

from __future__ import annotations

from tracing_agent.config_export import TRACES, Batch, Otlp, Zipkin
from tracing_agent.config_http import Http
from tracing_agent.config_logs import Logs
from tracing_agent.config_metrics import Metrics
from tracing_agent.config_propagation import Propagation
from tracing_agent.config_reader import Reader
from tracing_agent.config_sampling import Sampling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LOG_LEVELS = {"none": 0, "error": 1, "warn": 2, "warning": 2, "info": 3, "debug": 4}


class Settings(Otlp):
    """Every setting of the agent, read once and frozen; those of OTLP are the traces'.

    ``rejected`` holds one sentence for each value that could not be used; ``variables`` every variable read;
    ``hints`` one for each name that is likely misspelt, ``notes`` one for each that has no effect here.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        read = Reader(environ)
        self.variables = read.variables
        self.rejected = read.rejected
        self.hints: list[str] = []
        self.notes: list[str] = []
        read.boolean("OTEL_SDK_DISABLED", False, "true: nothing is traced, and nothing of the agent is loaded")
        read.text("OTEL_PYTHON_DOCTOR_SIGNAL", "", "signal, e.g. SIGUSR2, on which each process tells its state")
        self.log_level = LOG_LEVELS[
            read.choice(
                "OTEL_LOG_LEVEL",
                "warn",
                tuple(LOG_LEVELS),
                "lines of the agent itself on stderr, up to this level",
            )
        ]
        self.log_format = read.choice(
            "OTEL_PYTHON_AGENT_LOG_FORMAT", "text", ("text", "json"), "form of the agent's own lines on stderr"
        )
        self.disabled_instrumentations = read.names(
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "", "libraries not to trace; * for all"
        )
        self.enabled_instrumentations = read.names(
            "OTEL_PYTHON_ENABLED_INSTRUMENTATIONS", "", "libraries to trace, and no others; none: all"
        )
        self.untested_versions = read.choice(
            "OTEL_PYTHON_UNTESTED_VERSIONS",
            "newer",
            ("newer", "true", "false"),
            "trace libraries in versions that were not tested: newer ones, all, or none",
        )
        self._service(read)
        self._sampling(read)
        self._limits(read)
        self._export(read)
        self._database(read)
        self._messaging(read)
        self.http = Http(read)
        self.propagation = Propagation(read)
        self.metrics = Metrics(read)
        self.logs = Logs(read)
        unread = [name for name in environ if name.startswith("OTEL_") and environ[name] and not read.declared(name)]
        if unread:
            from tracing_agent.config_names import remarks

            self.hints, self.notes = remarks(unread, read.variables)
        self.frozen = True

    def __setattr__(self, name: str, value: object) -> None:
        if getattr(self, "frozen", False):
            raise AttributeError(f"settings are read once; {name} cannot be assigned")
        object.__setattr__(self, name, value)

    def excluded(self, library: str) -> str:
        """Why a library is not to be traced, as the doctor says it; empty if it is."""
        disabled, enabled = self.disabled_instrumentations, self.enabled_instrumentations
        if library in disabled or "*" in disabled:
            return "disabled by OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
        if enabled and library not in enabled and "*" not in enabled:
            return "not in OTEL_PYTHON_ENABLED_INSTRUMENTATIONS"
        return ""

    def _service(self, read: Reader) -> None:
        self.service_name = read.text(
            "OTEL_SERVICE_NAME", "", "value of service.name; default: named after the program"
        )
        self.resource_attributes = read.pairs("OTEL_RESOURCE_ATTRIBUTES", "", "attributes of the resource", strict=True)
        self.resource_detectors = read.names(
            "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "", "detectors of other distributions to ask; * for all installed"
        )
        self.id_generator = read.text("OTEL_PYTHON_ID_GENERATOR", "random", "who makes ids: random, or an entry point")

    def _sampling(self, read: Reader) -> None:
        self.sampling = Sampling(read)
        self.sampler, self.sampler_argument = self.sampling.name, self.sampling.argument

    def _limits(self, read: Reader) -> None:
        count = read.limit("OTEL_ATTRIBUTE_COUNT_LIMIT", 128, "attributes of anything")
        length = read.limit("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", None, "characters of an attribute's value")
        self.max_attributes = count
        self.max_attribute_length = length
        self.max_span_attributes = read.limit("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", count, "attributes of a span")
        self.max_span_attribute_length = read.limit(
            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", length, "characters of a span attribute's value"
        )
        self.max_events = read.limit("OTEL_SPAN_EVENT_COUNT_LIMIT", 128, "events of a span")
        self.max_links = read.limit("OTEL_SPAN_LINK_COUNT_LIMIT", 128, "links of a span")
        self.max_event_attributes = read.limit("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", count, "attributes of an event")
        self.max_link_attributes = read.limit("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", count, "attributes of a link")

    def _export(self, read: Reader) -> None:
        known = read.known("OTEL_TRACES_EXPORTER", "otlp", TRACES, "where spans go: one, or several")
        self.exporters = tuple(name for name in known if name != "none")
        self.semconv_opted = read.names(
            "OTEL_SEMCONV_STABILITY_OPT_IN", "", "groups of old attribute names to send as well: http/dup, database/dup"
        )
        batch = Batch(read, "OTEL_BSP_", "spans", 5000)
        self.queue_size, self.batch_size = batch.queue_size, batch.size
        self.schedule_delay, self.export_timeout = batch.delay, batch.timeout
        self.read_otlp(read)
        self.zipkin = Zipkin(read)

    def _database(self, read: Reader) -> None:
        self.sanitise_sql = read.boolean(
            "OTEL_PYTHON_DB_STATEMENT_SANITIZATION", True, "literals in SQL text without parameters become ?"
        )
        self.returned_rows = read.boolean(
            "OTEL_PYTHON_DB_RETURNED_ROWS", False, "record how many rows a query gave, where that is known for nothing"
        )
        self.sql_comments = read.boolean("OTEL_PYTHON_SQLCOMMENTER", False, "append trace context to SQL text")
        self.root_clients = read.boolean(
            "OTEL_PYTHON_ROOT_CLIENT_SPANS", True, "record calls to databases and servers that have no parent span"
        )

    def _messaging(self, read: Reader) -> None:
        self.kafka_consumer_parent = read.choice(
            "OTEL_PYTHON_KAFKA_CONSUMER_PARENT",
            "producer",
            ("producer", "link"),
            "what a processed message's producer is to the span, where no other span is current",
        )
        self.kafka_process_polled = read.boolean(
            "OTEL_PYTHON_KAFKA_PROCESS_POLLED", True, "a span for each message in a loop over what poll() gave"
        )
