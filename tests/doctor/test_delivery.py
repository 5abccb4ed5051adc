"""`--send`: one test span, step by step, against servers that go wrong in the ways that servers do."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import grpc
import pytest
import trustme

from support.sink import Sink
from tracing_agent.config import Settings
from tracing_doctor.delivery import Delivery


def send(endpoint: str, **more: str) -> dict[str, Any]:
    return Delivery(Settings({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **more})).report()


def failed(report: dict[str, Any], step: str) -> str:
    """What to do next, of a report that failed at ``step``."""
    assert not report["ok"]
    assert [each["step"] for each in report["steps"] if not each["ok"]] == [step], report
    assert report["steps"][-1]["step"] == step
    following: str = report["next"]
    assert following
    return following


def unused_port() -> int:
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@pytest.fixture
def grpc_port() -> Iterator[int]:
    """A gRPC server that knows no method."""
    server = grpc.server(ThreadPoolExecutor(1))
    port: int = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(0).wait()


def test_a_span_arrives(sink: Sink) -> None:
    """All steps are told with their times, and the one span that arrives names the doctor."""
    report = send(sink.endpoint, OTEL_SERVICE_NAME="shop", OTEL_EXPORTER_OTLP_COMPRESSION="gzip")
    assert report["ok"], report
    assert [step["step"] for step in report["steps"]] == ["settings", "DNS", "TCP", "HTTP"]
    assert all(step["ms"] >= 0 for step in report["steps"])
    assert "200" in report["steps"][-1]["detail"]
    (span,) = sink.spans
    assert (span["name"], span["resource"]["service.name"]) == ("tracing-run doctor: test span", "shop")


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_sampling_does_not_matter(sink: Sink, protocol: str) -> None:
    """The test span is sent whatever the sampler says, over either HTTP protocol."""
    sink.answers.append((204, {}, b""))
    assert send(sink.endpoint, OTEL_TRACES_SAMPLER="always_off", OTEL_EXPORTER_OTLP_PROTOCOL=protocol)["ok"]
    assert len(sink.requests) == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "give the backend's key in OTEL_EXPORTER_OTLP_HEADERS=name=value (headers sent now: api-key)"),
        (403, "OTEL_EXPORTER_OTLP_HEADERS"),
        (404, "(/v1/traces is appended)"),
        (307, "http://elsewhere/ in OTEL_EXPORTER_OTLP_ENDPOINT"),
        (400, "write https://"),
        (415, "OTEL_EXPORTER_OTLP_PROTOCOL=http/json"),
        (429, "does not take spans now"),
        (503, "does not take spans now"),
        (500, "look at the log"),
    ],
)
def test_answers_other_than_success(sink: Sink, status: int, words: str) -> None:
    """Each status is named once, is not tried again, and has a next step of its own."""
    sink.answers.append((status, {"Location": "http://elsewhere/"}, b""))
    report = send(sink.endpoint, OTEL_EXPORTER_OTLP_HEADERS="api-key=hunter2")
    following = failed(report, "HTTP").replace("(http://elsewhere/)", "http://elsewhere/")
    assert str(status) in report["steps"][-1]["detail"]
    assert words in following
    assert "hunter2" not in str(report)
    assert len(sink.requests) == 1


def test_rejected_spans(sink: Sink) -> None:
    """A success that rejects the span is a failure, in the server's own words."""
    sink.answers.append((200, {}, b"\x0a\x0b\x08\x01\x12\x07no room"))
    sink.take = lambda headers, body: sink.answers.pop(0)  # type: ignore[method-assign]
    report = send(sink.endpoint)
    failed(report, "HTTP")
    assert "rejected the span: no room" in report["steps"][-1]["detail"]


def test_paths(sink: Sink) -> None:
    """A path given twice, and one not given where it is needed, are told apart."""
    sink.answers += [(404, {}, b"")] * 2
    assert "take /v1/traces out of OTEL_EXPORTER_OTLP_ENDPOINT" in send(sink.endpoint + "/v1/traces")["next"]
    assert "end it with /v1/traces" in send("", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=sink.endpoint)["next"]


@pytest.mark.parametrize(
    ("protocol", "port", "words"),
    [
        ("http/protobuf", 4317, "4317 is the port of gRPC: write 4318"),
        ("grpc", 4318, "4318 is the port of OTLP over HTTP: write 4317"),
    ],
)
def test_the_other_protocols_port(protocol: str, port: int, words: str) -> None:
    """A refused connection on the port of the other protocol says so."""
    with closing(socket.socket()) as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            pytest.skip("something listens there")
    report = send(f"http://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    assert words in failed(report, "TCP")


def test_nothing_listens() -> None:
    """A refused connection on this machine says what to start, and what localhost is in a container."""
    following = failed(send(f"http://127.0.0.1:{unused_port()}"), "TCP")
    assert "start a collector here, or look with `tracing-run watch`" in following
    assert "in a container" in following


def test_unknown_host() -> None:
    """A name that does not resolve fails at that step."""
    assert "correct the host" in failed(send("http://no-such-host.invalid:4318"), "DNS")


def test_settings_that_cannot_work() -> None:
    """An endpoint that cannot be used is told before anything is tried, with what to write."""
    assert failed(send("localhost:4318"), "settings") == "write http://localhost:4318"
    assert "OTEL_TRACES_EXPORTER=otlp" in failed(send("http://x", OTEL_TRACES_EXPORTER="console"), "settings")


def test_http_to_a_grpc_port(grpc_port: int) -> None:
    """A gRPC receiver that is sent HTTP is recognised."""
    assert "it may be a gRPC receiver: set OTEL_EXPORTER_OTLP_PROTOCOL=grpc" in failed(
        send(f"http://127.0.0.1:{grpc_port}"), "HTTP"
    )


def test_grpc_to_an_http_port(sink: Sink) -> None:
    """An HTTP receiver that is sent gRPC is recognised."""
    report = send(sink.endpoint, OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    assert "set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in failed(report, "gRPC")


def test_grpc_without_the_service(grpc_port: int) -> None:
    """A gRPC server that is no OTLP receiver is recognised."""
    report = send(f"http://127.0.0.1:{grpc_port}", OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    assert "no OTLP receiver" in failed(report, "gRPC")


def test_grpc_leaves_its_log_to_others(grpc_port: int, caplog: pytest.LogCaptureFixture) -> None:
    """What the official exporter logs in the same thread is taken during the try alone."""
    send(f"http://127.0.0.1:{grpc_port}", OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    assert not caplog.records
    logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter").warning("after it")
    assert [record.message for record in caplog.records] == ["after it"]


def test_tls_where_there_is_none(sink: Sink) -> None:
    """https:// to a server without TLS says what to write."""
    assert "write http://" in failed(send(sink.endpoint.replace("http:", "https:")), "TLS")


def test_certificates(sink: Sink, tmp_path: Any) -> None:
    """A certificate that nothing vouches for fails at TLS; with its authority the span arrives."""
    import ssl

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    sink._server.socket = context.wrap_socket(sink._server.socket, server_side=True)
    endpoint = sink.endpoint.replace("http:", "https:")
    assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in failed(send(endpoint), "TLS")
    trusted = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    report = send(endpoint, OTEL_EXPORTER_OTLP_CERTIFICATE=str(trusted))
    assert report["ok"], report
    assert report["steps"][3]["detail"].startswith("TLSv1")
