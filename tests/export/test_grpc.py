"""``grpc``: the official exporter against a real gRPC server, with our settings, counts and lines."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from export.official import expected, sorted_message, without_differences
from export.pipelines import Exporting, exporting, settings
from export.servers import black_hole, closed_port
from support.program import run
from tracing_agent.export.otlp_grpc import OtlpGrpcExporter

WARNING = "tracing-agent: warning: "


class GrpcSink(TraceServiceServicer):  # type: ignore[misc]
    """A collector that keeps requests; ``errors`` are answered in turn, then success."""

    def __init__(self, credentials: Any = None) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.metadata: list[dict[str, Any]] = []
        self.remaining: list[float] = []
        self.peers: set[str] = set()
        self.errors: list[grpc.StatusCode] = []
        self.server = grpc.server(futures.ThreadPoolExecutor(2))
        add_TraceServiceServicer_to_server(self, self.server)
        if credentials is None:
            self.port = self.server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self.server.add_secure_port("127.0.0.1:0", credentials)
        self.server.start()

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.remaining.append(context.time_remaining())
        self.peers.add(context.peer())
        if self.errors:
            context.abort(self.errors.pop(0), "not today")
        return ExportTraceServiceResponse()

    @property
    def names(self) -> list[str]:
        """The names of all spans."""
        return [
            span.name
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def server() -> Iterator[GrpcSink]:
    """A gRPC collector."""
    sink = GrpcSink()
    yield sink
    sink.server.stop(None).wait()


def to(port: int, endpoint: str = "http://127.0.0.1:{}", timeout: float = 30.0, **variables: str) -> Any:
    """A pipeline to this port."""
    found = settings(EXPORTER_OTLP_PROTOCOL="grpc", EXPORTER_OTLP_ENDPOINT=endpoint.format(port), **variables)
    return exporting(OtlpGrpcExporter(found), timeout=timeout)


def sent(running: Exporting, *names: str) -> dict[str, Any]:
    """Health after spans with these names were sent, or not."""
    running.spans(*names)
    assert running.pipeline.flush(30)
    return running.health


@pytest.mark.parametrize(
    ("endpoint", "variables"),
    [("http://127.0.0.1:{}", {}), ("http://127.0.0.1:{}/", {}), ("127.0.0.1:{}", {"EXPORTER_OTLP_INSECURE": "true"})],
)
def test_endpoint(server: GrpcSink, endpoint: str, variables: dict[str, str]) -> None:
    """Spans arrive, without TLS by the scheme http:// or by OTEL_EXPORTER_OTLP_INSECURE, over one connection."""
    with to(server.port, endpoint, **variables) as running:
        sent(running, "a", "b")
        health = sent(running, "c")
    assert server.names == ["a", "b", "c"] and len(server.peers) == 1
    assert (health["exported"], health["failed"]) == (3, {})


def test_same_message(server: GrpcSink) -> None:
    """The message is the official one, but for the deliberate differences; odd values follow the same rules."""
    with to(server.port) as running:
        span = running.tracer.start_span("a", attributes={"k": ["x", 1], "n": 1.5})
        span.add_event("event", {"e": True}, 5)
        span.end()
        odd = running.tracer.start_span("odd")
        odd.values["text"], odd.values["number"] = "\ud800", 1 << 70
        odd.end()
        running.pipeline.flush(30)
    (request,) = server.requests
    plain = ExportTraceServiceRequest()
    plain.CopyFrom(request)
    spans = plain.resource_spans[0].scope_spans[0].spans
    assert [pair.value.string_value for pair in spans[1].attributes] == ["?", str(1 << 70)]
    del spans[1]
    assert without_differences(plain) == expected([span])
    assert sorted_message(request)


def test_settings(server: GrpcSink) -> None:
    """Headers, compression, and the time-out in milliseconds, which the official exporter would read as seconds."""
    with to(
        server.port,
        EXPORTER_OTLP_HEADERS="API-Key=secret%3D1",
        EXPORTER_OTLP_COMPRESSION="gzip",
        EXPORTER_OTLP_TIMEOUT="7000",
    ) as running:
        assert sent(running, "a")["exported"] == 1
    assert server.metadata[0]["api-key"] == "secret=1"
    assert server.metadata[0]["user-agent"]
    assert 5 < server.remaining[0] < 8


@pytest.mark.parametrize("value", ["soon", "-5", "1.5.1"])
def test_timeout_that_is_none(server: GrpcSink, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A time-out in the environment on which the official exporter would fail is the default."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", value)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", value)
    with to(server.port) as running:
        assert sent(running, "a")["exported"] == 1
    assert 8 < server.remaining[0] < 11
    assert os.environ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"] == value


