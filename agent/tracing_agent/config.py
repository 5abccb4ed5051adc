"""The agent's settings: ``OTEL_*`` variables read once, by the specification's rules, into one frozen object.

Rules (OpenTelemetry specification, "Environment Variable Specification"): empty is unset; enums and booleans are
case-insensitive; a value that cannot be used is reported by name and value, and the default is used instead.
"""

from __future__ import annotations

from tracing_agent.config_http import Http
from tracing_agent.config_propagation import Propagation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

_INT_MAX: Final = 2**31 - 1


class Variable:
    """One environment variable as it was read: for the documentation's table and for the doctor."""

    __slots__ = ("default", "kind", "meaning", "name", "value")

    def __init__(self, name: str, kind: str, default: str, meaning: str, value: str | None) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.meaning = meaning
        self.value = value


class Reader:
    """Reads typed values from an environment; remembers every variable, and every value that was rejected."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.variables: list[Variable] = []
        self.rejected: list[str] = []

    def _raw(self, name: str, kind: str, default: object, meaning: str) -> str | None:
        value = self.environ.get(name, "").strip() or None
        shown = "" if default is None else str(default)
        self.variables.append(Variable(name, kind, shown, meaning, value))
        return value

    def reject(self, name: str, value: str, wanted: str, used: object) -> None:
        """Remember that ``value`` cannot be used; printed once by whoever starts the agent."""
        self.rejected.append(f"{name}={value!r} is not {wanted}; using {used!r} instead")

    def text(self, name: str, default: str, meaning: str) -> str:
        """A string, taken as it is."""
        return self._raw(name, "string", default, meaning) or default

    def boolean(self, name: str, default: bool, meaning: str) -> bool:
        """True only for ``true`` in any case; anything else but ``false`` is reported and is false."""
        value = self._raw(name, "boolean", str(default).lower(), meaning)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            self.reject(name, value, "a boolean (true, false)", "false")
        return value.lower() == "true"

    def integer(self, name: str, default: int, meaning: str, minimum: int = 0, kind: str = "integer") -> int:
        """An integer from ``minimum`` to 2**31 - 1."""
        value = self._raw(name, kind, default, meaning)
        if value is None:
            return default
        try:
            number = int(value)
        except ValueError:
            number = -1
        if not minimum <= number <= _INT_MAX:
            self.reject(name, value, f"an integer of at least {minimum}", default)
            return default
        return number

    def milliseconds(self, name: str, default: int, meaning: str) -> int:
        """A duration or time-out in milliseconds."""
        return self.integer(name, default, meaning, kind="milliseconds")

    def limit(self, name: str, default: int | None, meaning: str) -> int | None:
        """A limit: a non-negative integer, or None where there is none."""
        value = self._raw(name, "limit", "none" if default is None else default, meaning)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and int(value[:12]) <= _INT_MAX):
            self.reject(name, value, "a non-negative integer", "no limit" if default is None else default)
            return default
        return int(value)

    def choice(self, name: str, default: str, choices: tuple[str, ...], meaning: str) -> str:
        """One of ``choices``, in any case."""
        value = self._raw(name, "one of " + ", ".join(choices), default, meaning)
        if value is None:
            return default
        if value.lower() not in choices:
            self.reject(name, value, "one of " + ", ".join(choices), default)
            return default
        return value.lower()

    def names(self, name: str, default: str, meaning: str) -> tuple[str, ...]:
        """A comma-separated list; blanks and repetitions dropped, order kept, lower case."""
        value = self._raw(name, "list", default, meaning)
        parts = (part.strip().lower() for part in (default if value is None else value).split(","))
        return tuple(dict.fromkeys(part for part in parts if part))

    def pairs(self, name: str, default: str, meaning: str) -> dict[str, str]:
        """``key=value,key=value`` with percent-encoding; on any error the whole value is discarded.

        Source: specification, "Resource SDK", section "Specifying resource information via an environment variable".
        """
        value = self._raw(name, "pairs", default, meaning)
        found: dict[str, str] = {}
        for item in (value or default).split(","):
            if not item.strip():
                continue
            key, equals, content = item.partition("=")
            key, content = _unquote(key.strip()), _unquote(content.strip())
            if not (equals and key):
                self.reject(name, value or default, "a list of key=value pairs", "")
                return {}
            found[key] = content
        return found


def _unquote(text: str) -> str:
    if "%" not in text:
        return text
    head, *rest = text.encode("utf-8", "surrogateescape").split(b"%")
    parts = [head]
    for chunk in rest:
        try:
            parts.append(bytes((int(chunk[:2], 16),)) + chunk[2:])
        except ValueError:
            parts.append(b"%" + chunk)
    return b"".join(parts).decode("utf-8", "replace")


LOG_LEVELS = {"none": 0, "error": 1, "warn": 2, "warning": 2, "info": 3, "debug": 4}

EXPORTERS = ("otlp", "console", "none")
PROTOCOLS = ("http/protobuf", "http/json", "grpc")
SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)


class Settings:
    """Every setting of the agent, read once. Attributes are not to be assigned after construction.

    ``rejected`` holds one sentence for each value that could not be used; ``variables`` every variable read.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        read = Reader(environ)
        self.variables = read.variables
        self.rejected = read.rejected
        self.log_level = LOG_LEVELS[
            read.choice(
                "OTEL_LOG_LEVEL",
                "warn",
                tuple(LOG_LEVELS),
                "lines of the agent itself on stderr, up to this level",
            )
        ]
        self.disabled_instrumentations = read.names(
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "", "libraries not to trace; * for all"
        )
        self._service(read)
        self._sampling(read)
        self._limits(read)
        self._export(read)
        self._database(read)
        self._messaging(read)
        self.http = Http(read)
        self.propagation = Propagation(read)

    def _service(self, read: Reader) -> None:
        self.service_name = read.text(
            "OTEL_SERVICE_NAME", "", "value of service.name; default: named after the program"
        )
        self.resource_attributes = read.pairs("OTEL_RESOURCE_ATTRIBUTES", "", "attributes of the resource")

    def _sampling(self, read: Reader) -> None:
        self.sampler = read.text("OTEL_TRACES_SAMPLER", "parentbased_always_on", "sampler: " + ", ".join(SAMPLERS))
        self.sampler_argument = read.text(
            "OTEL_TRACES_SAMPLER_ARG", "", "the sampler's argument, e.g. a ratio from 0 to 1"
        )

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
        wanted = read.names("OTEL_TRACES_EXPORTER", "otlp", "exporters: " + ", ".join(EXPORTERS))
        known = tuple(name for name in wanted if name in EXPORTERS)
        for name in wanted:
            if name not in EXPORTERS:
                read.reject("OTEL_TRACES_EXPORTER", name, "one of " + ", ".join(EXPORTERS), ",".join(known) or "otlp")
        self.exporters = tuple(name for name in known if name != "none") if known else ("otlp",)
        self.semconv_opted = read.names(
            "OTEL_SEMCONV_STABILITY_OPT_IN", "", "groups of old attribute names to send as well: http/dup, database/dup"
        )
        self.queue_size = read.integer("OTEL_BSP_MAX_QUEUE_SIZE", 2048, "spans waiting for export", minimum=1)
        batch = read.integer("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, "spans in one export request", minimum=1)
        if batch > self.queue_size:
            if "OTEL_BSP_MAX_EXPORT_BATCH_SIZE" in read.environ:
                read.reject(
                    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
                    str(batch),
                    "at most OTEL_BSP_MAX_QUEUE_SIZE",
                    self.queue_size,
                )
            batch = self.queue_size
        self.batch_size = batch
        self.schedule_delay = read.milliseconds("OTEL_BSP_SCHEDULE_DELAY", 5000, "longest wait before an export")
        self.export_timeout = read.milliseconds(
            "OTEL_BSP_EXPORT_TIMEOUT", 30000, "time for one batch, retries included"
        )
        self._otlp(read)

    def _otlp(self, read: Reader) -> None:
        prefix, traces = "OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"
        protocol = read.choice(prefix + "PROTOCOL", "http/protobuf", PROTOCOLS, "transport of OTLP")
        self.protocol = read.choice(traces + "PROTOCOL", protocol, PROTOCOLS, "transport of OTLP traces")
        port = 4317 if self.protocol == "grpc" else 4318
        base = read.text(
            prefix + "ENDPOINT", f"http://localhost:{port}", "where to send; /v1/traces is appended for HTTP"
        )
        own = read.text(traces + "ENDPOINT", "", "where to send traces; taken as it is")
        self.endpoint = own or (base if self.protocol == "grpc" else base.rstrip("/") + "/v1/traces")
        headers = read.pairs(prefix + "HEADERS", "", "headers of export requests")
        self.headers = {**headers, **read.pairs(traces + "HEADERS", "", "headers of trace export requests")}
        timeout = read.milliseconds(prefix + "TIMEOUT", 10000, "time for one export request")
        self.timeout = read.milliseconds(traces + "TIMEOUT", timeout, "time for one trace export request")
        compression = read.choice(prefix + "COMPRESSION", "none", ("none", "gzip"), "compression of export requests")
        self.compression = read.choice(
            traces + "COMPRESSION", compression, ("none", "gzip"), "compression of trace export requests"
        )
        files = {}
        for name, meaning in (
            ("CERTIFICATE", "file of trusted certificates (PEM)"),
            ("CLIENT_KEY", "file of the client's private key (PEM)"),
            ("CLIENT_CERTIFICATE", "file of the client's certificate (PEM)"),
        ):
            general = read.text(prefix + name, "", meaning)
            files[name] = read.text(traces + name, general, meaning + ", for traces")
        self.certificate = files["CERTIFICATE"]
        self.client_key = files["CLIENT_KEY"]
        self.client_certificate = files["CLIENT_CERTIFICATE"]
        insecure = read.boolean(prefix + "INSECURE", False, "gRPC without TLS where the endpoint has no scheme")
        self.insecure = read.boolean(traces + "INSECURE", insecure, "the same, for traces")

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
