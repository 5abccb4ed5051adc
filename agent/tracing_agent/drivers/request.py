"""The driver for HTTP clients' requests, as the program makes them: all attempts that it takes are siblings, numbered.

Redirects, retries and answers to a challenge are attempts of one request, of which the last one has the outcome that
the caller gets. What happens until the request is over may still make that one fail: a body that breaks off, too many
redirects.

Source: semantic conventions 1.44, "HTTP request retries and redirects".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.call import fail
from tracing_agent.drivers.exact import ABSENT, same
from tracing_agent.drivers.sending import OVER, SENDING, Sending, over, settled
from tracing_agent.semconv.http import HttpSettings
from tracing_agent.semconv.http.client import client_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.drivers.sending import Client
    from tracing_agent.operation import Operation
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine

    Fault = Callable[[BaseException], None]


def request(operation: Operation, client: Callable[[HttpSettings], Client]) -> Wrap:
    """The outermost method, ``original(self, request, ...)``: from here to its end it is one request.

    ``client`` is called with the HTTP settings.
    """

    def wrap(original: Any, engine: Engine) -> Any:
        blames, fault = client(engine.http or HttpSettings()).blames, operation.breaker.fault

        def send(
            self: Any,
            request: Any,
            *args: Any,
            timeout: Any = ABSENT,
            allow_redirects: Any = ABSENT,
            proxies: Any = ABSENT,
            stream: Any = ABSENT,
            verify: Any = ABSENT,
            cert: Any = ABSENT,
            **kwargs: Any,
        ) -> Any:
            # `Session.request` gives all of these.
            usual = not (args or kwargs or timeout is ABSENT or allow_redirects is ABSENT or proxies is ABSENT)
            usual = usual and not (stream is ABSENT or verify is ABSENT or cert is ABSENT)
            around = SENDING.get()
            if not usual or (around is not None and around.next is request):
                named = {"timeout": timeout, "allow_redirects": allow_redirects, "proxies": proxies, "stream": stream}
                named |= {"verify": verify, "cert": cert}
                kwargs = {**{name: value for name, value in named.items() if value is not ABSENT}, **kwargs}
                return wrapper(self, request, *args, **kwargs)
            sending = Sending()
            token = SENDING.set(sending)
            try:
                response = original(
                    self,
                    request,
                    timeout=timeout,
                    allow_redirects=allow_redirects,
                    proxies=proxies,
                    stream=stream,
                    verify=verify,
                    cert=cert,
                )
            except BaseException as error:
                if sending.done is not None:
                    _conclude(sending, error, blames, fault)
                raise
            finally:
                # As `over`, without its call.
                sending.phase = OVER
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

        def theirs(self: Any, request: Any, **kwargs: Any) -> Any:
            """The signature for which that one does."""

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
                over(sending, token)
            if sending.done is not None:
                settled(sending, fault)
            return response

        return send if same(theirs, original) else wrapper

    return wrap


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
    settled(sending, fault)
