"""The driver for WSGI applications: one span from the call of the application to the last byte of its body.

Source: PEP 3333.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.answering import answering_wsgi
from tracing_agent.drivers.serving import MARK, Exchange, opener, settings_of
from tracing_agent.drivers.wsgi_request import number, protocol
from tracing_agent.trace.begin import leave
from tracing_agent.trace.sdk import attach, current, detach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracing_agent.drivers.serving import Fault
    from tracing_agent.operation import Operation
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.semconv.http import HttpSettings
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.sdk import Context

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
        open, breaker = opener(engine, operation, protocol(engine, http)), operation.breaker
        fault = breaker.fault
        original = answering_wsgi(original, engine, fault)
        watched = http.server_response is not None or http.body_sizes
        begun: type[Response] = Measured.of(http) if watched else Response

        def wrapper(self: Any, environ: dict[str, Any], start_response: Any) -> Any:
            if MARK in environ or breaker.open:
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


# Status lines remembered; the program chooses them.
_CODES_MAX = 256
_codes: dict[str, int] = {}


def _code(status: str) -> int:
    digits = status[:3]
    # The server will complain of what is none.
    code = int(digits) if digits.isascii() and digits.isdigit() else 0
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
                size = number(declared[0]) if declared else self._counted
                if size is not None:
                    span.values["http.response.body.size"] = size
        super().conclude(span)
