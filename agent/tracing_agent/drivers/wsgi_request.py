"""How WSGI tells of a request: what its environment says.

Source: PEP 3333, section "environ Variables".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.edge import telling
from tracing_agent.drivers.serving import Request
from tracing_agent.semconv.http import forwarded, server_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracing_agent.semconv.http import HttpSettings
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.span import Span


def protocol(engine: Engine, http: HttpSettings) -> Request:
    """How WSGI tells of a request. Its headers are in the environment itself."""
    known, capture, sizes, spoken = http.methods, http.server_request, http.body_sizes, _VERSIONS.get

    def describe(span: Span, environ: dict[str, Any], headers: dict[str, Any]) -> None:
        get = environ.get
        port, agent = get("REMOTE_PORT"), get("HTTP_USER_AGENT")
        path = get("SCRIPT_NAME", "") + get("PATH_INFO", "")
        server_request(
            span,
            known,
            get("REQUEST_METHOD", ""),
            get("wsgi.url_scheme", "http"),
            path if path.isascii() else text(path),
            get("QUERY_STRING"),
            get("HTTP_HOST"),
            get("REMOTE_ADDR"),
            port if port is None or type(port) is int else number(port),
            spoken(get("SERVER_PROTOCOL")),
            agent if agent is None or agent.isascii() else text(agent),
            _proxied(environ)
            if "HTTP_X_FORWARDED_FOR" in environ
            or "HTTP_X_FORWARDED_PROTO" in environ
            or "HTTP_X_FORWARDED_HOST" in environ
            or "HTTP_FORWARDED" in environ
            else None,
        )
        if capture is not None:
            capture.record(span.values, _headers(environ))
        if sizes:
            length = number(get("CONTENT_LENGTH"))
            if length is not None:
                span.values["http.request.body.size"] = length

    deciding = {_key(name): name for name in engine.headers}
    told = telling(describe, deciding, text)
    return Request(engine.carrier.from_environ, engine.carrier.baggage_from_environ, told, _url)


def _key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


_VERSIONS: dict[str | None, str] = {
    "HTTP/1.0": "1.0",
    "HTTP/1.1": "1.1",
    "HTTP/2": "2",
    "HTTP/2.0": "2",
    "HTTP/3": "3",
    "HTTP/3.0": "3",
}


def _proxied(environ: dict[str, Any]) -> Any:
    get = environ.get
    return forwarded(
        get("HTTP_FORWARDED"),
        get("HTTP_X_FORWARDED_FOR"),
        get("HTTP_X_FORWARDED_PROTO"),
        get("HTTP_X_FORWARDED_HOST"),
        get("HTTP_X_FORWARDED_PORT"),
    )


def _headers(environ: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            yield key[5:].replace("_", "-").lower(), text(value)
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            yield key.replace("_", "-").lower(), text(value)


def _url(environ: dict[str, Any], headers: dict[str, Any]) -> tuple[str, str]:
    get = environ.get
    host = get("HTTP_HOST") or f"{get('SERVER_NAME', '')}:{get('SERVER_PORT', '')}"
    path = text(get("SCRIPT_NAME", "") + get("PATH_INFO", ""))
    url = f"{get('wsgi.url_scheme', 'http')}://{host}{path}"
    query = get("QUERY_STRING")
    return url, f"{url}?{query}" if query else url


def text(value: str) -> str:
    """Text of the environment, whose characters are the bytes of the request, as what they stand for."""
    return value if value.isascii() else value.encode("latin-1", "replace").decode("utf-8", "replace")


def number(value: Any) -> int | None:
    """An integer; None for what is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
