"""A request on its way, whatever library sends it: what its attempts share, and how the span of one begins.

Source: semantic conventions 1.44, "HTTP client", "HTTP request retries and redirects".
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from tracing_agent.semconv.http import host_port
from tracing_agent.semconv.http.client import RESENDS, split
from tracing_agent.trace.begin import admit, beginner, carried

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.operation import Operation
    from tracing_agent.semconv.http import HttpSettings
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.span import Dropped, Span

    Open = Callable[["Sending", Any], None]


class Sending:
    """One request of the program, until it is over.

    ``request`` is the library's object for the attempt made last, ``attempts`` how many there were. While one is in
    flight it is ``active``, with its ``span`` (None: not recorded) and with the ``identity`` that goes along with it
    (None: none does); ``again`` says that it has failed and that the library tries once more. ``done`` is the
    span of an attempt that is over, ``end`` its end time. ``next`` is what a redirect is about to send.
    """

    # Defaults on the class: an instance is made for every request, and most of this is never set.
    request: Any = None
    attempts = 0
    active = again = over = False
    span: Span | None = None
    identity: Span | Dropped | None = None
    done: Span | None = None
    end = 0
    next: Any = None

    def settle(self) -> None:
        """Hand on the span of the attempt that is over."""
        span = self.done
        if span is not None:
            self.done = None
            span.origin.engine.finish_at(span, self.end)


#: The request that is being sent.
SENDING: ContextVar[Sending | None] = ContextVar("tracing_agent.sending", default=None)


def over(sending: Sending, token: Any) -> None:
    """Let what was current before be current again; ``token`` is that of setting `SENDING`."""
    sending.over = True
    # Contexts that were copied meanwhile keep the object alive.
    sending.request = sending.next = None
    try:
        SENDING.reset(token)
    except ValueError:
        pass  # the program switched contexts meanwhile: there is nothing to undo


class Client:
    """How a library tells of its requests. One is made for each engine: what is recorded is decided in ``__init__``."""

    def __init__(self, http: HttpSettings) -> None:
        self.http = http
        self.captured = http.client_response

    def url(self, request: Any) -> str:
        """The absolute URL."""
        raise NotImplementedError

    def start(self, span: Span, request: Any) -> None:
        """Record a request."""
        raise NotImplementedError

    def end(self, span: Span, response: Any) -> None:
        """Record what came back."""
        raise NotImplementedError

    def blames(self, error: BaseException, request: Any) -> bool:
        """Whether ``error``, raised after the headers of a response were there, tells of that very exchange."""
        return False


def opener(engine: Engine, operation: Operation, client: Client) -> Open:
    """The function that begins an attempt's span, or finds out what an attempt that is not recorded hands on."""
    begin, key, start, settings = beginner(engine, operation), operation.key, client.start, client.http

    def open(sending: Sending, request: Any) -> None:
        if sending.done is not None:
            sending.settle()
        sending.request = request
        count = sending.attempts
        sending.attempts = count + 1
        span: Any = begin()
        if span is None:
            sending.span = None
            sending.identity = carried(engine, key)
            return
        if span.recording:
            start(span, request)
            if count:
                span.values[RESENDS] = count
            if engine.deferred:
                span = admit(engine, span)
        sending.identity = span
        sending.span = span if span.recording else None

    search, allows = settings.excluded(operation.library), engine.carrier.allows
    chosen = open if search is None else _unless_excluded(open, engine, key, client.url, search)
    return chosen if allows is None else _within(chosen, client.url, allows)


def _unless_excluded(
    open: Open, engine: Engine, key: int, url: Callable[[Any], str], search: Callable[[str], Any]
) -> Open:
    def unless_excluded(sending: Sending, request: Any) -> None:
        if not search(url(request)):
            open(sending, request)
            return
        if sending.done is not None:
            sending.settle()
        sending.request, sending.span = request, None
        sending.attempts += 1
        sending.identity = carried(engine, key)

    return unless_excluded


def _within(open: Open, url: Callable[[Any], str], allows: Callable[[str], bool]) -> Open:
    """Open attempts, and let context go along only to hosts that it may be sent to."""

    def within(sending: Sending, request: Any) -> None:
        open(sending, request)
        if sending.identity is not None and not allows(host_port(split(url(request))[1])[0]):
            sending.identity = None

    return within


def follows(self: Any, request: Any, *args: Any, **kwargs: Any) -> None:
    """A redirect is about to send ``request``."""
    sending = SENDING.get()
    if sending is not None:
        sending.next = request
