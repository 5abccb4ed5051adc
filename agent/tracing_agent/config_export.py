"""The settings of exporters: their variables, read with all others by `config.Settings`.

Source: specification, "OpenTelemetry Protocol Exporter" and "Environment Variable Specification".
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tracing_agent.config_reader import Reader, Variable

PROTOCOLS = ("http/protobuf", "http/json", "grpc")
#: What people write in ``OTEL_TRACES_EXPORTER``, and which exporter that is: the second half are the names of the
#: Python SDK's entry points, and the specification's old name of the console.
TRACES = {
    "otlp": "otlp",
    "console": "console",
    "none": "none",
    "zipkin": "zipkin",
    "otlp_proto_http": "otlp",
    "otlp_proto_grpc": "otlp",
    "otlp_json_http": "otlp",
    "zipkin_json": "zipkin",
    "logging": "console",
}
#: Names that say by which protocol, too.
IMPLIED = {"otlp_proto_http": "http/protobuf", "otlp_proto_grpc": "grpc", "otlp_json_http": "http/json"}

_PREFIX = "OTEL_EXPORTER_OTLP_"
_FILES = (
    ("CERTIFICATE", "file of trusted certificates (PEM)"),
    ("CLIENT_KEY", "file of the client's private key (PEM)"),
    ("CLIENT_CERTIFICATE", "file of the client's certificate (PEM)"),
)


class Otlp:
    """Where and how one signal is sent by OTLP. The signal's own variables go before those of all signals.

    ``signal`` is the part of the variables' names, ``TRACES`` for example; ``variables`` are all that were read.
    ``timeout`` is in milliseconds.
    """

    signal = "TRACES"
    #: What is sent, for people.
    items = "spans"
    variables: list[Variable]
    #: Under these names the variables are found, in this order.
    prefixes: tuple[str, ...] = ("OTEL_EXPORTER_OTLP_TRACES_", _PREFIX)

    def __init__(self, read: Reader, signal: str) -> None:
        self.signal = signal
        self.items = {"TRACES": "spans", "LOGS": "log records"}.get(signal, signal.lower())
        self.prefixes = (f"{_PREFIX}{signal}_", _PREFIX)
        self.variables = read.variables
        self.read_otlp(read)

    def read_otlp(self, read: Reader) -> None:
        """Read the variables of ``signal``."""
        exporters = [name.strip().lower() for name in read.environ.get(f"OTEL_{self.signal}_EXPORTER", "").split(",")]
        prefix, own, what = _PREFIX, f"{_PREFIX}{self.signal}_", self.signal.lower()
        protocol = read.choice(prefix + "PROTOCOL", "http/protobuf", PROTOCOLS, "transport of OTLP")
        protocol = read.choice(own + "PROTOCOL", protocol, PROTOCOLS, f"the same, for {what}")
        self.protocol = next((IMPLIED[name] for name in exporters if name in IMPLIED), protocol)
        path = f"/v1/{what}"
        base = read.text(prefix + "ENDPOINT", "", "where to send; /v1/<signal> is appended for HTTP")
        base = base or f"http://localhost:{4317 if self.protocol == 'grpc' else 4318}"
        given = read.text(own + "ENDPOINT", "", f"where to send {what}; taken as it is")
        self.endpoint = given or (base if self.protocol == "grpc" else base.rstrip("/") + path)
        headers = read.pairs(prefix + "HEADERS", "", "headers of export requests")
        self.headers = {**headers, **read.pairs(own + "HEADERS", "", f"headers of export requests, for {what}")}
        timeout = read.milliseconds(prefix + "TIMEOUT", 10000, "time for one export request")
        self.timeout = read.milliseconds(own + "TIMEOUT", timeout, f"the same, for {what}")
        known = ("none", "gzip")
        compression = read.choice(prefix + "COMPRESSION", "none", known, "compression of export requests")
        self.compression = read.choice(own + "COMPRESSION", compression, known, f"the same, for {what}")
        files = [
            read.text(own + name, read.text(prefix + name, "", meaning), f"the same, for {what}")
            for name, meaning in _FILES
        ]
        self.certificate, self.client_key, self.client_certificate = files
        insecure = read.boolean(prefix + "INSECURE", False, "gRPC without TLS where the endpoint has no scheme")
        self.insecure = read.boolean(own + "INSECURE", insecure, f"the same, for {what}")


class Batch:
    """How items wait for their export. Times in milliseconds."""

    def __init__(self, read: Reader, prefix: str, items: str, delay: int) -> None:
        name = prefix + "MAX_EXPORT_BATCH_SIZE"
        self.queue_size = read.integer(prefix + "MAX_QUEUE_SIZE", 2048, f"{items} waiting for export", minimum=1)
        self.size = read.integer(name, 512, f"{items} in one export request", minimum=1)
        if self.size > self.queue_size:
            if read.environ.get(name, "").strip():
                read.reject(name, str(self.size), f"at most {prefix}MAX_QUEUE_SIZE", self.queue_size)
            self.size = self.queue_size
        self.delay = read.milliseconds(prefix + "SCHEDULE_DELAY", delay, "longest wait before an export")
        self.timeout = read.milliseconds(prefix + "EXPORT_TIMEOUT", 30000, "time for one batch, retries included")


class Zipkin(Otlp):
    """Where spans are sent to Zipkin: what is a variable of OTLP only has its default."""

    prefixes = ("OTEL_EXPORTER_ZIPKIN_",)

    def __init__(self, read: Reader) -> None:
        self.variables = read.variables
        self.protocol, self.compression = "zipkin", "none"
        self.headers = {}
        self.certificate = self.client_key = self.client_certificate = ""
        self.insecure = False
        self.endpoint = read.text(
            "OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://localhost:9411/api/v2/spans", "where to send spans to Zipkin"
        )
        self.timeout = read.milliseconds("OTEL_EXPORTER_ZIPKIN_TIMEOUT", 10000, "time for one request to Zipkin")
