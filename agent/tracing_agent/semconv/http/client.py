"""What an HTTP client span says: request and response.

Source: semantic conventions 1.44, "HTTP client".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracing_agent.semconv.errors import ERROR
from tracing_agent.semconv.http.methods import method_of
from tracing_agent.semconv.http.url import PORTS, REDACTED, host_port, redacted_query

if TYPE_CHECKING:
    from tracing_agent.trace.span import Span

_codes = {code: str(code) for code in range(100, 600)}


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
        user = f"{REDACTED}:{REDACTED}@" if ":" in user else f"{REDACTED}@"
    values["url.full"] = f"{scheme}://{user if at else ''}{host}{tail}"
    address, port = host_port(host)
    values["server.address"] = address
    values["server.port"] = port if port is not None else PORTS.get(scheme.lower(), 80)


def client_response(span: Span, status: int) -> None:
    """The response's headers came: 4xx and 5xx are errors of the call."""
    values = span.values
    values["http.response.status_code"] = status
    if status >= 400:
        values["error.type"] = _codes.get(status) or str(status)
        span._status = ERROR
