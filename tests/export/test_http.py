"""OTLP over HTTP against real servers: what is sent, what is tried again, what is said."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from export.pipelines import Exporting, exporting, quick, settings
from export.servers import CLOSE, CLOSE_EARLY, JUNK, Collector, black_hole, closed_port, collector
from tracing_agent import __version__
from tracing_agent.export import sender
from tracing_agent.export.http import _seconds
from tracing_agent.export.otlp_http import OtlpHttpExporter
from tracing_agent.export.partial import from_json, from_protobuf

WARNING = "tracing-agent: warning: "


@pytest.fixture
def server() -> Iterator[Collector]:
    """A collector."""
    with collector() as found:
        yield found


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the tests themselves plays no part."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def to(server: Collector, **variables: str) -> Any:
    """A pipeline to this collector."""
    return exporting(OtlpHttpExporter(settings(EXPORTER_OTLP_ENDPOINT=server.endpoint, **variables)))


def sent(running: Exporting, *names: str) -> dict[str, Any]:
    """Health after spans with these names were sent, or not."""
    running.spans(*names)
    assert running.pipeline.flush(20)
    return running.health


def test_request(server: Collector) -> None:
    """The request as a whole: target, headers, and a body that the official decoder reads."""
    with to(server) as running:
        health = sent(running, "a", "b")
    (request,) = server.requests
    assert request.line == "POST /v1/traces HTTP/1.1"
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept-encoding": "identity",
        "content-type": "application/x-protobuf",
        "content-length": str(len(request.raw)),
        "user-agent": f"tracing-agent/{__version__} OTel-OTLP-Exporter-Python/{__version__}",
    }
    assert request.names == ["a", "b"]
    assert (health["exported"], health["requests"], health["bytes"]) == (2, 1, len(request.raw))
    assert health["last_success_time"] > 0 and health["last_error"] == ""


def test_connection_is_kept(server: Collector) -> None:
    """Many batches go over one connection."""
    with to(server) as running:
        for name in "abcdef":
            sent(running, name)
    assert server.connections == 1 and len(server.requests) == 6


def test_gzip(server: Collector) -> None:
    """With compression the body is gzip, and says so."""
    with to(server, EXPORTER_OTLP_COMPRESSION="gzip") as running:
        sent(running, *["a"] * 100)
    (request,) = server.requests
    assert request.headers["content-encoding"] == "gzip"
    assert request.names == ["a"] * 100 and len(request.raw) < len(request.body)


def test_json(server: Collector) -> None:
    """``http/json`` sends JSON, and reads a partial success in it."""
    answer = json.dumps({"partialSuccess": {"rejectedSpans": "1", "errorMessage": "no"}}).encode()
    server.answers = [(200, {}, answer)]
    with to(server, EXPORTER_OTLP_PROTOCOL="http/json") as running:
        health = sent(running, "a", "b")
    (request,) = server.requests
    assert request.headers["content-type"] == "application/json"
    spans = json.loads(request.body)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert [span["name"] for span in spans] == ["a", "b"]
    assert (health["exported"], health["failed"]) == (1, {"rejected": 1})


def test_headers(server: Collector) -> None:
    """Headers are the settings', in UTF-8; names compare in any case; those that describe the body stay ours."""
    with to(
        server,
        EXPORTER_OTLP_HEADERS="api-key=general,user-agent=mine,Content-Type=text/plain,content-length=1",
        EXPORTER_OTLP_TRACES_HEADERS="api-key=a%3Db%20%E2%82%AC",
    ) as running:
        sent(running, "a")
    (request,) = server.requests
    assert request.headers["api-key"].encode("latin-1").decode() == "a=b \u20ac"
    assert request.headers["user-agent"] == "mine"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.names == ["a"]


