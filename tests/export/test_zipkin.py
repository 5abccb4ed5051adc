"""Zipkin: whole requests in its JSON, its variables, and beside other exporters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags, set_span_in_context

from export.pipelines import Exporting, exporting, quick, settings
from export.servers import Collector
from support.recorder import CountedIds
from tracing_agent.export.configured import exporters_of
from tracing_agent.export.otlp_http import OtlpHttpExporter
from tracing_agent.export.zipkin import ZipkinEncoder
from tracing_agent.trace.provider import TracerProvider

MS = 1_000_000


@pytest.fixture
def zipkin() -> Iterator[Collector]:
    """A Zipkin that takes everything with 202, as the real one does."""
    found = Collector()
    found.answers = [(202, {}, b"")] * 20
    yield found
    found.close()


def tracer(running: Exporting) -> Any:
    """A tracer with counted ids whose spans go the way of ``running``."""
    provider = TracerProvider(resource=running.provider.resource, shutdown_on_exit=False, id_generator=CountedIds())
    provider.engine.deliver(running.pipeline.offer)
    return provider.get_tracer("test", "1.2")


def sent(collector: Collector) -> list[Any]:
    """All spans that arrived, parsed."""
    return [span for request in collector.requests for span in json.loads(request.body)]


def test_request(zipkin: Collector) -> None:
    """A server span with an event and an error, and a client span below it, are what Zipkin's API defines."""
    with exporting(
        OtlpHttpExporter(settings(EXPORTER_ZIPKIN_ENDPOINT=zipkin.endpoint + "/api/v2/spans").zipkin)
    ) as running:
        made = tracer(running)
        server = made.start_span("GET /items", kind=SpanKind.SERVER, start_time=MS)
        client = made.start_span(
            "SELECT",
            set_span_in_context(server),
            SpanKind.CLIENT,
            {"server.address": "db", "server.port": 5432},
            start_time=2 * MS,
        )
        client.set_attributes({"rows": 3, "ok": True, "ratio": 0.5, "names": ("a", "b"), "nan": float("nan")})
        client.end(2 * MS + 400)
        server.add_event("cache miss", timestamp=3 * MS)
        server.add_event("exception", {"exception.type": "ValueError", "n": 1}, 4 * MS)
        server.set_attribute("error", "of the program")
        server.set_status(StatusCode.ERROR, "no such item")
        server.end(5 * MS)
        assert running.pipeline.flush(5)
        assert running.pipeline.health.exported == 2
    (request,) = zipkin.requests
    assert request.line == "POST /api/v2/spans HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    scope = {"otel.scope.name": "test", "otel.scope.version": "1.2"}
    assert sent(zipkin) == [
        {
            "traceId": f"{1:032x}",
            "id": f"{2:016x}",
            "parentId": f"{1:016x}",
            "name": "SELECT",
            "kind": "CLIENT",
            "timestamp": 2000,
            "duration": 1,
            "localEndpoint": {"serviceName": "test"},
            "remoteEndpoint": {"serviceName": "db", "port": 5432},
            "tags": {
                "server.address": "db",
                "server.port": "5432",
                "rows": "3",
                "ok": "true",
                "ratio": "0.5",
                "names": '["a","b"]',
                "nan": '"nan"',
                **scope,
            },
        },
        {
            "traceId": f"{1:032x}",
            "id": f"{1:016x}",
            "name": "GET /items",
            "kind": "SERVER",
            "timestamp": 1000,
            "duration": 4000,
            "localEndpoint": {"serviceName": "test"},
            "annotations": [
                {"timestamp": 3000, "value": "cache miss"},
                {"timestamp": 4000, "value": '{"exception": {"exception.type": "ValueError", "n": 1}}'},
            ],
            "tags": {"error": "no such item", "otel.status_code": "ERROR", **scope},
        },
    ]


def test_internal_span_and_what_was_dropped() -> None:
    """An internal span has no kind, a span that is no error no ``error`` tag; what was dropped is counted."""
    provider = TracerProvider(shutdown_on_exit=False, id_generator=CountedIds())
    kept: list[Any] = []
    provider.engine.deliver(kept.append)
    span = provider.get_tracer("test").start_span(
        "work", attributes={"error": "x"}, links=[Link(SpanContext(9, 9, False, TraceFlags(1)))], start_time=0
    )
    for _ in range(130):
        span.add_event("e")
    span.set_status(StatusCode.OK)
    span.end(10_000_000)
    encoder = ZipkinEncoder()
    (found,) = json.loads(encoder.wrap(encoder.span_messages(kept), provider.resource))
    assert "kind" not in found
    assert found["tags"] == {
        "otel.scope.name": "test",
        "otel.status_code": "OK",
        "otel.dropped_events_count": "2",
    }


def test_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], zipkin: Collector) -> None:
    """A refusal names Zipkin's variable, and nothing of OTLP; a busy server is tried again."""
    quick(monkeypatch)
    zipkin.answers = [(503, {}, b""), (202, {}, b""), (404, {}, b"")]
    with exporting(OtlpHttpExporter(settings(EXPORTER_ZIPKIN_ENDPOINT=zipkin.endpoint + "/wrong").zipkin)) as running:
        running.spans("taken")
        assert running.pipeline.flush(5)
        running.spans("refused")
        assert running.pipeline.flush(5)
        assert (running.health["exported"], running.health["failed"]) == (1, {"404": 1})
    assert "answered 404; check OTEL_EXPORTER_ZIPKIN_ENDPOINT;" in capsys.readouterr().err


