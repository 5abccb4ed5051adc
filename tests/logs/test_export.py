"""Records of `logging` on their way out: whole programs against a real receiver, encoders, and what must not happen."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from export.servers import Collector
from support.program import run
from support.recorder import Recorder
from tracing_agent.config import Settings
from tracing_agent.export.otlp_logs import Entry, LogEncoder, LogJsonEncoder
from tracing_agent.logs.capture import Capture, severity

RESOURCE = Resource({"service.name": "test"})


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A real receiver of OTLP over HTTP."""
    found = Collector()
    yield found
    found.close()


def value(found: Any) -> Any:
    """An ``AnyValue`` as a plain value."""
    kind = found.WhichOneof("value")
    if kind == "array_value":
        return [value(item) for item in found.array_value.values]
    return None if kind is None else getattr(found, kind)


def decoded(body: bytes) -> list[dict[str, Any]]:
    """Every record of a request as a plain value."""
    return [
        {
            "scope": scope.scope.name,
            "severity": (record.severity_number, record.severity_text),
            "body": value(record.body),
            "attributes": {pair.key: value(pair.value) for pair in record.attributes},
            "trace": record.trace_id.hex(),
            "span": record.span_id.hex(),
            "flags": record.flags,
            "times": (record.time_unix_nano, record.observed_time_unix_nano),
            "resource": {pair.key: value(pair.value) for pair in batch.resource.attributes},
        }
        for batch in ExportLogsServiceRequest.FromString(body).resource_logs
        for scope in batch.scope_logs
        for record in scope.log_records
    ]


def received(collector: Collector) -> list[dict[str, Any]]:
    """All records that arrived."""
    bodies = [request.body for request in collector.requests if " /v1/logs " in request.line]
    return [record for body in bodies for record in decoded(body)]


PROGRAM = """
import logging
import flask
from opentelemetry import trace
apart = logging.getLogger("apart")
apart.propagate = False
apart.setLevel(logging.DEBUG)
logging.getLogger("shop").info("below the level")
logging.getLogger("shop").warning("before %s", "it", extra={"user": 7, "tags": ["a", "b"], "trace_id": "mine"})
with trace.get_tracer("t").start_as_current_span("s") as span:
    apart.debug("inside")
    try:
        raise KeyError("missing")
    except KeyError:
        logging.getLogger("shop").exception("failed")
logging.getLogger("opentelemetry.sdk").error("of OpenTelemetry")
"""


@pytest.mark.process
def test_records(collector: Collector) -> None:
    """OTEL_LOGS_EXPORTER=otlp sends each record with logger, severity, extra, exception, trace context and resource,
    at the end of the process at the latest; what the program prints stays the same.
    """
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_SERVICE_NAME": "shop"}
    bare = run(sys.executable, "-c", PROGRAM, traced=False)
    done = run(sys.executable, "-c", PROGRAM, OTEL_LOGS_EXPORTER="otlp", **variables)
    assert (done.returncode, done.stdout, done.stderr) == (0, bare.stdout, bare.stderr)
    records = {record["body"]: record for record in received(collector)}
    before, inside, failed = (records.pop(body) for body in ("before it", "inside", "failed"))
    assert not records
    (span,) = [
        span
        for request in collector.requests
        if " /v1/traces " in request.line
        for batch in ExportTraceServiceRequest.FromString(request.body).resource_spans
        for scope in batch.scope_spans
        for span in scope.spans
    ]
    ids = {"trace": span.trace_id.hex(), "span": span.span_id.hex(), "flags": span.flags & 0xFF}
    assert all(record["resource"]["service.name"] == "shop" for record in (before, inside, failed))
    assert all(0 < made <= seen for made, seen in (record["times"] for record in (before, inside, failed)))
    assert before["scope"] == "shop"
    assert (before["severity"], before["body"]) == ((13, "WARN"), "before it")
    assert (before["trace"], before["span"]) == ("", "")
    assert before["attributes"] == {"user": 7, "tags": ["a", "b"]}
    assert (inside["scope"], inside["severity"], inside["body"]) == ("apart", (5, "DEBUG"), "inside")
    assert {key: inside[key] for key in ids} == ids
    assert {key: failed[key] for key in ids} == ids
    assert failed["attributes"]["exception.type"] == "KeyError"
    assert failed["attributes"]["exception.message"] == "'missing'"
    assert failed["attributes"]["exception.stacktrace"].startswith("Traceback (most recent call last):\n")


