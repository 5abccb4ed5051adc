"""The drivers for what is below the method that makes an attempt: context goes along, and the library may try again.

Source: semantic conventions 1.44, "HTTP request retries and redirects".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.exact import stands_for
from tracing_agent.drivers.sending import ACTIVE, AGAIN, SENDING, opener
from tracing_agent.semconv.http import HttpSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.drivers.sending import Client
    from tracing_agent.operation import Operation
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.carrier import Carrier
    from tracing_agent.trace.engine import Engine

    Fault = Callable[[BaseException], None]


class OnWire:
    """The drivers of one library, with what is known of a request; see `attempts.Attempts`."""

    def __init__(self, operation: Operation, client: Callable[[HttpSettings], Client]) -> None:
        self._operation = operation
        self._client = client

    def handed(self, hand: Callable[[Carrier, Any, Any], Any]) -> Wrap:
        """The method of an `attempt` below which no `wire` is: context has to be in the request it is called with.

        ``hand(carrier, identity, request)`` gives that request: a copy, and the caller's in its place afterwards.
        """

        def wrap(original: Any, engine: Engine) -> Any:
            fault, carrier = self._operation.breaker.fault, engine.carrier

            def send(
                self: Any,
                request: Any,
                stream: Any = False,
                timeout: Any = None,
                verify: Any = True,
                cert: Any = None,
                proxies: Any = None,
            ) -> Any:
                sending, wire = SENDING.get(), request
                if sending is not None and sending.identity is not None:
                    try:
                        wire = hand(carrier, sending.identity, request)
                    except Exception as error:
                        fault(error)
                try:
                    response = original(self, wire, stream, timeout, verify, cert, proxies)
                except BaseException as error:
                    if wire is not request:
                        _restore(error, wire, request, fault)
                    raise
                if wire is not request:
                    _restore(response, wire, request, fault)
                return response

            def wrapper(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
                sending, wire = SENDING.get(), request
                if sending is not None and sending.identity is not None:
                    try:
                        wire = hand(carrier, sending.identity, request)
                    except Exception as error:
                        fault(error)
                try:
                    response = original(self, wire, *args, **kwargs)
                except BaseException as error:
                    if wire is not request:
                        _restore(error, wire, request, fault)
                    raise
                if wire is not request:
                    _restore(response, wire, request, fault)
                return response

            return send if stands_for(send, original) else wrapper

        return wrap

    def wire(self, writer: Callable[[Carrier], Callable[[Any, Any, Any], Any]]) -> Wrap:
        """The method ``original(self, method, url, body, headers, ...)`` that puts an attempt on the wire: urllib3's.

        It is called anew for each retry. ``writer(carrier)`` gives a function ``(identity, self, headers)``, which
        gives headers with context.
        """

        def wrap(original: Any, engine: Engine) -> Any:
            open = opener(engine, self._operation, self._client(engine.http or HttpSettings()))
            fault, write = self._operation.breaker.fault, writer(engine.carrier)

            def urlopen(
                self: Any,
                method: Any,
                url: Any,
                body: Any = None,
                headers: Any = None,
                retries: Any = None,
                redirect: Any = True,
                assert_same_host: Any = True,
                timeout: Any = None,
                pool_timeout: Any = None,
                release_conn: Any = None,
                chunked: Any = False,
                body_pos: Any = None,
                preload_content: Any = True,
                decode_content: Any = True,
                **response_kw: Any,
            ) -> Any:
                sending = SENDING.get()
                if sending is not None:
                    try:
                        if sending.phase == AGAIN:
                            sending.phase = ACTIVE
                            open(sending, sending.request)
                        if sending.phase == ACTIVE and sending.identity is not None:
                            headers = write(sending.identity, self, headers)
                    except Exception as error:
                        fault(error)
                if response_kw:
                    some = self, method, url, body, headers, retries, redirect, assert_same_host, timeout, pool_timeout
                    rest = release_conn, chunked, body_pos, preload_content, decode_content
                    return original(*some, *rest, **response_kw)
                return original(
                    self,
                    method,
                    url,
                    body,
                    headers,
                    retries,
                    redirect,
                    assert_same_host,
                    timeout,
                    pool_timeout,
                    release_conn,
                    chunked,
                    body_pos,
                    preload_content,
                    decode_content,
                )

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                sending = SENDING.get()
                if sending is not None and args:
                    try:
                        if sending.phase == AGAIN:
                            sending.phase = ACTIVE
                            open(sending, sending.request)
                        if sending.phase == ACTIVE and sending.identity is not None:
                            if len(args) > 4:
                                args = (*args[:4], write(sending.identity, args[0], args[4]), *args[5:])
                            else:
                                kwargs["headers"] = write(sending.identity, args[0], kwargs.get("headers"))
                    except Exception as error:
                        fault(error)
                return original(*args, **kwargs)

            return urlopen if stands_for(urlopen, original) else wrapper

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
                in_flight = sending is not None and sending.phase in (ACTIVE, AGAIN)
                if sending is None or not in_flight or (sending.asked or sending.span) is None:
                    return original(*args, **kwargs)
                span: Any = None
                try:
                    span = sending.drawn()
                    outcome(captured, span, *args, **kwargs)
                except Exception as error:
                    fault(error)
                result = original(*args, **kwargs)
                sending.span, sending.phase = None, AGAIN
                try:
                    span.origin.finish(span)
                except Exception as error:
                    fault(error)
                return result

            return wrapper

        return wrap


def _restore(outcome: Any, wire: Any, request: Any, fault: Fault) -> None:
    """Let a response or exception refer to the caller's request again."""
    try:
        if getattr(outcome, "request", None) is wire:
            outcome.request = request
    except Exception as error:
        fault(error)
