"""The drivers for HTTP clients: a request of the program, and below it a span for each of its attempts on the wire.

Redirects, retries and answers to a challenge are attempts of one request: siblings, numbered, of which the last one has
the outcome that the caller gets. An attempt's span ends when the response's headers are there; it is handed on when the
request is over, as what happens until then may still make it fail (a body that breaks off, too many redirects).

Source: semantic conventions 1.44, "HTTP client", "HTTP request retries and redirects".
"""

from __future__ import annotations

from sys import modules
from typing import TYPE_CHECKING, Any

from tracing_agent.drivers import exact
from tracing_agent.drivers.call import fail
from tracing_agent.drivers.sending import ACTIVE, BETWEEN, OVER, SENDING, Sending, opener, over
from tracing_agent.semconv.http import HttpSettings
from tracing_agent.semconv.http.client import client_failed
from tracing_agent.trace.begin import leave
from tracing_agent.trace.sdk import SUPPRESS_HTTP_KEY, Context, attach, current

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.drivers.sending import Client
    from tracing_agent.operation import Operation
    from tracing_agent.trace.engine import Engine

    Fault = Callable[[BaseException], None]

# A tracer that the program may have put below the libraries traced here.
_OTHERS = "opentelemetry.instrumentation.urllib3"


class Attempts:
    """The drivers of one library, which share what is known of a request.

    ``client`` is called with the HTTP settings.
    """

    def __init__(self, operation: Operation, client: Callable[[HttpSettings], Client]) -> None:
        self._operation = operation
        self._client = client

    def request(self, original: Any, engine: Engine) -> Any:
        """The outermost method, ``original(self, request, ...)``: from here to its end it is one request."""
        blames, fault = self._client(engine.http or HttpSettings()).blames, self._operation.breaker.fault

        def before(request: Any) -> Sending | None:
            around = SENDING.get()
            if around is not None and around.next is request:
                around.next = None
                return None
            sending = Sending()
            sending.token = SENDING.set(sending)
            return sending

        def after(sending: Sending, response: Any) -> None:
            # As `over`, without its call.
            sending.phase = OVER
            sending.request = sending.next = None
            try:
                SENDING.reset(sending.token)
            except ValueError:
                pass
            done = sending.done
            if done is not None:
                try:
                    # As `Sending.settle`, without its calls.
                    intake = engine.sketches
                    if type(done) is not tuple or intake is None:
                        sending.settle()
                    elif len(intake.queue) < intake.act_at:
                        intake.queue.append(done)
                    else:
                        intake.admit(done, len(intake.queue))
                except Exception as error:
                    fault(error)

        def broke(sending: Sending, error: BaseException) -> None:
            request = sending.request
            over(sending, sending.token)
            if sending.done is not None:
                _conclude(sending, error, request, blames, fault)

        return exact.request(original, before, after, broke)

    def attempt(self, original: Any, engine: Engine) -> Any:
        """A method ``original(self, request, ...)`` that makes at least one attempt, within `request` or by itself."""
        client = self._client(engine.http or HttpSettings())
        open, end, clock, came = opener(engine, self._operation, client), client.end, engine.clock, client.came
        breaker, fault = self._operation.breaker, self._operation.breaker.fault

        def before(request: Any) -> Sending | None:
            sending, context = SENDING.get(), current()
            if breaker.open or (context and context.get(SUPPRESS_HTTP_KEY)):
                return None
            alone = silent = None
            if sending is None or sending.phase == OVER:
                sending = Sending()
                alone = SENDING.set(sending)
            elif sending.phase:
                return None  # a layer below the one that is traced
            try:
                open(sending, request, context)
            except Exception as error:
                sending.span = sending.asked = sending.identity = None
                fault(error)
            if _OTHERS in modules and (sending.asked or sending.span) is not None:
                silent = _silence(context)
            sending.alone = alone
            sending.silent = silent
            sending.phase = ACTIVE
            return sending

        def after(sending: Sending, response: Any) -> None:
            # As `_landed`, without its call.
            sending.phase = BETWEEN
            sending.identity = None
            if sending.alone is not None or sending.silent is not None:
                _landed(sending)
            try:
                asked: Any = sending.asked
                told = None
                if asked is not None:
                    try:
                        told = came(response)
                    except AttributeError:
                        pass  # a double of a response
                if told is not None:
                    sending.asked = None
                    artist, trace, above, id = sending.artist, sending.trace, sending.above, sending.span_id
                    start, said = sending.start, asked + told
                    sending.done = (artist, trace, above, id, start, clock(), artist.base, said)
                elif asked is not None or sending.span is not None:
                    span: Any = sending.drawn()
                    sending.span = None
                    end(span, response)
                    sending.done, sending.end = span, clock()
            except Exception as error:
                fault(error)
            if sending.alone is not None:
                _settle(sending, fault)

        def broke(sending: Sending, error: BaseException) -> None:
            _landed(sending)
            sending.broke(error, fault)

        return exact.attempt(original, before, after, broke)

    def inside(self, original: Any, engine: Engine, applies: Callable[[Any], bool]) -> Any:
        """As `attempt`, for a method that is traced within `request` only, and if ``applies(request)``."""
        wrapped, breaker = self.attempt(original, engine), self._operation.breaker

        def wrapper(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            sending, call = SENDING.get(), original
            try:
                if sending is not None and not (sending.phase == OVER or breaker.open) and applies(request):
                    call = wrapped
            except Exception as error:
                breaker.fault(error)
            return call(self, request, *args, **kwargs)

        return wrapper


def _silence(context: Any) -> Any:
    """Let other tracers of HTTP clients make no second span; what `leave` takes."""
    silent = Context(context)
    dict.__setitem__(silent, SUPPRESS_HTTP_KEY, True)
    return attach(silent)


def _landed(sending: Sending) -> None:
    """The attempt is not in flight any more."""
    sending.phase = BETWEEN
    sending.identity = None
    if sending.silent is not None:
        leave(sending.silent)
    if sending.alone is not None:
        over(sending, sending.alone)


def _settle(sending: Sending, fault: Fault) -> None:
    try:
        sending.settle()
    except Exception as error:
        fault(error)


def _conclude(
    sending: Sending, error: BaseException, request: Any, blames: Callable[[Any, Any], bool], fault: Fault
) -> None:
    """The request failed although the headers of a response had come."""
    done = sending.done
    try:
        failed = type(done) is not tuple and "error.type" in done.values
        if not failed and blames(error, request):
            sending.done = None
            span = done[0].span(done) if type(done) is tuple else done
            span._end_time = None
            fail(span, error, fault, client_failed)
    except Exception as ours:
        fault(ours)
    _settle(sending, fault)