def test_credentials_of_the_url(server: Collector, capsys: pytest.CaptureFixture[str]) -> None:
    """User and password of the endpoint are sent as Basic authorization, and never printed; nor is the query."""
    server.answers = [(500, {}, b"")]
    endpoint = server.endpoint.replace("://", "://user:p%40ss@")
    exporter = OtlpHttpExporter(settings(EXPORTER_OTLP_TRACES_ENDPOINT=f"{endpoint}/own/path?key=secret"))
    with exporting(exporter) as running:
        health = sent(running, "a")
    (request,) = server.requests
    assert request.headers["authorization"] == "Basic dXNlcjpwQHNz"
    assert request.line == "POST /own/path?key=secret HTTP/1.1"
    printed = capsys.readouterr().err + health["last_error"]
    assert "/own/path answered 500" in printed
    assert not any(word in printed for word in ("p@ss", "p%40ss", "secret", "user"))


@pytest.mark.parametrize(
    "answer", [(408, {}, b""), (429, {}, b""), (502, {}, b""), (503, {}, b""), (504, {}, b""), CLOSE, JUNK]
)
def test_retried(
    server: Collector, monkeypatch: pytest.MonkeyPatch, answer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a retryable answer, or a connection that fails, the same body is sent again; one failure is not printed."""
    quick(monkeypatch)
    server.answers = [answer]
    with to(server) as running:
        health = sent(running, "a")
    first, second = server.requests
    assert first.raw == second.raw
    assert (health["exported"], health["failed"], health["retries"]) == (1, {}, 1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("status", [400, 401, 404, 500, 501, 301])
def test_not_retried(server: Collector, status: int) -> None:
    """After any other answer the batch is given up at once, and counted under the status."""
    server.answers = [(status, {}, b"")]
    with to(server) as running:
        health = sent(running, "a", "b")
    assert len(server.requests) == 1
    assert (health["exported"], health["failed"], health["retries"]) == (0, {str(status): 2}, 0)
    assert f"answered {status}" in health["last_error"]


def test_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses double from half a second to eight, each by a factor between 0.5 and 1.5, and differ between processes."""
    runs = []
    for _ in range(2):
        with collector() as server, to(server) as running:
            server.answers = [(503, {}, b"")] * 8
            pauses: list[float] = []
            monkeypatch.setattr(
                running.pipeline.pace, "pause", lambda seconds, kept=pauses: kept.append(seconds) or True
            )
            monkeypatch.setattr(running.pipeline.drain, "timeout", 0)
            monkeypatch.setattr("tracing_agent.export.pipeline._ASKED_MAX", 0.0)
            sent(running, "a")
            runs.append(pauses)
    for pauses in runs:
        assert len(pauses) == 8
        for base, pause in zip((0.5, 1, 2, 4, 8, 8, 8, 8), pauses, strict=True):
            assert base * 0.5 <= pause <= base * 1.5
    assert runs[0] != runs[1]


def test_retry_after(server: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """``Retry-After`` decides about the pause: seconds, a date, never none at all; what is no time is passed over."""
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=20), usegmt=True)
    server.answers = [(503, {"Retry-After": value}, b"") for value in ("7", soon, "0", "soon")]
    pauses: list[float] = []
    monkeypatch.setattr("tracing_agent.export.pipeline._ASKED_MAX", 0.0)
    with to(server) as running:
        monkeypatch.setattr(running.pipeline.pace, "pause", lambda seconds: pauses.append(seconds) or True)
        sent(running, "a")
    assert pauses[0] == 7.0 and 10 < pauses[1] <= 20 and pauses[2] == 0.1
    # The fourth pause is the backoff's.
    assert 2 <= pauses[3] <= 6


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("12", 12.0),
        (" 12 ", 12.0),
        ("1.5", None),
        ("-1", None),
        ("9" * 400, 999999.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("\u0663", None),
        ("a" * 1000, None),
    ],
)
def test_retry_after_value(value: str | None, seconds: float | None) -> None:
    """Every value of ``Retry-After`` is a time or nothing."""
    assert _seconds(value) == seconds


