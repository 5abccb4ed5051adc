"""A request on its way, whatever library sends it: what its attempts share, and how the span of one begins.

Source: semantic conventions 1.44, "HTTP client", "HTTP request retries and redirects".
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.call import fail
from tracing_agent.semconv.http import host_port
from tracing_agent.semconv.http.client import RESENDS, client_failed, split
from tracing_agent.trace.begin import admit, beginner, carried
from tracing_agent.trace.sketch import hand_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.operation import Operation
    from tracing_agent.semconv.http import HttpSettings
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.span import Span

    Open = Callable[["Sending", Any], None]


#: How it stands with a request: no attempt is in flight, one is, one failed and the library tries again, it is over.
BETWEEN, ACTIVE, AGAIN, OVER = range(4)


class Sending:
    """One request of the program, until it is over.

    ``request`` is the library's object for the attempt made last, ``attempts`` how many there were. While one is in
    flight there is its ``span``, or what was ``asked``, of which a span may be `drawn` (neither: it is not recorded),
    and the ``identity`` that goes along with it (None: none does). ``done`` is the span or sketch of an attempt that is
    over, ``end`` the end time of a span. ``next`` is what a redirect is about to send.
    """

    # Defaults on the class: an instance is made for every request, and most of this is never set.
    request: Any = None
    attempts = 0
    phase = BETWEEN
    span: Span | None = None
    asked: tuple[Any, ...] | None = None
    identity: Any = None
    done: Any = None
    end = 0
    next: Any = None
    # Of an attempt that is sketched: what its sketch will say. See `trace.sketch.Sketch`.
    artist: Any = None
    trace: Any = None
    above: int | None = None
    span_id = 0
    start = 0

    def settle(self) -> None:
        """Hand on the span of the attempt that is over."""
        done, self.done = self.done, None
        if type(done) is tuple:
            hand_on(done)
        elif done is not None:
            done.origin.engine.finish_at(done, self.end)

    def drawn(self) -> Span | None:
        """The span of the attempt in flight, whether or not it was sketched; None if it is not recorded."""
        if self.asked is not None:
            artist = self.artist
            sketch = artist, self.trace, self.above, self.span_id, self.start, 0, artist.base, self.asked
            self.span = artist.span(sketch)
            self.span._end_time = None
            self.asked = None
        return self.span

    def broke(self, error: BaseException, fault: Callable[[BaseException], None]) -> None:
        """The attempt in flight raised."""
        try:
            span, self.span = self.drawn(), None
        except Exception as ours:
            fault(ours)
        else:
            if span is not None:
                fail(span, error, fault, client_failed)


#: The request that is being sent.
SENDING: ContextVar[Sending | None] = ContextVar("tracing_agent.sending", default=None)


def over(sending: Sending, token: Any) -> None:
    """Let what was current before be current again; ``token`` is that of setting `SENDING`."""
    sending.phase = OVER
    # Contexts that were copied meanwhile keep the object alive.
    sending.request = sending.next = None
    try:
        SENDING.reset(token)
    except ValueError:
        pass  # the program switched contexts meanwhile: there is nothing to undo


def settled(sending: Sending, fault: Callable[[BaseException], None]) -> None:
    """Hand on the span of the attempt that is over; whatever this raises is a fault."""
    try:
        sending.settle()
    except Exception as error:
        fault(error)


class Client:
    """How a library tells of its requests. One is made for each engine: what is recorded is decided in ``__init__``.

    ``brief`` is whether first attempts can be told in a few words, by `describe`: ``asked(request)`` gives what a
    request is, and ``came(response)`` what came of it; None where `start` or `end` has to tell of it.
    """

    brief = False

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

    def asked(self, request: Any) -> tuple[Any, ...] | None:
        """A request in a few words, which can be hashed: None where they do not do."""
        return None

    def came(self, response: Any) -> tuple[Any, ...] | None:
        """The response to it, if it is of the usual kind and no error; where an attribute is missing it is not."""
        return None

    def describe(self, said: Any) -> tuple[str, dict[str, Any]]:
        """Name and attributes of an attempt: ``said`` is what was ``asked``, and then, of a response, what ``came``."""
        raise NotImplementedError

    def blames(self, error: BaseException, request: Any) -> bool:
        """Whether ``error``, raised after the headers of a response were there, tells of that very exchange."""
        return False


def opener(engine: Engine, operation: Operation, client: Client) -> Open:
    """The function that begins an attempt's span, or finds out what an attempt that is not recorded hands on.

    It is called with the `Sending` and the library's request.
    """
    begin, key, start, settings = beginner(engine, operation), operation.key, client.start, client.http

    def open(sending: Sending, request: Any) -> None:
        count = sending.attempts
        if count and sending.done is not None:
            sending.settle()
        sending.request = request
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

    search, may_go = settings.excluded(operation.library), goes(engine, client)
    chosen = open if search is None else _unless_excluded(open, engine, key, client.url, search)
    return chosen if may_go is None else _within(chosen, may_go)


def goes(engine: Engine, client: Client) -> Callable[[Any], bool] | None:
    """The function that says whether context may go along with a request; None where it always may."""
    url, allows = client.url, engine.carrier.allows
    return None if allows is None else lambda request: allows(host_port(split(url(request))[1])[0])


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


def _within(open: Open, may_go: Callable[[Any], bool]) -> Open:
    """Open attempts, and let context go along only to hosts that it may be sent to."""

    def within(sending: Sending, request: Any) -> None:
        open(sending, request)
        if sending.identity is not None and not may_go(request):
            sending.identity = None

    return within


def follows(self: Any, request: Any, *args: Any, **kwargs: Any) -> None:
    """A redirect is about to send ``request``."""
    sending = SENDING.get()
    if sending is not None:
        sending.next = request
