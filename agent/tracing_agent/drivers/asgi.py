"""The driver for ASGI applications: one span per request or WebSocket connection, and none per message.

Source: ASGI 3.0, "HTTP & WebSocket message format" 2.5, and the extensions "Path send", "Zero copy send" and "HTTP
trailers".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.answering import answering_asgi
from tracing_agent.drivers.asgi_request import protocol, wanted_headers
from tracing_agent.drivers.serving import MARK, Exchange, opener, settings_of, unwrapped
from tracing_agent.semconv.http import websocket_closed
from tracing_agent.trace.begin import leave
from tracing_agent.trace.sdk import attach

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.drivers.serving import Fault
    from tracing_agent.operation import Operation
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.semconv.http import HttpSettings
    from tracing_agent.trace.engine import Engine

    Message = dict[str, Any]
    Quiet = tuple[type[BaseException], ...]

_KINDS = frozenset(("http", "websocket"))
# Messages that can be the last of a response, unless they say that more comes.
_BODIES = frozenset(("http.response.body", "http.response.pathsend", "http.response.zerocopysend"))
_ACCEPTED, _REFUSED = 101, 403
#: The close codes of a frame without one, and of an orderly end (RFC 6455, section 7.4.1).
_NO_CODE, _NORMAL = 1005, 1000


def server(operation: Operation, aside: Callable[[Any], Any], quiet: Quiet = ()) -> Wrap:
    """An ASGI application as a coroutine method: ``original(self, scope, receive, send)``.

    ``aside(self)`` says whether another tracer serves inside the application. ``quiet`` are the exceptions by which the
    framework tells the program that the client has gone; they are no error of the server.
    """

    def wrap(original: Any, engine: Engine) -> Any:
        http = settings_of(engine)
        wanted = wanted_headers(engine, http)
        open, breaker = opener(engine, operation, protocol(engine, http)), operation.breaker
        fault = breaker.fault
        original = answering_asgi(original, engine, fault)
        watched = http.server_response is not None or http.body_sizes
        begun: type[Response] = Measured.of(http) if watched else Response

        async def wrapper(self: Any, scope: dict[str, Any], receive: Any, send: Any) -> Any:
            kind = scope.get("type")
            if MARK in scope or kind not in _KINDS or breaker.open:
                return await original(self, scope, receive, send)
            exchange: Response | Connection | None = None
            try:
                headers: dict[bytes, bytes] = {}
                # Tests and adapters call applications too, with less in the scope than servers put there.
                given = scope.get("headers")
                if type(given) is not list and given is not None:
                    # Any iterable will do, and it may be one that can be read once.
                    given = scope["headers"] = list(given)
                for name, value in given or ():
                    if name in wanted:
                        headers[name] = headers[name] + b"," + value if name in headers else value
                context = None if aside(self) else open(scope, headers)
                if context is not None:
                    if scope[MARK].recording:
                        if kind == "http":
                            exchange = begun(scope, fault, send)
                        else:
                            exchange = Connection(scope, fault, receive, send)
                            receive = exchange.receive
                        send = exchange.send
                    token = attach(context)
            except Exception as error:
                context = None
                fault(error)
            if context is None:
                return await original(self, scope, receive, send)
            try:
                answer = await original(self, scope, receive, send)
            except BaseException as error:
                if exchange is not None:
                    exchange.left(error, quiet)
                raise
            finally:
                leave(token)
                scope.pop(MARK, None)
            if exchange is not None:
                exchange.end()
            return answer

        return wrapper

    return wrap


class Answer(Exchange):
    """One request or connection, whose span may wait for the application to return after it was over."""

    __slots__ = ("_ended", "_send")

    def __init__(self, scope: dict[str, Any], fault: Fault, send: Any) -> None:
        self.request = scope
        self.span = scope[MARK]
        self.fault = fault
        self.status = 0
        self._send = send
        #: When it was over, in nanoseconds since the epoch; 0 before.
        self._ended = 0

    def end(self) -> None:
        """It is over, at the latest now."""
        span = self.span
        if span._end_time is None:
            try:
                try:
                    self.conclude(span)
                finally:
                    if self._ended:
                        span.origin.engine.finish_at(span, self._ended)
                    else:
                        span.origin.finish(span)
            except Exception as error:
                self.fault(error)

    def left(self, error: BaseException, quiet: Quiet) -> None:
        """An exception left the application. One that comes after a complete response is not the response's."""
        error = unwrapped(error)
        if isinstance(error, quiet):
            # The framework has answered it as it answers errors, but to nobody.
            if self.status >= 500:
                self.status = 0
            self.end()
        else:
            self.fail(error)


