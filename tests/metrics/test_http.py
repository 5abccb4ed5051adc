"""HTTP: durations of requests served and sent, and the requests being served."""

from __future__ import annotations

import asyncio
from typing import Any

import flask
import pytest
import requests
from fastapi import FastAPI, WebSocket
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, sampling

from clients.server import Server
from metrics.conftest import Make
from tracing_agent.config import Settings
from tracing_agent.metrics.instruments import HTTP_BOUNDARIES
from tracing_agent.semconv.http.settings import HttpSettings

SERVED, SENT = "http_server_request_duration_seconds", "http_client_request_duration_seconds"
ACTIVE = "http_server_active_requests"
SAMPLERS = [sampling.DEFAULT_ON, sampling.DEFAULT_OFF, sampling.ALWAYS_OFF]


class Asked(sampling.Sampler):
    """A sampler of the program's own, that wants nothing."""

    def should_sample(self, *args: Any, **kwargs: Any) -> sampling.SamplingResult:
        return sampling.SamplingResult(sampling.Decision.DROP)

    def get_description(self) -> str:
        return "Asked"


def shop() -> flask.Flask:
    app = flask.Flask("shop")

    @app.get("/items/<int:number>")
    def item(number: int) -> str:
        if number == 0:
            raise ValueError("no such item")
        return str(trace.get_current_span().get_span_context().trace_flags)

    return app


@pytest.mark.parametrize("sampler", [*SAMPLERS, Asked()], ids=lambda sampler: sampler.get_description())
def test_requests_served(measured: Make, sampler: sampling.Sampler) -> None:
    """Every request is measured, sampled or not, with the conventions' attributes and boundaries."""
    recorder, metrics = measured(sampler)
    recorder.patch("flask")
    client = shop().test_client()
    for path in ("/items/1", "/items/2", "/items/0", "/nothing"):
        client.get(path, base_url="https://shop.example").get_data()
    found = metrics.scraped()
    given = {"http_request_method": "GET", "url_scheme": "https", "network_protocol_version": "1.1"}
    counts = [labels for labels, _ in found.samples[f"{SERVED}_count"]]
    route = "/items/<int:number>"
    assert counts == [
        {**given, "http_response_status_code": "200", "http_route": route},
        {**given, "http_response_status_code": "500", "http_route": route, "error_type": "ValueError"},
        {**given, "http_response_status_code": "404"},
    ]
    assert found.value(f"{SERVED}_count", http_response_status_code="200") == 2
    bounds = [
        labels["le"] for labels in found.labels(f"{SERVED}_bucket") if labels["http_response_status_code"] == "404"
    ]
    assert [float(bound) for bound in bounds] == [*HTTP_BOUNDARIES, float("inf")]
    assert bool(recorder.spans()) is (sampler is sampling.DEFAULT_ON)


def test_metric_and_span_agree(measured: Make) -> None:
    """The duration measured is that of the span, to the nanosecond."""
    recorder, metrics = measured()
    recorder.patch("flask")
    shop().test_client().get("/items/1").get_data()
    (span,) = recorder.finished
    assert span.end_time is not None
    assert metrics.scraped().value(f"{SERVED}_sum") == (span.end_time - span.start_time) / 1e9


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.get_description())
def test_requests_sent(measured: Make, sampler: sampling.Sampler) -> None:
    """A request sent is measured below a request that is not sampled, and below nothing."""
    recorder, metrics = measured(sampler)
    recorder.patch("flask")
    recorder.patch("requests")
    server, app = Server(), flask.Flask("shop")

    @app.get("/")
    def index() -> str:
        return str(requests.get(server.url("/status/503"), timeout=30).status_code)

    try:
        assert app.test_client().get("/").get_data() == b"503"
        requests.get(server.url("/status/200"), timeout=30)
    finally:
        server.close()
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url("/status/200"), timeout=30)
    found = metrics.scraped()
    assert found.value(f"{SENT}_count", http_response_status_code="503", error_type="503") == 1
    assert found.value(f"{SENT}_count", http_response_status_code="200") == 1
    assert found.value(f"{SENT}_count", error_type="requests.exceptions.ConnectionError") == 1
    assert all(
        {"http_request_method", "server_address", "server_port"} <= set(given)
        for given in found.labels(f"{SENT}_count")
    )
    assert found.value(f"{SERVED}_count") == 1


