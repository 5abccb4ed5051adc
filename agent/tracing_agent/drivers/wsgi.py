"""The driver for WSGI applications: one span from the call of the application to the last byte of its body.

Source: PEP 3333; semantic conventions 1.44, "HTTP server".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.semconv.errors import interrupted, recorded
from tracing_agent.semconv.http import server_request, server_response
from tracing_agent.trace.begin import admit, entered, leave, receiver
from tracing_agent.trace.sdk import Context, attach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracing_agent.operation import Operation
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.span import Dropped, Span

    Fault = Callable[[BaseException], None]

#: In the environment of a request: its span. Applications and middlewares below make none.
MARK = "tracing_agent.span"


def server(operation: Operation) -> Wrap:
    """A WSGI application as a method: ``original(self, environ, start_response)``."""

    def wrap(original: Any, engine: Engine) -> Any:
        begin, fault, carrier = receiver(engine, operation), operation.breaker.fault, engine.carrier

        def wrapper(self: Any, environ: dict[str, Any], start_response: Any) -> Any:
            if MARK in environ:
                return original(self, environ, start_response)
            try:
                span = begin(carrier.from_environ(environ))
                if span is not None:
                    if span.recording:
                        request(span, environ)  # type: ignore[arg-type]
                        if engine.deferred:
                            span = admit(engine, span)  # type: ignore[arg-type]
                    # The span and not the exchange: that one holds the body, which may hold the environment.
                    environ[MARK] = span
                    context = entered(span, carrier.baggage_from_environ(environ))
                    exchange = Exchange(span, start_response, context, fault)
                    token = attach(context)
            except Exception as error:
                span = None
                fault(error)
            if span is None:
                return original(self, environ, start_response)
            try:
                body = original(self, environ, exchange)
            except BaseException as error:
                exchange.fail(error)
                raise
            finally:
                leave(token)
            return exchange.answer(body, environ)

        return wrapper

    return wrap


def request(span: Span, environ: dict[str, Any]) -> None:
    """What the environment says of the request."""
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    host = environ.get("HTTP_HOST")
    if host is None:
        host = f"{environ.get('SERVER_NAME', '')}:{environ.get('SERVER_PORT', '')}"
    server_request(
        span,
        environ.get("REQUEST_METHOD", ""),
        environ.get("wsgi.url_scheme", "http"),
        _text(path),
        environ.get("QUERY_STRING", ""),
        host,
        environ.get("REMOTE_ADDR") or None,
        environ.get,
        _HEADERS,
    )
    port = environ.get("REMOTE_PORT")
    if port is not None and environ.get("REMOTE_ADDR"):
        try:
            span.values["network.peer.port"] = int(port)
        except ValueError:
            pass
    protocol = environ.get("SERVER_PROTOCOL", "")
    if protocol.startswith("HTTP/"):
        version = protocol[5:]
        span.values["network.protocol.version"] = version[0] if version in ("2.0", "3.0") else version


_HEADERS = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_USER_AGENT",
)


def _text(path: str) -> str:
    """A path of the environment, whose characters are the bytes of the request, as the text that they stand for."""
    if path.isascii():
        return path
    return path.encode("latin-1", "replace").decode("utf-8", "replace")


class Exchange:
    """One request on its way: stands in for ``start_response`` and for the body, in one object."""

    __slots__ = ("_body", "_context", "_fault", "_next", "_start_response", "span", "status")

    def __init__(self, span: Span | Dropped, start_response: Any, context: Context, fault: Fault) -> None:
        self.span: Any = span
        self._start_response = start_response
        self._context = context
        self._fault = fault
        self.status = ""

    def __call__(self, status: str, headers: Any, *exc_info: Any) -> Any:
        """``start_response`` as the application sees it."""
        self.status = status
        return self._start_response(status, headers, *exc_info)

    def answer(self, body: Iterable[bytes], environ: dict[str, Any]) -> Any:
        """What the server gets as the body."""
        if type(body) in (list, tuple):
            self.end()
            return body
        self._body = body
        self._next: Any = None
        wrapper = environ.get("wsgi.file_wrapper")
        if wrapper is not None and type(body) is wrapper:
            return self._file(body)
        return self

    def _file(self, body: Any) -> Any:
        # The server recognises its own file wrapper by type and sends the file by the kernel; only its end is watched.
        close = getattr(body, "close", None)

        def closed() -> None:
            self.end()
            if close is not None:
                close()

        try:
            body.close = closed
        except (AttributeError, TypeError):
            self.end()
        return body

    def __iter__(self) -> Exchange:
        return self

    def __next__(self) -> bytes:
        token = attach(self._context)
        try:
            if self._next is None:
                self._next = iter(self._body).__next__
            chunk: bytes = self._next()
            return chunk
        except StopIteration:
            self.end()
            raise
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            leave(token)

    def close(self) -> None:
        """The server is done with the body, or the client has gone."""
        close = getattr(self._body, "close", None)
        token = attach(self._context)
        try:
            if close is not None:
                close()
        finally:
            leave(token)
            self.end()

    def end(self) -> None:
        """The response is complete."""
        span = self.span
        if span.recording and span._end_time is None:
            try:
                if self.status:
                    server_response(span, int(self.status[:3]))
                span.origin.finish(span)
            except Exception as error:
                self._fault(error)

    def fail(self, error: BaseException) -> None:
        """The application raised: before the response began the server answers 500, after it the body is cut."""
        span = self.span
        if span.recording and span._end_time is None:
            try:
                if not interrupted(error):
                    recorded(span, error)
                    if not self.status:
                        self.status = "500"
            except Exception as ours:
                self._fault(ours)
            self.end()
