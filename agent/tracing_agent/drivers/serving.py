"""What the drivers of servers share, whatever protocol hands them the request: how its span begins and ends.

A server that serves by WSGI, ASGI or anything else adds: how headers are read, what the request says, and when it ends.
Source: semantic conventions 1.44, "HTTP server".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from tracing_agent.drivers.edge import believed, nothing
from tracing_agent.semconv.errors import interrupted, recorded
from tracing_agent.semconv.http import HttpSettings, server_response
from tracing_agent.trace.begin import admit, receiver, silencer
from tracing_agent.trace.sdk import BAGGAGE_KEY, SPAN_KEY, Context, current
from tracing_agent.trace.span import Dropped, Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.operation import Operation
    from tracing_agent.trace.engine import Engine

    Fault = Callable[[BaseException], None]
    Url = Callable[[dict[str, Any], Any], tuple[str, str]]
    Open = Callable[[dict[str, Any], Any], "Context | None"]

#: In the environment or scope of a request: its span. Applications and middlewares below make none.
MARK = "tracing_agent.span"

# Scopes of the tracers that people put around an application by hand, or that frameworks bring along.
_OTHERS = ("opentelemetry.instrumentation.", "starlette", "fastapi")


class Request:
    """How one protocol tells of a request: functions of the request (a dictionary) and its headers, whatever those are.

    ``remote`` and ``baggage`` (of the headers) read what the caller sent along; ``describe`` (of span, request and
    headers) records the request; ``url`` (of request and headers) gives its URL, without the query and whole.
    """

    __slots__ = ("baggage", "describe", "remote", "url")

    def __init__(
        self,
        remote: Callable[[Any], Any],
        baggage: Callable[[Any], dict[str, str] | None],
        describe: Callable[[Any, dict[str, Any], Any], None],
        url: Url,
    ) -> None:
        self.remote = remote
        self.baggage = baggage
        self.describe = describe
        self.url = url


def settings_of(engine: Engine) -> HttpSettings:
    """The HTTP settings under ``engine``."""
    return engine.http or HttpSettings()


def opener(engine: Engine, operation: Operation, protocol: Request) -> Open:
    """The function that begins the span of a request, marks the request with it, and gives the context to serve it in.

    It gives None where the request is not ours to trace.
    """
    begin, baggage, describe = believed(engine, receiver(engine, operation), protocol.baggage, protocol.describe)
    url, put = protocol.url, dict.__setitem__
    remote = protocol.remote if engine.metrics is None else engine.metrics.propagated.reading(protocol.remote)

    def open(request: dict[str, Any], headers: Any) -> Context | None:
        around = current()
        if around and _served(around, request, url, headers):
            return None
        span = begin(remote(headers))
        if span is None:
            return None
        if span.recording:
            describe(span, request, headers)
            if engine.deferred:
                span = admit(engine, span)  # type: ignore[arg-type]
        context = Context(around)
        put(context, SPAN_KEY, span)
        carried = baggage(headers)
        if carried is not None:
            put(context, BAGGAGE_KEY, carried)
        request[MARK] = span
        return context

    search = settings_of(engine).excluded(operation.library)
    if search is None:
        return open
    silent = silencer(engine)
    continued = remote if engine.carrier.trusts else nothing

    def unless_excluded(request: dict[str, Any], headers: Any) -> Context | None:
        address, whole = url(request, headers)
        if not (search(address) or search(whole)):
            return open(request, headers)
        span = request[MARK] = silent(continued(headers))
        context = Context(current())
        put(context, SPAN_KEY, span)
        return context

    return unless_excluded


def _served(around: Context, request: dict[str, Any], url: Url, headers: Any) -> bool:
    """Whether this request has its server span already, or is to have none.

    It has one where another tracer's is open, and where it came through an application of another protocol: what it
    says of its route then belongs to that span.
    """
    span: Any = around.get(SPAN_KEY)
    if type(span) is Dropped:
        return span.trace.silent
    if getattr(span, "kind", None) is not SpanKind.SERVER or not span.is_recording():
        return False
    scope = getattr(span, "instrumentation_scope", None)
    if scope is not None and scope.name.startswith(_OTHERS):
        return True
    if type(span) is not Span:
        return False
    values, address = span.values, url(request, headers)[0]
    if (
        values.get("http.request.method") == request.get("REQUEST_METHOD", request.get("method"))
        and address.endswith(values.get("url.path", "//"))
        and values.get("server.address", "") in address
    ):
        request[MARK] = span
        return True
    return False


class Exchange:
    """One recorded request on its way to its end. ``status`` is 0 until the response begins."""

    __slots__ = ("fault", "request", "span", "status")

    request: dict[str, Any]
    span: Any
    fault: Fault
    status: int

    def end(self) -> None:
        """The response is complete."""
        span = self.span
        if span.recording and span._end_time is None:
            try:
                try:
                    self.conclude(span)
                finally:
                    span.origin.finish(span)
            except Exception as error:
                self.fault(error)
        self.request.pop(MARK, None)

    def conclude(self, span: Any) -> None:
        """Record the outcome."""
        if self.status:
            server_response(span, self.status)
        elif span.handled is not None:
            span.handled = None

    def fail(self, error: BaseException) -> None:
        """The application raised: before the response began the server answers 500, after it the body is cut."""
        span = self.span
        if span.recording and span._end_time is None:
            try:
                if not interrupted(error):
                    handled, span.handled = span.handled, None  # it was not, or another one came of it
                    recorded(span, error, handled)
                    self.status = self.status or 500
            except Exception as ours:
                self.fault(ours)
            self.end()


def unwrapped(error: BaseException) -> BaseException:
    """The exception in a group of one, which task groups make of every exception."""
    # By name: before Python 3.11 the type comes from a package.
    while type(error).__name__ in ("ExceptionGroup", "BaseExceptionGroup"):
        inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
        if len(inner) != 1:
            break
        error = inner[0]
    return error
