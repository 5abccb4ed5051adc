"""What an HTTP server span says: request, route, response, and a WebSocket's end.

Source: semantic conventions 1.44, "HTTP server"; RFC 7239 for ``Forwarded``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.trace.status import StatusCode

from tracing_agent.semconv.errors import ERROR, recorded
from tracing_agent.semconv.http.methods import OTHER, method_of
from tracing_agent.semconv.http.url import LONGEST, PORTS, host_port, redacted_query
from tracing_agent.trace.readable import Handled

if TYPE_CHECKING:
    from tracing_agent.trace.span import Span

_codes = {code: str(code) for code in range(100, 600)}


class Forwarded(NamedTuple):
    """What the last proxy says that the client asked for; None for what it does not say."""

    client: str | None
    scheme: str | None
    host: str | None


def forwarded(
    header: str | None, client: str | None, scheme: str | None, host: str | None, port: str | None
) -> Forwarded:
    """The first hop of ``Forwarded`` (RFC 7239), and of the X-Forwarded- headers For, Proto, Host and Port where it is
    silent.
    """
    given = _pairs(header) if header else {}
    client = given.get("for") or (client and client.partition(",")[0].strip()) or None
    scheme = given.get("proto") or (scheme and scheme.partition(",")[0].strip()) or None
    if "host" in given:
        host = given["host"]
    elif host:
        host = host.partition(",")[0].strip()
        port = port and port.partition(",")[0].strip()
        if port and host_port(host)[1] is None:
            host = f"{host}:{port}"
    if client:
        client = host_port(client)[0]
    return Forwarded(
        None if client == "unknown" else client,
        scheme.lower() if scheme and scheme.isalpha() and len(scheme) <= 16 else None,
        host,
    )


def _pairs(value: str) -> dict[str, str]:
    """The first element of a ``Forwarded`` header as pairs, keys in lower case."""
    found = {}
    for pair in value.partition(",")[0].split(";"):
        key, equals, content = pair.partition("=")
        if equals:
            found[key.strip().lower()] = content.strip().strip('"')
    return found


def server_request(
    span: Span,
    known: frozenset[str],
    method: str,
    scheme: str,
    path: str,
    query: str | None,
    host: str | None,
    peer: str | None,
    peer_port: int | None,
    version: str | None,
    agent: str | None,
    proxied: Forwarded | None,
) -> None:
    """A request came in: what its line, its ``Host`` and its ``User-Agent`` say, who sent it, and who forwarded it.

    ``known`` are the known methods; ``peer`` and ``peer_port`` the socket's other side; ``version`` is HTTP's, as the
    conventions write it. None or "" stands for what is not known.
    """
    client = peer
    if proxied is not None:
        client, scheme, host = proxied.client or peer, proxied.scheme or scheme, proxied.host or host
    if host:
        address, port = host_port(host)
        if port is None:
            port = PORTS.get(scheme)
    else:
        address, port = "", None
    if agent and len(agent) > LONGEST:
        agent = agent[:LONGEST]
    if len(path) > LONGEST:
        path = path[:LONGEST]
    if query:
        query = redacted_query(query)
    # A literal is made in one step, and at a size that has room for route and status.
    values = span.values = {
        "http.request.method": method,
        "url.scheme": scheme,
        "url.path": path,
        "url.query": query,
        "server.address": address,
        "server.port": port,
        "client.address": client,
        "network.peer.address": peer,
        "network.peer.port": peer_port,
        "network.protocol.version": version,
        "user_agent.original": agent,
    }
    if not query:
        del values["url.query"]
    if not (peer and peer_port and address and agent and version) or port is None:
        _without_unknown(values)
    span._name = method if method in known else method_of(values, method, known)


def _without_unknown(values: dict[str, Any]) -> None:
    if not values["server.address"]:
        values["server.port"] = None
    for key in tuple(values):
        value = values[key]
        if value is None or (value == "" and key != "url.path"):
            del values[key]


def websocket_request(span: Span) -> None:
    """The request asks for a WebSocket. Its method is that of the handshake, GET, which no server tells."""
    span.values["network.protocol.name"] = "websocket"


def websocket_closed(span: Span, code: int) -> None:
    """A WebSocket was closed, by either side: the closing frame's code (RFC 6455, section 7.4).

    The conventions name no attribute for it.
    """
    span.values["websocket.close.code"] = code


def server_route(span: Span, route: str) -> None:
    """The route's template is known: ``/users/{id}`` as the framework writes it, mount prefix included."""
    values = span.values
    method = values.get("http.request.method", "HTTP")
    if method == OTHER:
        method = "HTTP"
    before = values.get("http.route")
    # The program may have given the span a name of its own.
    if span._name == (method if before is None else f"{method} {before}"):
        span._name = f"{method} {route}"
    values["http.route"] = route


def server_response(span: Span, status: int) -> None:
    """The response's status was sent: 5xx is an error of the server, anything else is not."""
    values = span.values
    values["http.response.status_code"] = status
    handled = span.handled
    if handled is not None:
        span.handled = None
        if status >= 500:
            recorded(span, handled.error, handled)
    if status >= 500 and "error.type" not in values:
        values["error.type"] = _codes.get(status) or str(status)
        # What the program itself calls a success is one.
        if span._status.status_code is not StatusCode.OK:
            span._status = ERROR


def server_handled(span: Span, error: BaseException) -> None:
    """The framework turned an exception into a response: the status will tell whether it was an error."""
    # Starlette 1 takes the traceback off an exception once its handler's response is out.
    span.handled = Handled(error, error.__traceback__, span.origin.engine.clock())
