"""requests: one client span per request on the wire, with context injected into a copy of its headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from tracing_agent.drivers.call import outgoing
from tracing_agent.operation import HTTP_CLIENT, Operation
from tracing_agent.patching.targets import Target
from tracing_agent.semconv.http import client_request, client_response

if TYPE_CHECKING:
    from types import ModuleType

    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter

    from tracing_agent.trace.carrier import Carrier
    from tracing_agent.trace.span import Dropped, Span

SEND = Operation("requests", "HTTP", SpanKind.CLIENT, key=HTTP_CLIENT)

_VERSIONS = {10: "1.0", 11: "1.1", 20: "2"}


def send(span: Span, adapter: HTTPAdapter, request: PreparedRequest, *args: Any, **kwargs: Any) -> None:
    """A prepared request goes to an adapter."""
    client_request(span, request.method or "", request.url or "")


def sent(span: Span, response: Response) -> None:
    """Its response's headers are here."""
    client_response(span, response.status_code)
    version = _VERSIONS.get(getattr(response.raw, "version", None) or 0)
    if version is not None:
        span.values["network.protocol.version"] = version


def carry(
    carrier: Carrier,
    identity: Span | Dropped,
    adapter: HTTPAdapter,
    request: PreparedRequest,
    *args: Any,
    **kwargs: Any,
) -> tuple[Any, ...]:
    """The arguments with a copy of the request: what the caller holds keeps the headers that the caller gave it."""
    wire = object.__new__(type(request))
    wire.__dict__.update(request.__dict__)
    wire.headers = request.headers.copy()
    carrier.inject(identity, wire.headers.__setitem__)
    return (adapter, wire, *args)


def settle(outcome: Any, adapter: HTTPAdapter, request: PreparedRequest, *args: Any, **kwargs: Any) -> None:
    """Let the response or exception refer to the caller's request again."""
    if getattr(outcome, "request", None) is not None:
        outcome.request = request


def targets(requests: ModuleType) -> dict[str, tuple[Target, ...]]:
    """Where requests is cut: below redirects and retries by authentication, above the connection pool."""
    return {"requests": (Target("requests.adapters", "HTTPAdapter.send", outgoing(SEND, send, sent, carry, settle)),)}