def test_unsampled_is_as_without_metrics(measured: Make) -> None:
    """What is not sampled is propagated as such, and seen by no processor; the program's own spans record nothing."""
    recorder, metrics = measured(sampling.DEFAULT_OFF)
    seen: list[Any] = []

    class Seeing(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            seen.append(span)

        def on_end(self, span: Any) -> None:
            seen.append(span)

    recorder.provider.add_span_processor(Seeing())
    recorder.patch("flask")
    recorder.patch("requests")
    server, app = Server(), flask.Flask("shop")

    @app.get("/")
    def index() -> str:
        with recorder.tracer.start_as_current_span("manual") as span:
            assert not span.is_recording()
            requests.get(server.url(), timeout=30)
        return ""

    try:
        app.test_client().get("/").get_data()
        (request,) = server.seen
    finally:
        server.close()
    assert request.one("traceparent").endswith("-00")
    assert not seen
    assert not recorder.finished
    found = metrics.scraped()
    # Below the program's own span, too.
    assert found.value(f"{SENT}_count") == 1
    assert found.value("otel_span_started_total", sampled="true") == 0


def test_excluded_is_not_measured(measured: Make) -> None:
    """Requests that the owner excluded are not measured, nor what is done for them."""
    recorder, metrics = measured()
    recorder.engine.http = HttpSettings.of(Settings({"OTEL_PYTHON_EXCLUDED_URLS": "health"}).http)
    recorder.patch("flask")
    app = flask.Flask("shop")
    app.get("/health")(lambda: "fine")
    app.test_client().get("/health").get_data()
    assert f"{SERVED}_count" not in metrics.scraped().samples


def test_exemplars(measured: Make) -> None:
    """A bucket names the trace of a sampled request, in the format that has exemplars; none is named otherwise."""
    recorder, metrics = measured()
    recorder.patch("flask")
    shop().test_client().get("/items/1").get_data()
    (span,) = recorder.finished
    (exemplar,) = metrics.scraped(open_metrics=True).exemplars[f"{SERVED}_bucket"]
    assert exemplar.startswith(f'{{trace_id="{span.trace.id:032x}",span_id="{span.span_id:016x}"}} ')
    assert not metrics.scraped().exemplars

    recorder.undo()
    recorder, metrics = measured(sampling.DEFAULT_OFF)
    recorder.patch("flask")
    shop().test_client().get("/items/1").get_data()
    assert not metrics.scraped(open_metrics=True).exemplars


def test_active_requests(measured: Make) -> None:
    """While a request is served it is one active request, and none after it."""
    recorder, metrics = measured(sampling.DEFAULT_OFF)
    recorder.patch("flask")
    app, during = flask.Flask("shop"), []
    app.get("/")(lambda: during.append(metrics.scraped().samples.get(ACTIVE)) or "")
    app.test_client().get("/").get_data()
    labels = {"http_request_method": "GET", "url_scheme": "http"}
    assert during == [[(labels, 1.0)]]
    assert metrics.scraped().samples[ACTIVE] == [(labels, 0.0)]


def test_abandoned_requests_are_not_active(measured: Make) -> None:
    """A request whose response nobody reads is no active one once it is gone, and takes no memory."""
    recorder, metrics = measured()
    recorder.patch("flask")
    app = flask.Flask("shop")
    app.get("/")(lambda: flask.Response(iter(["a", "b"])))
    for _ in range(3):
        app.test_client().get("/")
    assert metrics.scraped().value(ACTIVE) <= 3
    assert len(metrics.metrics._active) <= 3


def test_websockets_are_no_requests(measured: Make) -> None:
    """A WebSocket connection, which lasts as long as people like, is not among the durations of requests."""
    recorder, metrics = measured()
    recorder.patch("fastapi")
    app = FastAPI()

    @app.get("/")
    async def index() -> str:
        return "here"

    @app.websocket("/talk")
    async def talk(socket: WebSocket) -> None: ...

    async def connect() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: dict[str, Any]) -> None:
            pass

        scope = {"type": "websocket", "path": "/talk", "headers": [], "query_string": b"", "scheme": "ws"}
        await app({**scope, "asgi": {"version": "3.0"}, "subprotocols": []}, receive, send)

    asyncio.run(connect())
    assert recorder.spans()
    assert f"{SERVED}_count" not in metrics.scraped().samples