@pytest.mark.process
def test_a_program_with_nothing_to_trace(collector: Collector) -> None:
    """A program that imports `logging` alone has its records sent too, from OTEL_PYTHON_LOG_HANDLER_LEVEL on."""
    done = run(
        sys.executable,
        "-c",
        "import logging\nlogging.warning('less')\nlogging.error('more')",
        OTEL_LOGS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=collector.endpoint + "/v1/logs",
        OTEL_PYTHON_LOG_HANDLER_LEVEL="error",
        OTEL_PYTHON_LOG_CODE_ATTRIBUTES="true",
    )
    assert done.stderr == "WARNING:root:less\nERROR:root:more\n"
    (record,) = received(collector)
    assert (record["body"], record["scope"]) == ("more", "root")
    assert record["attributes"] == {
        "code.file.path": "<string>",
        "code.function.name": "<module>",
        "code.line.number": 3,
    }


@pytest.mark.process
def test_off(collector: Collector) -> None:
    """Unless OTEL_LOGS_EXPORTER is set nothing of the log pipeline is loaded, and no record is sent."""
    code = (
        "import logging, sys, flask\nlogging.error('x')\n"
        "print([name for name in ('opentelemetry.sdk._logs', 'tracing_agent.logs.capture') if name in sys.modules])\n"
        "print(hasattr(logging.Logger.callHandlers, '__wrapped__'))"
    )
    for variables in ({}, {"OTEL_LOGS_EXPORTER": "none"}, {"OTEL_LOGS_EXPORTER": ""}):
        done = run(sys.executable, "-c", code, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, **variables)
        assert (done.stdout, done.stderr) == ("[]\nFalse\n", "ERROR:root:x\n")
    assert collector.requests == []


FORK = """
import logging, os
import flask
log = logging.getLogger("shop")
log.error("parent before")
child = os.fork()
if child == 0:
    log.error("child %d", os.getpid())
else:
    os.waitpid(child, 0)
    log.error("parent %d", os.getpid())
"""


@pytest.mark.process
def test_fork(collector: Collector) -> None:
    """Parent and forked child each send their own records once, each with its own process in the resource."""
    done = run(
        sys.executable,
        "-W",
        "error",
        "-c",
        FORK,
        OTEL_LOGS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
    )
    assert done.returncode == 0
    records = received(collector)
    assert sorted(record["body"].split()[0] for record in records) == ["child", "parent", "parent"]
    for record in records:
        number = record["body"].split()[1]
        if number != "before":
            assert record["resource"]["process.pid"] == int(number)
    assert len({record["resource"]["service.instance.id"] for record in records}) == 2


@pytest.mark.process
def test_console() -> None:
    """OTEL_LOGS_EXPORTER=console prints a line for each record on stderr, the stack trace below it."""
    done = run(sys.executable, "-c", PROGRAM, OTEL_LOGS_EXPORTER="console", OTEL_TRACES_EXPORTER="none")
    lines = [line for line in done.stderr.splitlines() if line.startswith("log ")]
    assert lines[0] == "log WARN shop: before it user=7 tags=['a', 'b']"
    assert lines[1].startswith("log DEBUG apart: inside [")
    assert lines[2].endswith("] exception.type=KeyError exception.message='missing'")
    assert "\n    Traceback (most recent call last):\n" in done.stderr
    assert len(lines) == 3