def test_retry(server: GrpcSink, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """A failure that passes is tried again and counted; nothing is printed or logged."""
    server.errors = [grpc.StatusCode.UNAVAILABLE]
    with to(server.port) as running:
        health = sent(running, "a")
    assert (health["exported"], health["failed"], health["retries"]) == (1, {}, 1)
    assert capsys.readouterr().err == "" and not caplog.records


def test_refused(server: GrpcSink, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """A final failure is one line, counted under its code, and one line when it is over."""
    server.errors = [grpc.StatusCode.PERMISSION_DENIED] * 2
    with to(server.port) as running:
        sent(running, "a")
        health = sent(running, "b")
        assert (health["failed"], health["down"]) == ({"permission_denied": 2}, True)
        assert "PERMISSION_DENIED" in health["last_error"]
        assert sent(running, "c")["exported"] == 1
    where = f"http://127.0.0.1:{server.port}"
    # Older versions do not tell the details.
    assert capsys.readouterr().err.replace("DENIED: not today", "DENIED") == (
        f"{WARNING}cannot export spans: {where}: PERMISSION_DENIED; "
        "further failures are counted, not printed\n"
        f"{WARNING}exporting spans again: {where} takes them; 2 spans lost so far (2 permission_denied)\n"
    )
    assert not caplog.records


def test_log_of_others(server: GrpcSink, caplog: pytest.LogCaptureFixture) -> None:
    """What the same logger says on other threads, for the application's own exporters, is not touched."""
    with to(server.port) as running:
        sent(running, "a")
        logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter").warning("theirs")
    assert [record.message for record in caplog.records] == ["theirs"]


@pytest.mark.parametrize("dead", ["closed", "black hole"])
def test_nobody_there(dead: str) -> None:
    """A port on which nobody listens, or answers, is given up in time and counted."""
    with black_hole() as port:
        if dead == "closed":
            port = closed_port()
        with to(port, timeout=0.3) as running:
            health = sent(running, "a")
    assert sum(health["failed"].values()) == 1 and set(health["failed"]) <= {"unavailable", "timeout"}


@pytest.mark.parametrize(
    ("endpoint", "advice"),
    [
        ("grpc://collector:4317", "has a scheme that is not known; write http://collector:4317, or https://"),
        ("http://", "names no host; write for example http://localhost:4317"),
    ],
)
def test_wrong_endpoint(endpoint: str, advice: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An endpoint that cannot work is one line that says what to write instead."""
    with to(0, endpoint) as running:
        assert sent(running, "a")["failed"] == {"settings": 1}
    line = capsys.readouterr().err
    assert f"spans are not exported: OTEL_EXPORTER_OTLP_ENDPOINT={endpoint!r} {advice}" in line
    assert line.count("\n") == 1


def test_wrong_header(capsys: pytest.CaptureFixture[str]) -> None:
    """A header that gRPC cannot carry is one line, without its value."""
    with to(4317, EXPORTER_OTLP_HEADERS="key=%E2%82%ACsecret") as running:
        sent(running, "a")
    line = capsys.readouterr().err
    assert "the header 'key' has characters that gRPC does not allow" in line and "secret" not in line


@pytest.mark.parametrize("mutual", [False, True])
def test_tls(mutual: bool, tmp_path: Path) -> None:
    """TLS by https://, with the certificates of the settings; also where the server asks for the client's."""
    authority = trustme.CA()
    server, client = authority.issue_cert("127.0.0.1"), authority.issue_cert("client@example.org")
    for name, blob in (
        ("trusted", authority.cert_pem),
        ("key", client.private_key_pem),
        ("certificate", client.cert_chain_pems[0]),
    ):
        blob.write_to_path(str(tmp_path / name))
    pair = (server.private_key_pem.bytes(), server.cert_chain_pems[0].bytes())
    sink = GrpcSink(
        grpc.ssl_server_credentials([pair], authority.cert_pem.bytes() if mutual else None, require_client_auth=mutual)
    )
    variables = {"EXPORTER_OTLP_CERTIFICATE": str(tmp_path / "trusted")}
    if mutual:
        variables["EXPORTER_OTLP_CLIENT_KEY"] = str(tmp_path / "key")
        variables["EXPORTER_OTLP_CLIENT_CERTIFICATE"] = str(tmp_path / "certificate")
    try:
        with to(sink.port, "https://127.0.0.1:{}", **variables) as running:
            assert sent(running, "a")["exported"] == 1
        with to(sink.port, "https://127.0.0.1:{}", timeout=0.5) as running:
            assert sent(running, "b")["exported"] == 0
    finally:
        sink.server.stop(None).wait()


def test_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    """A certificate that is not there is one line."""
    with to(4317, "https://collector:{}", EXPORTER_OTLP_CERTIFICATE="/no/such/file") as running:
        sent(running, "a")
    assert "OTEL_EXPORTER_OTLP_CERTIFICATE='/no/such/file' cannot be used (No such file" in capsys.readouterr().err


PROGRAM = """
import os, sys
from opentelemetry import trace
tracer = trace.get_tracer("own")
assert "grpc" not in sys.modules
with tracer.start_as_current_span("parent"):
    pass
if {flush}:
    trace.get_tracer_provider().force_flush()
assert ("grpc" in sys.modules) is {flush}
pid = os.fork()
with tracer.start_as_current_span("child" if pid == 0 else "after"):
    pass
if pid:
    assert os.waitpid(pid, 0)[1] == 0
"""


@pytest.mark.process
@pytest.mark.parametrize("flush", [False, True])
def test_fork(server: GrpcSink, tmp_path: Path, flush: bool) -> None:
    """Spans of parent and child arrive once each over connections of their own, also when the parent's was in use."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(flush=flush))
    done = run(
        sys.executable,
        program,
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{server.port}",
        PYTHONWARNINGS="ignore::DeprecationWarning",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(server.names) == ["after", "child", "parent"]
    assert len(server.peers) == 2


@pytest.mark.process
def test_exit_without_an_answer(tmp_path: Path) -> None:
    """A collector that never answers does not keep the process from ending; the loss is one line."""
    program = tmp_path / "program.py"
    program.write_text(
        "from opentelemetry import trace\ntrace.get_tracer('own').start_span('a').end()\nprint('done')\n"
    )
    with black_hole() as port:
        done = run(
            sys.executable,
            program,
            timeout=30,
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
        )
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.startswith(f"{WARNING}1 span not exported (1 ") and done.stderr.count("\n") == 1
