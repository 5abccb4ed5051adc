"""The drivers that tell the caller of a server which trace its request was part of, where the owner wants that.

They are put around an application inside of its server driver, which has marked the request with its span.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.serving import MARK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.propagation.response import ResponseHeader
    from tracing_agent.trace.engine import Engine

    Fault = Callable[[BaseException], None]


def identity_of(request: dict[str, Any]) -> str | None:
    """The traceparent of the span that serves a request; None where it is not traced."""
    span = request.get(MARK)
    if span is None or span.trace.silent:
        return None
    identity: str = span.trace.traceparent(span.span_id)
    return identity


def answering_wsgi(original: Any, engine: Engine, fault: Fault) -> Any:
    """A WSGI application as a method, whose responses carry the header that the settings ask for."""
    header = engine.carrier.answer
    if header is None:
        return original

    def application(self: Any, environ: dict[str, Any], start_response: Any) -> Any:
        identity = identity_of(environ)
        if identity is None:
            return original(self, environ, start_response)
        return original(self, environ, _Start(start_response, header, identity, fault))

    return application


class _Start:
    """Stands in for ``start_response``."""

    __slots__ = ("_fault", "_header", "_identity", "_start_response")

    def __init__(self, start_response: Any, header: ResponseHeader, identity: str, fault: Fault) -> None:
        self._start_response = start_response
        self._header = header
        self._identity = identity
        self._fault = fault

    def __call__(self, status: str, headers: Any, *exc_info: Any) -> Any:
        try:
            # A list of our own: the application's may be one that it keeps.
            headers = [*headers, *self._header.added(self._identity, headers)]
        except Exception as error:
            self._fault(error)
        return self._start_response(status, headers, *exc_info)


def answering_asgi(original: Any, engine: Engine, fault: Fault) -> Any:
    """An ASGI application as a coroutine method, whose responses carry the header that the settings ask for."""
    header = engine.carrier.answer
    if header is None:
        return original

    async def application(self: Any, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        identity = identity_of(scope) if scope["type"] == "http" else None
        if identity is None:
            return await original(self, scope, receive, send)
        return await original(self, scope, receive, _Send(send, header, identity, fault))

    return application


class _Send:
    """Stands in for ``send``."""

    __slots__ = ("_fault", "_header", "_identity", "_send")

    def __init__(self, send: Any, header: ResponseHeader, identity: str, fault: Fault) -> None:
        self._send = send
        self._header = header
        self._identity = identity
        self._fault = fault

    def __call__(self, message: dict[str, Any]) -> Any:
        if message["type"] == "http.response.start":
            try:
                message = self._answered(message)
            except Exception as error:
                self._fault(error)
        return self._send(message)

    def _answered(self, message: dict[str, Any]) -> dict[str, Any]:
        headers = list(message.get("headers") or ())
        text = [(str(name, "latin-1"), str(value, "latin-1")) for name, value in headers]
        added = self._header.added(self._identity, text)
        return {**message, "headers": [*headers, *((name.lower().encode(), value.encode()) for name, value in added)]}