def test_retry_after_too_late(server: Collector) -> None:
    """A ``Retry-After`` past the time that the batch has gives it up at once."""
    server.answers = [(503, {"Retry-After": "3600"}, b"")]
    with to(server) as running:
        assert sent(running, "a")["failed"] == {"503": 1}


def test_timeout() -> None:
    """A collector that does not answer in OTEL_EXPORTER_OTLP_TRACES_TIMEOUT milliseconds is given up in time."""
    with black_hole() as port:
        found = settings(EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", EXPORTER_OTLP_TRACES_TIMEOUT="40")
        with exporting(OtlpHttpExporter(found), timeout=0.1) as running:
            health = sent(running, "a")
    assert health["failed"] == {"timeout": 1} and "no answer in time" in health["last_error"]


def test_stale_connection(server: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kept connection that the server closed meanwhile is opened again, without waiting, and is no retry."""
    server.answers = [(200, {"Connection": "close"}, b""), (200, {}, b""), CLOSE]
    with to(server) as running:
        for name in "abc":
            health = sent(running, name)
    assert (health["exported"], health["retries"], health["failed"]) == (3, 0, {})
    assert server.connections == 3


def test_down_and_back(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A collector that is down is one line, and one when it is back, with what was lost; nothing in between.

    user-pain row 25: a collector that is absent costs one line and one recovery line, no tracebacks.
    """
    quick(monkeypatch)
    port = closed_port()
    found = settings(EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
    with exporting(OtlpHttpExporter(found), timeout=1.0) as running:
        for name in "abc":
            health = sent(running, name)
        assert health["failed"] == {"connection": 3} and health["down"] and health["retries"] > 3
        url = f"http://127.0.0.1:{port}/v1/traces"
        refused = f"{url}: connection refused; is a collector listening there?"
        assert capsys.readouterr().err == (
            f"{WARNING}cannot export spans: {refused}; further failures are counted, not printed\n"
        )
        assert health["last_error"] == refused and health["last_error_time"] > 0
        with collector() as server:
            exporter: Any = running.exporter
            exporter._sender.transport.endpoint.port = server.port
            health = sent(running, "d")
    assert capsys.readouterr().err == (
        f"{WARNING}exporting spans again: {url} takes them; 3 spans lost so far (3 connection)\n"
    )
    assert health["exported"] == 1 and not health["down"]


def test_flapping(server: Collector, capsys: pytest.CaptureFixture[str]) -> None:
    """A collector that fails every other batch is not reported each time."""
    with to(server) as running:
        for _ in range(10):
            server.answers = [(500, {}, b"")]
            sent(running, "a")
            sent(running, "b")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "cannot export" in lines[0] and "again" in lines[1]


def test_partial_success(server: Collector, capsys: pytest.CaptureFixture[str]) -> None:
    """Rejected spans are counted as failed, and the reason is printed once."""
    answer = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=2, error_message="too old")
    )
    server.answers = [(200, {}, answer.SerializeToString())] * 2
    with to(server) as running:
        sent(running, "a", "b", "c")
        health = sent(running, "d", "e", "f")
    assert (health["exported"], health["failed"]) == (2, {"rejected": 4})
    where = f"{server.endpoint}/v1/traces"
    assert capsys.readouterr().err == f"{WARNING}{where} rejected 2 of 3 spans: too old\n"
    assert health["last_error"] == f"{where} rejected spans: too old"


def test_warning(server: Collector, capsys: pytest.CaptureFixture[str]) -> None:
    """A message without rejected spans is a warning; the spans are exported."""
    answer = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(error_message="old version"))
    server.answers = [(200, {}, answer.SerializeToString())]
    with to(server) as running:
        health = sent(running, "a")
    assert (health["exported"], health["failed"]) == (1, {})
    assert capsys.readouterr().err.endswith("took all spans, with a warning: old version\n")