def test_unusable(capsys: pytest.CaptureFixture[str]) -> None:
    """An endpoint that is no URL is one line with the variable, and spans are counted as lost."""
    with exporting(OtlpHttpExporter(settings(EXPORTER_ZIPKIN_ENDPOINT="zipkin:9411").zipkin)) as running:
        running.spans("lost")
        assert running.pipeline.flush(5)
        assert running.health["failed"] == {"settings": 1}
    assert "OTEL_EXPORTER_ZIPKIN_ENDPOINT='zipkin:9411' has no scheme" in capsys.readouterr().err


def test_variables() -> None:
    """The default endpoint and time-out are the specification's; OTLP's variables say nothing about Zipkin."""
    found = settings(
        EXPORTER_OTLP_ENDPOINT="http://otlp:1", EXPORTER_OTLP_HEADERS="a=b", EXPORTER_OTLP_TIMEOUT="1"
    ).zipkin
    assert (found.endpoint, found.timeout, found.headers) == ("http://localhost:9411/api/v2/spans", 10000, {})


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        ("otlp", ["OtlpHttpExporter"]),
        ("none", []),
        ("otlp,console", ["OtlpHttpExporter", "ConsoleExporter"]),
        ("zipkin,console,zipkin_json", ["OtlpHttpExporter", "ConsoleExporter"]),
        ("zipkin,otlp", ["Uncounted", "OtlpHttpExporter"]),
        ("logging", ["ConsoleExporter"]),
        ("otlp_proto_grpc", ["OtlpGrpcExporter"]),
        ("OTLP_JSON_HTTP", ["OtlpHttpExporter"]),
    ],
)
def test_lists(names: str, kinds: list[str]) -> None:
    """A list gives each exporter once, by the specification's names and the Python SDK's."""
    assert [type(found).__name__ for found in exporters_of(settings(TRACES_EXPORTER=names))] == kinds


def test_protocol_by_name_of_exporter() -> None:
    """The Python SDK's names say by which protocol; the variables do not change that."""
    assert settings(TRACES_EXPORTER="otlp_json_http", EXPORTER_OTLP_PROTOCOL="grpc").protocol == "http/json"
    assert settings(TRACES_EXPORTER="otlp_proto_grpc").endpoint == "http://localhost:4317"


def test_protocol_and_endpoint_by_signal() -> None:
    """Each signal has its protocol; a general endpoint gets the signal's path, a signal's own is taken as it is."""
    found = settings(
        EXPORTER_OTLP_ENDPOINT="http://c:1/base/",
        EXPORTER_OTLP_PROTOCOL="http/json",
        EXPORTER_OTLP_LOGS_PROTOCOL="http/protobuf",
        EXPORTER_OTLP_LOGS_HEADERS="a=b",
    )
    assert (found.protocol, found.endpoint) == ("http/json", "http://c:1/base/v1/traces")
    assert (found.logs.otlp.protocol, found.logs.otlp.endpoint) == ("http/protobuf", "http://c:1/base/v1/logs")
    assert (found.headers, found.logs.otlp.headers) == ({}, {"a": "b"})
    own = settings(EXPORTER_OTLP_ENDPOINT="http://c:1", EXPORTER_OTLP_TRACES_ENDPOINT="http://t:2/x/")
    assert (own.endpoint, own.logs.otlp.endpoint) == ("http://t:2/x/", "http://c:1/v1/logs")


def test_beside_otlp(zipkin: Collector, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With OTLP and Zipkin every span is counted once, as OTLP fared; Zipkin's outage is said all the same."""
    quick(monkeypatch)
    otlp = Collector()
    found = settings(
        TRACES_EXPORTER="zipkin,otlp",
        EXPORTER_OTLP_ENDPOINT=otlp.endpoint,
        EXPORTER_ZIPKIN_ENDPOINT=zipkin.endpoint + "/api/v2/spans",
    )
    first, second = exporters_of(found)

    class Both:
        def prepare(self) -> None:
            first.prepare()
            second.prepare()

        def export(self, *arguments: Any) -> None:
            first.export(*arguments)
            second.export(*arguments)

        def flush(self, closing: bool) -> None:
            first.flush(closing)
            second.flush(closing)

        def forget(self) -> None:
            raise AssertionError

    zipkin.answers = [(202, {}, b""), (400, {}, b"")]
    try:
        with exporting(Both()) as running:
            running.spans("one", "two")
            assert running.pipeline.flush(5)
            running.spans("three")
            assert running.pipeline.flush(5)
            assert (running.health["exported"], running.health["failed"]) == (3, {})
    finally:
        otlp.close()
    assert [span["name"] for span in sent(zipkin)] == ["one", "two", "three"]
    assert [name for request in otlp.requests for name in request.names] == ["one", "two", "three"]
    assert f"cannot export spans: {zipkin.endpoint}/api/v2/spans answered 400" in capsys.readouterr().err
