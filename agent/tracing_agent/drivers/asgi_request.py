"""How ASGI tells of a request: what its scope and its headers say.

Source: ASGI 3.0, "HTTP & WebSocket message format" 2.5, "HTTP connection scope".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.edge import telling
from tracing_agent.drivers.serving import Request
from tracing_agent.propagation.baggage import parse_baggage
from tracing_agent.propagation.remote import Remote
from tracing_agent.propagation.unreadable import unreadable
from tracing_agent.propagation.w3c import parse_traceparent, parse_tracestate
from tracing_agent.semconv.http import forwarded, server_request, websocket_request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracing_agent.semconv.http import HttpSettings
    from tracing_agent.trace.carrier import Carrier
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.span import Span

    #: The wanted ones by name, those of one name joined by commas.
    Headers = dict[bytes, bytes]

_PROXY = (b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port")
_VERSIONS = {"2.0": "2", "3.0": "3"}


class Everything:
    """Holds every name."""

    def __contains__(self, name: object) -> bool:
        return type(name) is bytes


def wanted_headers(engine: Engine, http: HttpSettings) -> Everything | frozenset[bytes]:
    """The names of the headers that are looked at."""
    carrier = engine.carrier
    if not _simple(carrier):
        return Everything()
    fields = (field.encode() for field in (*carrier.fields, *engine.headers))
    names = {b"host", b"user-agent", b"tracestate", *_PROXY, *fields}
    if http.body_sizes:
        names.add(b"content-length")
    return frozenset(names)


def _simple(carrier: Carrier) -> bool:
    """Whether context comes in traceparent, tracestate and baggage and in no other header."""
    return carrier.plain and len(carrier.baggage) == ("baggage" in carrier.fields)


def protocol(engine: Engine, http: HttpSettings) -> Request:
    """How ASGI tells of a request."""
    known, capture, sizes = http.methods, http.server_request, http.body_sizes

    def describe(span: Span, scope: dict[str, Any], headers: Headers) -> None:
        get = headers.get
        client, query, host, agent = scope.get("client"), scope.get("query_string"), get(b"host"), get(b"user-agent")
        socket = scope["type"] == "websocket"
        peer, port = client or (None, None)
        if port == 0:
            # A server that trusts the proxy has put the client that it forwards for there.
            peer = port = None
        version = scope.get("http_version")
        server_request(
            span,
            known,
            "GET" if socket else scope["method"],
            scope.get("scheme") or ("ws" if socket else "http"),
            scope["path"],
            str(query, "latin-1") if query else None,
            str(host, "latin-1") if host else None,
            peer,
            port,
            _VERSIONS.get(version, version),  # type: ignore[arg-type]
            str(agent, "utf-8", "replace") if agent else None,
            _proxied(headers)
            if b"x-forwarded-for" in headers
            or b"x-forwarded-proto" in headers
            or b"x-forwarded-host" in headers
            or b"forwarded" in headers
            else None,
        )
        if socket:
            websocket_request(span)
        if capture is not None:
            pairs = scope.get("headers") or ()
            capture.record(span.values, [(str(n, "latin-1"), str(v, "utf-8", "replace")) for n, v in pairs])
        if sizes:
            length = get(b"content-length", b"")
            if length.isdigit():
                span.values["http.request.body.size"] = int(length)

    deciding = {name.encode(): name for name in engine.headers}
    return Request(*_context(engine.carrier), telling(describe, deciding, _text), _url)


def _text(value: bytes) -> str:
    return str(value, "utf-8", "replace")


def _context(
    carrier: Carrier,
) -> tuple[Callable[[Headers], Remote | None], Callable[[Headers], dict[str, str] | None]]:
    """The functions that read the remote parent and the baggage."""

    def plain(headers: Headers) -> Remote | None:
        value = headers.get(b"traceparent")
        if value is None:
            return None
        parent = parse_traceparent(str(value, "latin-1"))
        if parent is None:
            unreadable("traceparent", str(value, "latin-1"))
            return None
        state = headers.get(b"tracestate")
        trace_id, span_id, flags = parent
        return Remote(trace_id, span_id, flags, parse_tracestate((str(state, "latin-1"),)) if state else "")

    def simple_baggage(headers: Headers) -> dict[str, str] | None:
        value = headers.get(b"baggage")
        return parse_baggage((str(value, "latin-1"),)) or None if value else None

    if _simple(carrier):
        return plain, simple_baggage

    def remote(headers: Headers) -> Remote | None:
        return carrier.extract(_values(headers))

    def baggage(headers: Headers) -> dict[str, str] | None:
        names = [str(name, "latin-1") for name in headers]
        return carrier.extract_baggage(_values(headers), names)

    return remote, baggage


def _values(headers: Headers) -> Callable[[str], Sequence[str]]:
    def values(name: str) -> Sequence[str]:
        value = headers.get(name.encode("latin-1", "replace"))
        return () if value is None else (str(value, "latin-1"),)

    return values


def _proxied(headers: Headers) -> Any:
    return forwarded(*(None if name not in headers else str(headers[name], "latin-1") for name in _PROXY))


def _url(scope: dict[str, Any], headers: Headers) -> tuple[str, str]:
    host = headers.get(b"host")
    if host is not None:
        authority = str(host, "latin-1")
    else:
        name, port = scope.get("server") or ("", None)
        authority = name if port is None else f"{name}:{port}"
    url = f"{scope.get('scheme', 'http')}://{authority}{scope['path']}"
    query = scope.get("query_string")
    return url, f"{url}?{str(query, 'latin-1')}" if query else url
