"""The exporter's own traffic is never traced, whatever the application patched."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import context as context_api
from opentelemetry import propagate
from opentelemetry.baggage import set_baggage
from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor, sampling
from opentelemetry.trace import SpanKind

from export.pipelines import Exporting, exporting, settings
from export.servers import Collector, collector
from tracing_agent.drivers.call import call, outgoing
from tracing_agent.export.otlp_http import OtlpHttpExporter
from tracing_agent.operation import HTTP_CLIENT, Operation
from tracing_agent.patching.targets import Target, apply
from tracing_agent.trace.sdk import SUPPRESS_KEY


@pytest.fixture
def server() -> Iterator[Collector]:
    """A collector."""
    with collector() as found:
        yield found


@pytest.fixture
def running(server: Collector) -> Iterator[Exporting]:
    """A pipeline to it, over a connection that is opened anew for each request."""
    found = settings(EXPORTER_OTLP_ENDPOINT=server.endpoint)
    with exporting(OtlpHttpExporter(found)) as running:
        # Every span, whatever its parent.
        running.provider.sampler = running.provider.engine.sampler
        running.provider.engine.sampled_by(sampling.ALWAYS_ON)
        yield running


def exported(running: Exporting, server: Collector) -> list[str]:
    """The names of all spans that arrived after one was made, and those that the sending of it made were sent."""
    for name in ("one", "two"):
        running.spans(name)
        assert running.pipeline.flush(10)
    assert "traceparent" not in server.requests[0].headers and "baggage" not in server.requests[0].headers
    return [name for request in server.requests for name in request.names]


@pytest.mark.parametrize("context", [None, Context()], ids=["current", "empty"])
def test_naive_patch(
    running: Exporting, server: Collector, monkeypatch: pytest.MonkeyPatch, context: Context | None
) -> None:
    """A hand-made patch of `http.client` and `socket` that makes spans through the API without any check makes none."""
    seen = []

    def traced(original: Any) -> Any:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with running.tracer.start_as_current_span("ours?", context, SpanKind.CLIENT) as span:
                headers: dict[str, str] = {}
                propagate.inject(headers)
                seen.append((span.is_recording(), context_api.get_value(SUPPRESS_KEY), headers))
                if "headers" in kwargs or len(args) > 4:
                    args[4].update(headers)
                return original(*args, **kwargs)

        return wrapper

    monkeypatch.setattr(http.client.HTTPConnection, "request", traced(http.client.HTTPConnection.request))
    monkeypatch.setattr(http.client.HTTPConnection, "connect", traced(http.client.HTTPConnection.connect))
    monkeypatch.setattr(socket, "getaddrinfo", traced(socket.getaddrinfo))
    assert exported(running, server) == ["one", "two"]
    assert seen and all(entry == (False, True, {}) for entry in seen)


def test_our_instrumentations(running: Exporting, server: Collector) -> None:
    """An instrumentation of ours on the very functions that the exporter calls makes no span and writes no header."""
    called = []
    request = Operation("client", "HTTP", SpanKind.CLIENT, key=HTTP_CLIENT)

    def carry(carrier: Any, identity: Any, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        carrier.inject(identity, args[4].__setitem__)
        return args

    wrap = outgoing(request, lambda span, *_, **__: called.append(span), lambda *_: None, carry, lambda *_, **__: None)
    plain = call(Operation("client", "connect"), lambda span, *_, **__: called.append(span))
    patches = apply(
        [
            Target("http.client", "HTTPConnection.request", wrap),
            Target("http.client", "HTTPConnection.connect", plain),
        ],
        running.provider.engine,
    )
    try:
        assert exported(running, server) == ["one", "two"]
    finally:
        for patch in patches:
            patch.undo()
    assert not called


def test_processors_see_nothing(running: Exporting, server: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A span processor of the application hears of its own spans only."""
    names: list[str] = []

    class Listening(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            names.append(span.name)

    running.provider.add_span_processor(Listening())
    original = http.client.HTTPConnection.request

    def request(*args: Any, **kwargs: Any) -> Any:
        with running.tracer.start_as_current_span("ours?"):
            return original(*args, **kwargs)

    monkeypatch.setattr(http.client.HTTPConnection, "request", request)
    exported(running, server)
    assert names == ["one", "two"]


def test_on_the_callers_thread(running: Exporting, server: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there is no export thread: the caller's span and baggage do not leave, and are there afterwards."""
    monkeypatch.setattr("tracing_agent.export.pipeline.spawn", _no_thread)
    token = context_api.attach(set_baggage("key", "value"))
    original = http.client.HTTPConnection.request

    def request(*args: Any, **kwargs: Any) -> Any:
        args = (*args[:4], dict(args[4]))
        propagate.inject(args[4])
        return original(*args, **kwargs)

    monkeypatch.setattr(http.client.HTTPConnection, "request", request)
    try:
        with running.tracer.start_as_current_span("outer") as outer:
            assert exported(running, server) == ["one", "two"]
            assert context_api.get_value(SUPPRESS_KEY) is None
            with running.tracer.start_as_current_span("inner") as inner:
                assert inner.parent.span_id == outer.get_span_context().span_id
    finally:
        context_api.detach(token)
    assert running.pipeline.close(10)


def _no_thread(run: Any) -> None:
    raise RuntimeError("can't start new thread")
