"""The driver for HTTP clients' attempts on the wire: a span each, below what the request is below.

An attempt's span ends when the response's headers are there; it is handed on when the request is over. See `request`.

Source: semantic conventions 1.44, "HTTP client", "HTTP request retries and redirects".
"""

from __future__ import annotations

from sys import modules
from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.exact import stands_for
from tracing_agent.drivers.sending import ACTIVE, BETWEEN, OVER, SENDING, Sending, goes, opener, over, settled
from tracing_agent.drivers.sketched import possible, with_roots
from tracing_agent.semconv.http import HttpSettings
from tracing_agent.trace.begin import leave, made
from tracing_agent.trace.sdk import SPAN_KEY, SUPPRESS_HTTP_KEY, SUPPRESS_KEY, Context, attach, current
from tracing_agent.trace.sketch import Artist
from tracing_agent.trace.span import SAMPLED, Span, Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.drivers.sending import Client
    from tracing_agent.operation import Operation
    from tracing_agent.trace.engine import Engine

# A tracer that the program may have put below the libraries traced here.
_OTHERS = "opentelemetry.instrumentation.urllib3"


class Attempts:
    """The drivers of one library, which share what is known of a request.

    ``client`` is called with the HTTP settings.
    """

    def __init__(self, operation: Operation, client: Callable[[HttpSettings], Client]) -> None:
        self._operation = operation
        self._client = client

    def attempt(self, original: Any, engine: Engine) -> Any:
        """A method ``original(self, request, ...)`` that makes at least one attempt, within `request` or by itself."""
        send = self._send(original, engine, spread=False)
        if stands_for(send, original):
            return send
        spread = self._send(original, engine, spread=True)

        def wrapper(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            return spread(self, request, args, kwargs)

        return wrapper

    def _send(self, original: Any, engine: Engine, *, spread: bool) -> Any:
        """``original`` traced in one function, with few steps in the usual case; otherwise `opener` begins a span.

        Where it is ``spread``, the function takes a sequence and a dictionary instead of the arguments themselves.
        """
        operation, client = self._operation, self._client(engine.http or HttpSettings())
        open, artist = opener(engine, operation, client), Artist(operation, engine, client.describe)
        end, asked_of, came, url = client.end, client.asked, client.came, client.url
        search, may_go = client.http.excluded(operation.library), goes(engine, client)
        sketched, rooted = client.brief and possible(engine), with_roots(engine, operation)
        breaker, fault, key = operation.breaker, operation.breaker.fault, operation.key
        clock, bits, span_id = engine.clock, artist.bits, engine.ids.generate_span_id

        def send(
            self: Any,
            request: Any,
            stream: Any = False,
            timeout: Any = None,
            verify: Any = True,
            cert: Any = None,
            proxies: Any = None,
        ) -> Any:
            sending, context = SENDING.get(), current()
            if breaker.open or (context and context.get(SUPPRESS_HTTP_KEY)):
                if spread:
                    return original(self, request, *stream, **timeout)
                return original(self, request, stream, timeout, verify, cert, proxies)
            alone = silent = None
            asked: Any = None
            if sending is None or sending.phase == OVER:
                sending = Sending()
                alone = SENDING.set(sending)
            elif sending.phase:
                # A layer below the one that is traced.
                if spread:
                    return original(self, request, *stream, **timeout)
                return original(self, request, stream, timeout, verify, cert, proxies)
            try:
                if sketched and engine.sketches is not None and not sending.attempts:
                    trace: Any = None
                    above = None
                    up: Any = context.get(SPAN_KEY) if context else None
                    if up is None:
                        if rooted and engine.roots and not (context and context.get(SUPPRESS_KEY)):
                            asked = asked_of(request)
                    elif type(up) is Span and not (up.origin.suppresses & key or context.get(SUPPRESS_KEY)):
                        trace, above = up.trace, up.span_id
                        asked = asked_of(request) if trace.flags & SAMPLED else None
                    if asked is not None and search is not None and search(url(request)):
                        asked = None
                if asked is None:
                    open(sending, request)
                else:
                    if trace is None:
                        if bits is None:
                            trace = engine.trace_for(None)
                        else:
                            # As `Engine.trace_for` and `w3c.head`, without their steps.
                            trace = made(Trace)
                            trace.id = id = bits(128) or 1
                            trace.flags = artist.flags
                            trace.state = ""
                            trace.head = f"00-{id.to_bytes(16, 'big').hex()}-"
                            trace.recorded = True
                            trace.debug = False
                            trace.encoded = None
                    sending.request = request
                    sending.attempts = 1
                    sending.artist = artist
                    sending.trace = trace
                    sending.above = above
                    sending.span_id = id = bits(64) or 1 if bits else span_id()
                    sending.asked = asked
                    sending.identity = sending if may_go is None or may_go(request) else None
                    engine.started += 1
                    sending.start = start = clock()
            except Exception as error:
                sending.span = sending.asked = sending.identity = asked = None
                fault(error)
            if _OTHERS in modules and (asked or sending.span) is not None:
                silent = _silence(context)
            sending.phase = ACTIVE
            try:
                if spread:
                    response = original(self, request, *stream, **timeout)
                else:
                    response = original(self, request, stream, timeout, verify, cert, proxies)
            except BaseException as error:
                sending.broke(error, fault)
                raise
            finally:
                sending.phase = BETWEEN
                sending.identity = None
                if silent is not None:
                    leave(silent)
                if alone is not None:
                    over(sending, alone)
            try:
                told = None
                if sending.asked is not None:
                    try:
                        told = came(response)
                    except AttributeError:
                        pass  # a double of a response
                if told is not None:
                    sending.asked = None
                    sending.done = (artist, trace, above, id, start, clock(), artist.base, asked + told)
                elif sending.asked is not None or sending.span is not None:
                    span: Any = sending.drawn()
                    sending.span = None
                    end(span, response)
                    sending.done, sending.end = span, clock()
            except Exception as error:
                fault(error)
            if alone is not None:
                settled(sending, fault)
            return response

        return send

    def inside(self, original: Any, engine: Engine, applies: Callable[[Any], bool]) -> Any:
        """As `attempt`, for a method that is traced within `request` only, and if ``applies(request)``."""
        spread, breaker = self._send(original, engine, spread=True), self._operation.breaker

        def wrapper(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            sending, traced = SENDING.get(), False
            try:
                if sending is not None and not (sending.phase == OVER or breaker.open):
                    traced = applies(request)
            except Exception as error:
                breaker.fault(error)
            return spread(self, request, args, kwargs) if traced else original(self, request, *args, **kwargs)

        return wrapper


def _silence(context: Any) -> Any:
    """Let other tracers of HTTP clients make no second span; what `leave` takes."""
    silent = Context(context)
    dict.__setitem__(silent, SUPPRESS_HTTP_KEY, True)
    return attach(silent)
