"""The ways to make a span that the span workloads compare: the OpenTelemetry API, and each agent's own."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from measure import AGENT

# What a span of an HTTP request carries.
ATTRIBUTES: dict[str, str | int] = {
    "http.request.method": "GET",
    "url.scheme": "http",
    "url.path": "/hello/world",
    "http.route": "/hello/<name>",
    "http.response.status_code": 200,
    "server.address": "shop.example",
    "server.port": 8000,
    "client.address": "127.0.0.1",
    "network.peer.address": "127.0.0.1",
    "network.peer.port": 50000,
    "user_agent.original": "benchmark/1",
}

Make = Callable[[], object]


def attributes(count: int) -> dict[str, str | int]:
    """`count` attributes: the usual eleven, then numbered ones."""
    numbered = {f"attribute.{number}": f"value {number}" for number in range(count)}
    return dict(list((ATTRIBUTES | numbered).items())[:count])


def by_api(count: int = len(ATTRIBUTES)) -> Callable[..., object]:
    """A span begun by `tracer.start_span`, given its attributes one by one, and ended; takes a parent's Context."""
    from opentelemetry.trace import SpanKind, get_tracer

    tracer, given, kind = get_tracer("benchmark"), list(attributes(count).items()), SpanKind.SERVER

    def make(parent: Any = None) -> None:
        span = tracer.start_span("GET /hello/<name>", parent, kind)
        for name, value in given:
            span.set_attribute(name, value)
        span.end()

    return make


def by_operation(count: int = len(ATTRIBUTES)) -> Make:
    """A span as our instrumentations make it: an `Operation` around a call that does nothing."""
    from opentelemetry.trace import SpanKind
    from tracing_agent.agent import start
    from tracing_agent.drivers.call import call
    from tracing_agent.operation import Operation

    agent, given = start(), list(attributes(count).items())
    assert agent is not None

    def describe(span: Any) -> None:
        values = span.values
        for name, value in given:
            values[name] = value

    operation = Operation("benchmark", "GET /hello/<name>", SpanKind.SERVER)
    make: Make = call(operation, describe)(lambda: None, agent.provider.engine)
    return make


def by_datadog(count: int = len(ATTRIBUTES)) -> Make:
    """A span of Datadog's own tracer."""
    tracer = import_module("ddtrace.trace").tracer
    given = list(attributes(count).items())

    def make() -> None:
        span = tracer.start_span("http.request", resource="GET /hello/<name>", span_type="web")
        for name, value in given:
            span.set_tag(name, value)
        span.finish()

    return make


def maker(way: str, count: int = len(ATTRIBUTES)) -> Make:
    """The agent's way called `way`: "api" (Datadog's own where the agent is Datadog's) or "operation"."""
    if way == "operation":
        return by_operation(count)
    return by_datadog(count) if AGENT == "dd" else by_api(count)