@pytest.mark.process
def test_nobody_listens() -> None:
    """Where nobody takes records the program ends as ever, with one line for the process."""
    done = run(sys.executable, "-c", "import logging\nlogging.error('x')", OTEL_LOGS_EXPORTER="otlp")
    assert done.returncode == 0
    ours = [line for line in done.stderr.splitlines() if line.startswith("tracing-agent")]
    assert len(ours) == 1
    assert "1 log record not exported (1 connection)" in ours[0]


def test_grpc() -> None:
    """Over gRPC records arrive as over HTTP."""
    grpc = pytest.importorskip("grpc")
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as service

    bodies: list[bytes] = []

    class Servicer(service.LogsServiceServicer):  # type: ignore[misc]
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
            bodies.append(request.SerializeToString())
            return ExportLogsServiceResponse()

    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        service.add_LogsServiceServicer_to_server(Servicer(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            done = run(
                sys.executable,
                "-c",
                "import logging\nlogging.error('over gRPC')",
                OTEL_LOGS_EXPORTER="otlp",
                OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
                OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
            )
        finally:
            server.stop(None).wait()
    assert done.stderr == "ERROR:root:over gRPC\n"
    assert [record["body"] for body in bodies for record in decoded(body)] == ["over gRPC"]


# -- in process ----------------------------------------------------------------------------------------------------


class Kept:
    """Keeps entries; calls ``meanwhile`` in the middle of each export."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.meanwhile: Any = lambda: None

    def prepare(self) -> None:
        pass

    def export(self, spans: Any, resource: Resource, pace: Any) -> None:
        self.entries += spans
        self.meanwhile()
        pace.health.succeed(len(spans))

    def flush(self, closing: bool) -> None:
        pass

    def forget(self) -> None:
        pass


class Captured:
    """A capture whose exporter keeps what it is given; `log` makes a logger whose records it takes."""

    def __init__(self, **variables: str) -> None:
        self.exporter = Kept()
        self.capture = Capture(
            Settings({f"OTEL_{key}": text for key, text in variables.items()}).logs, lambda: RESOURCE
        )
        self.capture.pipeline.exporters = self.capture.pipeline.drain.exporters = [self.exporter]

    def logger(self, name: str = "shop") -> logging.Logger:
        capture = self.capture

        class Logger(logging.Logger):
            def callHandlers(self, record: logging.LogRecord) -> None:  # noqa: N802
                capture.take(record)

        return Logger(name)

    def entries(self) -> list[Entry]:
        assert self.capture.pipeline.flush(20)
        found, self.exporter.entries[:] = list(self.exporter.entries), []
        return found


@pytest.fixture
def captured() -> Iterator[Captured]:
    """Closed when the test is over."""
    found = Captured()
    yield found
    found.capture.close(5)


def test_no_recursion(captured: Captured) -> None:
    """What is logged while records are sent, by whatever the exporter uses, is not sent: sending comes to an end."""
    captured.exporter.meanwhile = lambda: captured.logger("urllib3").error("while sending")
    captured.logger().error("once")
    assert [entry.body for entry in captured.entries()] == ["once"]
    assert captured.entries() == []


def test_suppressed(captured: Captured, recorder: Recorder) -> None:
    """In a context in which instrumentations are silent, and from OpenTelemetry's loggers, nothing is taken."""
    from opentelemetry.context import Context

    from tracing_agent.trace.sdk import SUPPRESS_KEY, attach, detach

    token = attach(Context({SUPPRESS_KEY: True}))
    captured.logger().error("suppressed")
    detach(token)
    captured.logger("opentelemetry.attributes").error("own")
    captured.logger().error("taken")
    assert [entry.body for entry in captured.entries()] == ["taken"]


def test_odd_records(captured: Captured) -> None:
    """Arguments that do not fit, objects that cannot be shown and exceptions without a text never raise."""

    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    log = captured.logger()
    log.error("%d", "no number")
    log.error("extra", extra={"object": object(), "odd": Odd(), "none": None, "deep": {"a": [1, {"b": 2}]}})
    log.error(Odd())
    log.error("info", exc_info=Odd())
    log.error("no exception", exc_info=True)
    wrong, extra, odd, info, without = captured.entries()
    assert wrong.body == "%d"
    assert extra.attributes["deep"] == {"a": [1, {"b": 2}]}
    assert odd.body == "Odd"
    assert info.attributes["exception.message"] == "Odd"
    assert without.attributes == {}


def test_limits(recwarn: pytest.WarningsRecorder) -> None:
    """A record keeps as many attributes, and characters of each, as the variables say; nobody is warned of it."""
    captured = Captured(LOGRECORD_ATTRIBUTE_COUNT_LIMIT="2", LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT="3")
    captured.logger().error("x", extra={"a": "long text", "b": 1, "c": 2})
    (entry,) = captured.entries()
    captured.capture.close(5)
    assert entry.attributes == {"a": "lon", "b": 1}
    assert not recwarn.list


@pytest.mark.parametrize(
    ("level", "number"),
    [(0, 0), (5, 4), (10, 5), (13, 8), (19, 8), (20, 9), (25, 12), (30, 13), (40, 17), (50, 21), (99, 24)],
)
def test_severity(level: int, number: int) -> None:
    """Levels of `logging`, those in between too, have numbers in the order of the levels."""
    assert severity(level) == number


def test_threads(captured: Captured) -> None:
    """Records of many threads all arrive, each once."""
    threads = [
        threading.Thread(target=lambda n=n: [captured.logger().error("%d", n * 100 + i) for i in range(100)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(entry.body) for entry in captured.entries()) == list(range(800))


def test_encoders_agree() -> None:
    """JSON says what Protocol Buffers says, in OTLP's own mapping of it."""
    scope = InstrumentationScope("shop", "1")
    ids = (int("a" * 32, 16), int("b" * 16, 16), 1)
    entries = [
        Entry(
            scope, 5, 7, 17, "ERROR", "text \ud800", {"a": 1, "b": [1.5, "x"], "c": {"d": b"e"}, "f": True}, 2, ids, "e"
        ),
        Entry(scope, 0, 7, 0, "", None, {}, 0, (0, 0, 0), ""),
        Entry(scope, 0, 7, 9, "INFO", {"map": 1}, {}, 0, (0, 0, 0), ""),
    ]
    encoder, encoder_json = LogEncoder(), LogJsonEncoder()
    message = ExportLogsServiceRequest.FromString(encoder.wrap(encoder.span_messages(entries), RESOURCE))
    found = json.loads(encoder_json.wrap(encoder_json.span_messages(entries), RESOURCE))
    expected = MessageToDict(message, use_integers_for_enums=True)
    (logs,) = found["resourceLogs"]
    (scopes,) = logs["scopeLogs"]
    records = expected["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    assert scopes["scope"]["name"] == "shop"
    assert len(scopes["logRecords"]) == len(records) == 3
    for ours, theirs in zip(scopes["logRecords"], records, strict=True):
        theirs = {key: item for key, item in theirs.items() if key not in ("traceId", "spanId")}
        assert {key: ours[key] for key in theirs} == theirs
        assert all(
            ours[key] in ("", 0, "0", [], None) for key in set(ours) - set(theirs) - {"traceId", "spanId", "eventName"}
        )
    assert (scopes["logRecords"][0]["traceId"], scopes["logRecords"][0]["spanId"]) == ("a" * 32, "b" * 16)
    assert scopes["logRecords"][0]["eventName"] == "e"
    (first, *_) = decoded(message.SerializeToString())
    assert (first["trace"], first["span"], first["flags"]) == ("a" * 32, "b" * 16, 1)
