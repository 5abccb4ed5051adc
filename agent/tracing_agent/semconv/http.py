"""HTTP spans: names, attributes, status and redaction for servers and clients.

Source: semantic conventions 1.44, "HTTP" (stable), and for redaction the union of the query keys of 1.41 to main.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.semconv.errors import ERROR, recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.trace.span import Span

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"))
SENSITIVE_KEYS = frozenset(
    (
        "AWSAccessKeyId",
        "Signature",
        "sig",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
        "X-Goog-Signature",
    )
)
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_REDACTED = "REDACTED"
_CACHE_MAX = 512

_hosts: dict[str, tuple[str, int | None]] = {}
_codes = {code: str(code) for code in range(100, 600)}


def method_of(values: dict[str, Any], method: str) -> str:
    """Record the method; what stands for it in a span's name (``HTTP`` where it is none of the known ones)."""
    if method in METHODS:
        values["http.request.method"] = method
        return method
    upper = method.upper()
    values["http.request.method_original"] = method
    if upper in METHODS:
        values["http.request.method"] = upper
        return upper
    values["http.request.method"] = "_OTHER"
    return "HTTP"


def server_request(
    span: Span,
    method: str,
    scheme: str,
    path: str,
    query: str,
    host: str,
    peer: str | None,
    header: Callable[[str], str | None],
    names: tuple[str, str, str, str, str],
) -> None:
    """A request came in. ``host`` is the Host header; ``peer`` the socket's other side; ``header`` looks up a header of
    the request by what the server calls Forwarded, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host and
    User-Agent: ``names``.
    """
    values = span.values
    span._name = method_of(values, method)
    values["url.path"] = path
    if query:
        values["url.query"] = redacted_query(query)
    forwarded = header(names[0])
    client = None
    if forwarded:
        elements = _forwarded(forwarded)
        client, scheme, host = elements.get("for"), elements.get("proto", scheme), elements.get("host", host)
    else:
        value = header(names[1])
        if value:
            client = value.split(",", 1)[0].strip()
        value = header(names[2])
        if value:
            scheme = value.split(",", 1)[0].strip().lower()
        value = header(names[3])
        if value:
            host = value.split(",", 1)[0].strip()
    values["url.scheme"] = scheme
    if host:
        address, port = _hosts.get(host) or host_port(host)
        if address:
            values["server.address"] = address
            values["server.port"] = port if port is not None else _PORTS.get(scheme, 80)
    if client:
        client = host_port(client)[0]
    if client or peer:
        values["client.address"] = client or peer
    if peer:
        values["network.peer.address"] = peer
    agent = header(names[4])
    if agent:
        values["user_agent.original"] = agent


def server_route(span: Span, route: str) -> None:
    """The route's template is known: ``/users/{id}`` as the framework writes it, mount prefix included."""
    values = span.values
    values["http.route"] = route
    method = values.get("http.request.method", "HTTP")
    span._name = f"{'HTTP' if method == '_OTHER' else method} {route}"


def server_response(span: Span, status: int) -> None:
    """The response's status was sent: 5xx is an error of the server, anything else is not."""
    values = span.values
    values["http.response.status_code"] = status
    if span.__dict__:
        error = span.__dict__.pop("handled", None)
        if error is not None and status >= 500:
            recorded(span, error)
    if status >= 500 and "error.type" not in values:
        values["error.type"] = _codes.get(status) or str(status)
        span._status = ERROR


def server_handled(span: Span, error: BaseException) -> None:
    """The framework turned an exception into a response: the status will tell whether it was an error."""
    span.__dict__["handled"] = error


def client_request(span: Span, method: str, url: str) -> None:
    """A request goes out to an absolute URL."""
    values = span.values
    span._name = method_of(values, method)
    scheme, _, rest = url.partition("://")
    authority = rest
    for end in "/?#":
        authority = authority.partition(end)[0]
    user, at, host = authority.rpartition("@")
    tail = rest[len(authority) :]
    if "?" in tail:
        path, _, query = tail.partition("?")
        query, hash, fragment = query.partition("#")
        tail = f"{path}?{redacted_query(query)}{hash}{fragment}"
    if at:
        user = f"{_REDACTED}:{_REDACTED}@" if ":" in user else f"{_REDACTED}@"
    values["url.full"] = f"{scheme}://{user if at else ''}{host}{tail}"
    address, port = _hosts.get(host) or host_port(host)
    values["server.address"] = address
    values["server.port"] = port if port is not None else _PORTS.get(scheme.lower(), 80)


def client_response(span: Span, status: int) -> None:
    """The response's headers came: 4xx and 5xx are errors of the call."""
    values = span.values
    values["http.response.status_code"] = status
    if status >= 400:
        values["error.type"] = _codes.get(status) or str(status)
        span._status = ERROR


def redacted_query(query: str) -> str:
    """A query string in which the values of `SENSITIVE_KEYS` are replaced; other text is kept as it is."""
    if not ("ignature" in query or "sig=" in query or "X-Amz-" in query or "AWSAccessKeyId" in query):
        return query
    parts = []
    for part in query.split("&"):
        key, equals, _ = part.partition("=")
        parts.append(f"{key}={_REDACTED}" if equals and key in SENSITIVE_KEYS else part)
    return "&".join(parts)


def host_port(host: str) -> tuple[str, int | None]:
    """(address, port or None) of a ``Host`` header or URL authority; IPv6 addresses without their brackets."""
    address, port = host, None
    if host.startswith("["):
        address, _, rest = host[1:].partition("]")
        digits = rest[1:] if rest.startswith(":") else ""
    else:
        name, colon, digits = host.partition(":")
        if ":" in digits:  # an IPv6 address without brackets
            digits = ""
        elif colon:
            address = name
    if digits.isascii() and digits.isdigit() and len(digits) <= 5:
        port = int(digits)
    if len(_hosts) < _CACHE_MAX and len(host) <= 255:
        _hosts[host] = (address, port)
    return address, port


def _forwarded(value: str) -> dict[str, str]:
    """The first element of a ``Forwarded`` header (RFC 7239) as pairs, keys in lower case."""
    found = {}
    for pair in value.split(",", 1)[0].split(";"):
        key, equals, content = pair.partition("=")
        if equals:
            found[key.strip().lower()] = content.strip().strip('"')
    return found
