"""The drivers for HTTP clients: a request of the program, and below it a span for each of its attempts on the wire.

Redirects, retries and answers to a challenge are attempts of one request: siblings, numbered, of which the last one has
the outcome that the caller gets. An attempt's span ends when the response's headers are there; it is handed on when the
request is over, as what happens until then may still make it fail (a body that breaks off, too many redirects).

Source: semantic conventions 1.44, "HTTP client", "HTTP request retries and redirects".
"""

from __future__ import annotations

from sys import modules
from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.call import fail
from tracing_agent.drivers.sending import SENDING, Sending, opener, over
from tracing_agent.semconv.http import HttpSettings
from tracing_agent.semconv.http.client import client_failed
from tracing_agent.trace.begin import leave
from tracing_agent.trace.sdk import SUPPRESS_HTTP_KEY, Context, attach, current

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.drivers.sending import Client
    from tracing_agent.operation import Operation
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.carrier import Carrier
    from tracing_agent.trace.engine import Engine

    Fault = Callable[[BaseException], None]

# A tracer that the program may have put below the libraries traced here.
_OTHERS = "opentelemetry.instrumentation.urllib3"
_NOTHING = (None,)


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

        def wrapper(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            around = SENDING.get()
            if around is not None and around.next is request:
                around.next = None
                return original(self, request, *args, **kwargs)
            sending = Sending()
            token = SENDING.set(sending)
            try:
                response = original(self, request, *args, **kwargs)
            except BaseException as error:
                if sending.done is not None:
                    _conclude(sending, error, blames, fault)
                raise
            finally:
                # As `over`, without its call.
                sending.over = True
                sending.request = sending.next = None
                try:
                    SENDING.reset(token)
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
            return response

        return wrapper

    def attempt(self, original: Any, engine: Engine) -> Any:
        """A method ``original(self, request, ...)`` that makes at least one attempt, within `request` or by itself."""
        client = self._client(engine.http or HttpSettings())
        open, end, clock = opener(engine, self._operation, client), client.end, engine.clock
        came = client.came if client.brief else tuple
        silently, breaker, fault = _silently(original), self._operation.breaker, self._operation.breaker.fault

        def wrapper(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            sending, alone, context = SENDING.get(), None, current()
            if breaker.open or (context and context.get(SUPPRESS_HTTP_KEY)):
                return original(self, request, *args, **kwargs)
            if sending is None or sending.over:
                sending = Sending()
                alone = SENDING.set(sending)
            elif sending.active:
                return original(self, request, *args, **kwargs)  # a layer below the one that is traced
            try:
                open(sending, request)
            except Exception as error:
                sending.span = sending.asked = sending.identity = None
                fault(error)
            sending.active = True
            call = silently if _OTHERS in modules and (sending.asked or sending.span) is not None else original
            try:
                response = call(self, request, *args, **kwargs)
            except BaseException as error:
                sending.broke(error, fault)
                raise
            finally:
                sending.active = False
                sending.identity = None
                if alone is not None:
                    over(sending, alone)
            try:
                asked = sending.asked
                if asked is not None:
                    try:
                        told = came(response)
                    except AttributeError:
                        told = _NOTHING  # of a double of a response
                    if type(told[0]) is int and told[0] < 400:
                        sending.asked = None
                        begun = sending.begun
                        sending.done = (*begun, clock(), begun[0].base, asked + told)
                if sending.asked is not None or sending.span is not None:
                    span: Any = sending.drawn()
                    sending.span = None
                    end(span, response)
                    sending.done, sending.end = span, clock()
            except Exception as error:
                fault(error)
            if alone is not None:
                _settle(sending, fault)
            return response

        return wrapper

    def inside(self, original: Any, engine: Engine, applies: Callable[[Any], bool]) -> Any:
        """As `attempt`, for a method that is traced within `request` only, and if ``applies(request)``."""
        wrapped, breaker = self.attempt(original, engine), self._operation.breaker

        def wrapper(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            sending, call = SENDING.get(), original
            try:
                if sending is not None and not (sending.over or breaker.open) and applies(request):
                    call = wrapped
            except Exception as error:
                breaker.fault(error)
            return call(self, request, *args, **kwargs)

        return wrapper

    def handed(self, hand: Callable[[Carrier, Any, Any], Any]) -> Wrap:
        """The method of an `attempt` below which no `wire` is: context has to be in the request it is called with.

        ``hand(carrier, identity, request)`` gives that request: a copy, and the caller's in its place afterwards.
        """

        def wrap(original: Any, engine: Engine) -> Any:
            fault, carrier = self._operation.breaker.fault, engine.carrier

            def wrapper(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
                sending, wire = SENDING.get(), request
                if sending is not None and sending.identity is not None:
                    try:
                        wire = hand(carrier, sending.identity, request)
                    except Exception as error:
                        fault(error)
                if wire is request:
                    return original(self, request, *args, **kwargs)
                try:
                    response = original(self, wire, *args, **kwargs)
                except BaseException as error:
                    _restore(error, wire, request, fault)
                    raise
                _restore(response, wire, request, fault)
                return response

            return wrapper

        return wrap

    def wire(self, carrying: Callable[[Carrier], Callable[[Any, Any, Any], Any]]) -> Wrap:
        """The method that puts an attempt on the wire: called anew for each retry.

        ``carrying(carrier)`` gives a function ``(identity, args, kwargs)``, which gives the arguments, ``self``
        included, with context in the headers.
        """

        def wrap(original: Any, engine: Engine) -> Any:
            open = opener(engine, self._operation, self._client(engine.http or HttpSettings()))
            fault, carry = self._operation.breaker.fault, carrying(engine.carrier)

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                sending = SENDING.get()
                if sending is not None and sending.active:
                    try:
                        if sending.again:
                            sending.again = False
                            open(sending, sending.request)
                        if sending.identity is not None:
                            args, kwargs = carry(sending.identity, args, kwargs)
                    except Exception as error:
                        fault(error)
                return original(*args, **kwargs)

            return wrapper

        return wrap

    def retried(self, outcome: Callable[..., None]) -> Wrap:
        """A method that is called when an attempt has failed, and raises unless another one is to follow.

        ``outcome(capture, span, *args, **kwargs)`` records what it was told; ``capture`` is of response headers.
        """

        def wrap(original: Any, engine: Engine) -> Any:
            captured = (engine.http or HttpSettings()).client_response
            fault = self._operation.breaker.fault

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                sending = SENDING.get()
                if sending is None or not sending.active or (sending.asked or sending.span) is None:
                    return original(*args, **kwargs)
                span: Any = None
                try:
                    span = sending.drawn()
                    outcome(captured, span, *args, **kwargs)
                except Exception as error:
                    fault(error)
                result = original(*args, **kwargs)
                sending.span, sending.again = None, True
                try:
                    span.origin.finish(span)
                except Exception as error:
                    fault(error)
                return result

            return wrapper

        return wrap


def _silently(original: Any) -> Any:
    """``original``, below which other tracers of HTTP clients make no second span."""

    def silent(*args: Any, **kwargs: Any) -> Any:
        context = Context(current())
        dict.__setitem__(context, SUPPRESS_HTTP_KEY, True)
        token = attach(context)
        try:
            return original(*args, **kwargs)
        finally:
            leave(token)

    return silent


def _settle(sending: Sending, fault: Fault) -> None:
    try:
        sending.settle()
    except Exception as error:
        fault(error)


def _conclude(sending: Sending, error: BaseException, blames: Callable[[Any, Any], bool], fault: Fault) -> None:
    """The request failed although the headers of a response had come."""
    done = sending.done
    try:
        failed = type(done) is not tuple and "error.type" in done.values
        if not failed and blames(error, sending.request):
            sending.done = None
            span = done[0].span(done) if type(done) is tuple else done
            span._end_time = None
            fail(span, error, fault, client_failed)
    except Exception as ours:
        fault(ours)
    _settle(sending, fault)


def _restore(outcome: Any, wire: Any, request: Any, fault: Fault) -> None:
    """Let a response or exception refer to the caller's request again."""
    try:
        if getattr(outcome, "request", None) is wire:
            outcome.request = request
    except Exception as error:
        fault(error)