class Response(Answer):
    """Stands in for ``send`` of one request."""

    __slots__ = ("_trailers",)

    def __init__(self, scope: dict[str, Any], fault: Fault, send: Any) -> None:
        super().__init__(scope, fault, send)
        self._trailers = False

    def send(self, message: Message) -> Any:
        """``send`` as the application sees it."""
        try:
            kind = message["type"]
            if kind == "http.response.start":
                self.start(message)
                last = False
            elif kind in _BODIES:
                last = not (message.get("more_body") or self._trailers)
            else:
                last = kind == "http.response.trailers" and not message.get("more_trailers")
        except Exception as error:
            last = False
            self.fault(error)
        return self._sent(message) if last else self._send(message)

    def start(self, message: Message) -> None:
        """The application named a status."""
        self.status = int(message["status"])
        self._trailers = message.get("trailers", False)

    async def _sent(self, message: Message) -> None:
        """Send the last message, and end."""
        await self._send(message)
        if self.status < 500:
            self.end()
        elif not self._ended:
            # The framework answers first and raises then: what was wrong is still to come.
            self._ended = self.span.origin.engine.clock()


class Measured(Response):
    """A response of which more is wanted than its status: headers, or the size of its body."""

    __slots__ = ("_counted", "_headers")
    http: HttpSettings

    @classmethod
    def of(cls, http: HttpSettings) -> type[Measured]:
        """The class for these settings."""
        return type("Measured", (cls,), {"__slots__": (), "http": http})

    def send(self, message: Message) -> Any:
        try:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                # Any iterable will do, and it may be one that can be read once.
                message = {**message, "headers": headers}
                self._headers = [(str(name, "latin-1"), str(value, "utf-8", "replace")) for name, value in headers]
                self._counted = 0
            elif self.status:
                self._counted += len(message.get("body", b""))
        except Exception as error:
            self.fault(error)
        return super().send(message)

    def conclude(self, span: Any) -> None:
        if self.status:
            if self.http.server_response is not None:
                self.http.server_response.record(span.values, self._headers)
            if self.http.body_sizes:
                declared = [value for name, value in self._headers if name.lower() == "content-length"]
                span.values["http.response.body.size"] = int(declared[0]) if declared else self._counted
        super().conclude(span)


class Connection(Answer):
    """Stands in for ``receive`` and ``send`` of one WebSocket connection: the span lasts as long as that."""

    __slots__ = ("_code", "_receive")

    def __init__(self, scope: dict[str, Any], fault: Fault, receive: Any, send: Any) -> None:
        super().__init__(scope, fault, send)
        self._receive = receive
        self._code: int | None = None

    async def receive(self) -> Message:
        """``receive`` as the application sees it."""
        message: Message = await self._receive()
        try:
            if message["type"] == "websocket.disconnect":
                self._over(message.get("code", _NO_CODE))
        except Exception as error:
            self.fault(error)
        return message

    def send(self, message: Message) -> Any:
        """``send`` as the application sees it."""
        try:
            kind = message["type"]
            if kind != "websocket.send":
                self._said(kind, message)
        except Exception as error:
            self.fault(error)
        return self._send(message)

    def _said(self, kind: str, message: Message) -> None:
        if kind == "websocket.accept":
            self.status = _ACCEPTED
        elif kind == "websocket.close":
            if self.status == _ACCEPTED:
                self._over(message.get("code") or _NORMAL)
            else:
                self.status = _REFUSED
                self._over(None)
        elif kind == "websocket.http.response.start":
            self.status = int(message["status"])
        elif kind == "websocket.http.response.body" and not message.get("more_body"):
            self._over(None)

    def _over(self, code: int | None) -> None:
        # The first end counts, and the program may raise after it.
        if not self._ended:
            self._ended, self._code = self.span.origin.engine.clock(), code

    def conclude(self, span: Any) -> None:
        if self._code is not None:
            websocket_closed(span, self._code)
        super().conclude(span)