@pytest.mark.parametrize(
    "answer", [b"\xff", b"\x0a\xff", b"{", b"\x0a\x02\x08", b"\x0b" * 20, b"null", b'{"partialSuccess": 1}']
)
def test_answers_that_say_nothing(answer: bytes) -> None:
    """A response that cannot be read is a success that says nothing."""
    assert from_protobuf(answer) == (0, "")
    assert from_json(answer) == (0, "")


def test_split(server: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch larger than a request may be is sent in parts, in order; a span that is larger alone is dropped."""
    monkeypatch.setattr(sender, "REQUEST_MAX", 2000)
    with to(server) as running:
        for index in range(20):
            span = running.tracer.start_span(str(index))
            span.set_attribute("text", "x" * (3000 if index == 7 else 300))
            span.end()
        assert running.pipeline.flush(20)
        health = running.health
    assert all(len(request.body) <= 2000 for request in server.requests)
    assert [name for request in server.requests for name in request.names] == [str(i) for i in range(20) if i != 7]
    assert (health["exported"], health["failed"]) == (19, {"too large": 1})


def test_limit_is_64_mib(server: Collector) -> None:
    """The real limit: two spans that make more than 64 MiB together are two requests."""
    with to(server) as running:
        for name in "ab":
            span = running.tracer.start_span(name)
            span.set_attribute("text", "x" * (33 << 20))
            span.end()
        assert running.pipeline.flush(30)
        assert running.health["exported"] == 2
    assert [request.names for request in server.requests] == [["a"], ["b"]]


@pytest.mark.parametrize("answer", [(413, {}, b""), CLOSE_EARLY])
def test_too_large_for_the_server(server: Collector, answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A server with a smaller limit (413, also before it has read everything) gets the batch in parts."""
    server.answers = [answer]
    with to(server) as running:
        for name in "abcd":
            span = running.tracer.start_span(name)
            span.set_attribute("text", "x" * 500_000)
            span.end()
        assert running.pipeline.flush(20)
        health = running.health
    assert [request.names for request in server.requests][-2:] == [["a", "b"], ["c", "d"]]
    assert (health["exported"], health["failed"]) == (4, {})
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("ENDPOINT", "localhost:4318", "has no scheme; write http://localhost:4318"),
        ("TRACES_ENDPOINT", "127.0.0.1:4318/v1/traces", "has no scheme; write http://127.0.0.1:4318/v1/traces"),
        ("ENDPOINT", "collector:443", "has no scheme; write https://collector:443"),
        ("ENDPOINT", "//collector:4318", "has no scheme; write http://collector:4318"),
        (
            "ENDPOINT",
            "grpc://collector:4317",
            (
                "has a scheme that is not HTTP's; write http://collector:4318, "
                "or set OTEL_EXPORTER_OTLP_PROTOCOL=grpc and write http://collector:4317"
            ),
        ),
        ("ENDPOINT", "http://", "names no host; write for example http://localhost:4318"),
        ("ENDPOINT", "http://[::1", "is no URL (Invalid IPv6 URL); write for example http://localhost:4318"),
        ("ENDPOINT", "unix:///run/otel.sock", "has a scheme that is not HTTP's; write http://"),
    ],
)
def test_wrong_endpoint(name: str, value: str, advice: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An endpoint that cannot work is one line that names variable and value, and says what to write instead."""
    exporter = OtlpHttpExporter(settings(**{f"EXPORTER_OTLP_{name}": value}))
    with exporting(exporter) as running:
        sent(running, "a")
        health = sent(running, "b")
    line = capsys.readouterr().err
    assert line.startswith(f"{WARNING}spans are not exported: OTEL_EXPORTER_OTLP_{name}={value!r} {advice}")
    assert line.count("\n") == 1
    assert health["failed"] == {"settings": 2} and "OTEL_EXPORTER_OTLP" in health["last_error"]


def test_wrong_port(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is none is the same line."""
    exporter = OtlpHttpExporter(settings(EXPORTER_OTLP_ENDPOINT="http://user:pass@collector:port"))
    with exporting(exporter) as running:
        sent(running, "a")
    line = capsys.readouterr().err
    assert "'http://REDACTED@collector:port' is no URL (Port could not be cast" in line


def test_wrong_header(capsys: pytest.CaptureFixture[str]) -> None:
    """A header that HTTP cannot carry is one line that names it, without its value."""
    exporter = OtlpHttpExporter(settings(EXPORTER_OTLP_HEADERS="key=secret%0d%0aevil: 1"))
    with exporting(exporter) as running:
        assert sent(running, "a")["failed"] == {"settings": 1}
    line = capsys.readouterr().err
    assert "OTEL_EXPORTER_OTLP_HEADERS: the header 'key' has characters" in line and "secret" not in line


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ((401, {}, b""), "answered 401; check OTEL_EXPORTER_OTLP_HEADERS"),
        ((404, {}, b""), "answered 404; check OTEL_EXPORTER_OTLP_ENDPOINT (/v1/traces is appended to it)"),
        (
            (301, {"Location": "https://new"}, b""),
            "answered 301; redirects are not followed, set OTEL_EXPORTER_OTLP_ENDPOINT to where it points (https://new)",
        ),
        ((400, {}, b""), "answered 400; if it expects TLS, write https://"),
    ],
)
def test_advice(server: Collector, answer: Any, advice: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What went wrong comes with what to look at."""
    server.answers = [answer]
    with to(server) as running:
        sent(running, "a")
    assert f"{server.endpoint}/v1/traces {advice}; further" in capsys.readouterr().err


def test_no_http_there(server: Collector) -> None:
    """A server that does not speak HTTP/1.1, as gRPC's, is named as that; the port of gRPC gets a hint."""
    server.answers = [JUNK] * 10
    with to(server) as running:
        running.pipeline.drain.timeout = 0.01
        health = sent(running, "a")
        assert "does not speak HTTP/1.1" in health["last_error"]
        exporter: Any = running.exporter
        exporter._sender.transport.endpoint.port = 4317
        assert "4317 is the gRPC port" in sent(running, "b")["last_error"]


def test_unknown_host() -> None:
    """A name that cannot be resolved is named as that."""
    exporter = OtlpHttpExporter(settings(EXPORTER_OTLP_ENDPOINT="http://no-such-host.invalid:4318"))
    with exporting(exporter, timeout=0.01) as running:
        assert "the name no-such-host.invalid cannot be resolved" in sent(running, "a")["last_error"]


def test_ipv6() -> None:
    """An IPv6 address in brackets is reached, and named in the Host header with them."""
    import http.server
    import socket
    import threading

    class Server(http.server.HTTPServer):
        address_family = socket.AF_INET6

    hosts = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hosts.append(self.headers["Host"])
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    try:
        server = Server(("::1", 0), Handler)
    except OSError:
        pytest.skip("no IPv6 here")
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        exporter = OtlpHttpExporter(settings(EXPORTER_OTLP_ENDPOINT=f"http://[::1]:{server.server_port}"))
        with exporting(exporter) as running:
            assert sent(running, "a")["exported"] == 1
    finally:
        server.shutdown()
        server.server_close()
    assert hosts == [f"[::1]:{server.server_port}"]


def test_prints_nothing_of_its_own(
    server: Collector, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program that prints its own HTTP traffic (`HTTPConnection.debuglevel`) does not print ours."""
    import http.client

    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with to(server) as running:
        sent(running, "a")
    assert capsys.readouterr() == ("", "")


def test_imports_late() -> None:
    """Making the exporter imports no module of the network; the first batch does, on the export thread."""
    code = (
        "import sys\n"
        "from tracing_agent.config import Settings\n"
        "import tracing_agent.export.pipeline\n"
        "before = set(sys.modules)\n"
        "from tracing_agent.export.otlp_http import OtlpHttpExporter\n"
        "OtlpHttpExporter(Settings({}))\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "tracing_agent.export.otlp_http\n"
