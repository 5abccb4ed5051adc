"""The driver for WSGI applications: one span from the call of the application to the last byte of its body.

Source: PEP 3333.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.answering import answering_wsgi
from tracing_agent.drivers.serving import MARK, Exchange, Request, opener, settings_of
from tracing_agent.semconv.http import forwarded, server_request
from tracing_agent.trace.begin import leave
from tracing_agent.trace.sdk import attach, current, detach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tracing_agent.drivers.serving import Fault
    from tracing_agent.operation import Operation
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.semconv.http import HttpSettings
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.sdk import Context
    from tracing_agent.trace.span import Span

#: Set in the environment by who knows that the response is complete: no code of the program runs while it is sent.
READY = "tracing_agent.ready"


def server(
    operation: Operation, aside: Callable[[Any], Any], callbacks: Callable[[Any], list[Any] | None] | None = None
) -> Wrap:
    """A WSGI application as a method: ``original(self, environ, start_response)``.

    ``aside(self)`` says whether another tracer serves inside the application. ``callbacks(body)`` gives the list of
    functions that the body of a `READY` response will call when it is closed; None where it has none.
    """

    def wrap(original: Any, engine: Engine) -> Any:
        http = settings_of(engine)
        open, fault = opener(engine, operation, protocol(engine, http)), operation.breaker.fault
        original = answering_wsgi(original, engine, fault)
        watched = http.server_response is not None or http.body_sizes
        begun: type[Response] = Measured.of(http) if watched else Response

        def wrapper(self: Any, environ: dict[str, Any], start_response: Any) -> Any:
            if MARK in environ:
                return original(self, environ, start_response)
            try:
                context = None if aside(self) else open(environ, environ)
                if context is not None:
                    response, start = None, start_response
                    if environ[MARK].recording:
                        response = begun(environ, fault, start_response, context)
                        start = response.start
                    token = attach(context)
            except Exception as error:
                context = None
                fault(error)
            if context is None:
                return original(self, environ, start_response)
            try:
                body = original(self, environ, start)
            except BaseException as error:
                if response is not None:
                    response.fail(error)
                else:
                    environ.pop(MARK, None)
                raise
            finally:
                try:
                    detach(token)
                except ValueError:
                    pass  # the program switched contexts meanwhile: there is nothing to undo
            try:
                if callbacks is not None and environ.pop(READY, False):
                    called = callbacks(body)
                    if called is not None:
                        if response is None:
                            del environ[MARK]
                        else:
                            called.append(response.end)
                        return body
                if response is None:
                    response = Unrecorded(environ, fault, start_response, context)
                return response.answer(body)
            except Exception as error:
                fault(error)
                return body

        return wrapper

    return wrap


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
            port if port is None or type(port) is int else _number(port),
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
            length = _number(get("CONTENT_LENGTH"))
            if length is not None:
                span.values["http.request.body.size"] = length

    return Request(engine.carrier.from_environ, engine.carrier.baggage_from_environ, describe, _url)


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


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


# Status lines remembered; the program chooses them.
_CODES_MAX = 256
_codes: dict[str, int] = {}


def _code(status: str) -> int:
    code = int(status[:3])
    if len(_codes) < _CODES_MAX:
        _codes[status] = code
    return code


class Response(Exchange):
    """Stands in for ``start_response`` and for the body of one request, in one object."""

    __slots__ = ("_body", "_context", "_next", "_start_response")

    def __init__(self, environ: dict[str, Any], fault: Fault, start_response: Any, context: Context) -> None:
        self.request = environ
        self.span = environ[MARK]
        self.fault = fault
        self.status = 0
        self._start_response = start_response
        self._context = context

    def start(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """``start_response`` as the application sees it; with ``exc_info`` it may think again."""
        try:
            self.status = _codes.get(status) or _code(status)
        except Exception as error:
            self.fault(error)
        if exc_info is None:
            return self._start_response(status, headers)
        return self._start_response(status, headers, exc_info)

    # -- the body ---------------------------------------------------------------------------------------------------

    def answer(self, body: Iterable[bytes]) -> Any:
        """What the server gets as the body."""
        kind = type(body)
        # The server counts the items of what can be counted.
        if kind is list or kind is tuple or hasattr(body, "__len__"):
            self.end()
            return body
        self._body = body
        self._next: Any = None
        wrapper = self.request.get("wsgi.file_wrapper")
        # The server recognises what its own wrapper gave and lets the kernel send it; uWSGI's gives the file itself.
        if wrapper is not None and (kind is wrapper or hasattr(body, "read")):
            return self._file(body)
        return self

    def _file(self, body: Any) -> Any:
        close = getattr(body, "close", None)

        def closed() -> None:
            body.__dict__.pop("close", None)
            self.end()
            if close is not None:
                close()

        try:
            body.close = closed
        except (AttributeError, TypeError):
            self.end()
        return body

    def __iter__(self) -> Response:
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
            # What the program made current in this step is current in the next one.
            self._context = current()
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

    def __del__(self) -> None:
        # The server, or a middleware, did not close the body as it should.
        if self.span._end_time is None:
            self.end()


class Unrecorded(Response):
    """A request that is not recorded: what the program does while its body is sent still belongs to its trace."""

    __slots__ = ()

    def end(self) -> None:
        self.request.pop(MARK, None)

    def fail(self, error: BaseException) -> None:
        self.request.pop(MARK, None)

    def __del__(self) -> None:
        pass


class Measured(Response):
    """A response of which more is wanted than its status: headers, or the size of its body."""

    __slots__ = ("_counted", "_headers")
    http: HttpSettings

    @classmethod
    def of(cls, http: HttpSettings) -> type[Measured]:
        """The class for these settings."""
        return type("Measured", (cls,), {"__slots__": (), "http": http})

    def start(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        self._counted, self._headers = 0, headers
        return super().start(status, headers, exc_info)

    def __next__(self) -> bytes:
        chunk = super().__next__()
        self._counted += len(chunk)
        return chunk

    def conclude(self, span: Any) -> None:
        if self.status:
            if self.http.server_response is not None:
                self.http.server_response.record(span.values, self._headers)
            if self.http.body_sizes:
                declared = [value for name, value in self._headers if name.lower() == "content-length"]
                size = _number(declared[0]) if declared else self._counted
                if size is not None:
                    span.values["http.response.body.size"] = size
        super().conclude(span)
