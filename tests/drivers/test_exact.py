"""Wrappers with the signature of what they wrap pass on whatever they are called with, as it came."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import requests
import urllib3
from opentelemetry import context
from opentelemetry.trace import SpanKind

from support.recorder import Recorder
from tracing_agent.drivers.attempts import Attempts
from tracing_agent.drivers.exact import same
from tracing_agent.drivers.on_wire import OnWire
from tracing_agent.drivers.request import request
from tracing_agent.drivers.sending import ACTIVE, SENDING, Client, Sending
from tracing_agent.operation import Operation
from tracing_agent.patching.targets import like
from tracing_agent.trace.sdk import SUPPRESS_HTTP_KEY

ASKED = object()
Call = tuple[tuple[Any, ...], dict[str, Any]]


class Methods:
    """With the signatures of the newest versions; each tells how it was called."""

    def request(self, request: Any, **kwargs: Any) -> Any:
        return request, kwargs

    def attempt(
        self,
        request: Any,
        stream: Any = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Any:
        return request, stream, timeout, verify, cert, proxies

    def wire(
        self,
        method: Any,
        url: Any,
        body: Any = None,
        headers: Any = None,
        retries: Any = None,
        redirect: Any = True,
        assert_same_host: Any = True,
        timeout: Any = ASKED,
        pool_timeout: Any = None,
        release_conn: Any = None,
        chunked: Any = False,
        body_pos: Any = None,
        preload_content: Any = True,
        decode_content: Any = True,
        **response_kw: Any,
    ) -> Any:
        rest = preload_content, decode_content, response_kw
        first = method, url, body, headers, retries, redirect, assert_same_host, timeout, pool_timeout
        return *first, release_conn, chunked, body_pos, *rest


class Others(Methods):
    """With those of other versions."""

    def request(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return request, args, kwargs

    def attempt(self, request: Any, stream: Any = False, *, timeout: Any = None, **others: Any) -> Any:  # type: ignore[override]
        return request, stream, timeout, others

    def wire(self, method: Any, url: Any, body: Any = None, headers: Any = None, **others: Any) -> Any:  # type: ignore[override]
        return method, url, body, headers, others


NAMED = {"timeout": 1, "allow_redirects": True, "proxies": None, "stream": False, "verify": True, "cert": None}
REQUESTS: list[Call] = [
    (("it",), {}),
    (("it",), NAMED),
    (("it",), {"cert": None, "own": 1}),
    (("it",), {**NAMED, "own": 1}),
    (("it",), {"timeout": None, "stream": True}),
    ((), {"request": "it", "verify": False}),
    ((), {}),
    ((), NAMED),
    (("it", "more"), {}),
    (("it", "more"), NAMED),
]
ATTEMPTS: list[Call] = [
    (("it",), {}),
    (("it", True, 1), {"proxies": {}}),
    (("it",), {"stream": 1, "timeout": 2, "verify": 3, "cert": 4, "proxies": 5}),
    ((), {"request": "it", "cert": 1}),
    ((), {}),
    (("it",), {"own": 1}),
    (("it", 1, 2, 3, 4, 5, 6), {}),
]
WIRES: list[Call] = [
    (("GET", "/"), {}),
    (("GET", "/", b"body", {"a": "b"}, 3, False), {"timeout": 1}),
    (("GET", "/"), {"headers": {"a": "b"}, "own": 1}),
    ((), {"method": "GET", "url": "/", "headers": {}, "pool_timeout": 1, "chunked": True}),
    (("GET", "/", b"body", None), {"preload_content": False, "decode_content": False, "body_pos": 2}),
    (tuple(range(14)), {"own": 1}),
    (("GET",), {}),
    (tuple(range(15)), {}),
]
CALLS = [("request", call) for call in REQUESTS] + [("attempt", call) for call in ATTEMPTS]
CALLS += [("wire", call) for call in WIRES]


class Told(Client):
    """Nothing is known of a request."""

    def url(self, request: Any) -> str:
        return "http://shop.example/"

    def start(self, span: Any, request: Any) -> None:
        assert request == "it"

    def end(self, span: Any, response: Any) -> None:
        span.values["response"] = repr(response)


def writer(carrier: Any) -> Callable[[Any, Any, Any], Any]:
    """What gives the headers of a request."""
    return lambda identity, self, headers: {"old": headers, "identity": identity}


def wrapped(recorder: Recorder, name: str, original: Any) -> Any:
    """A method under its driver."""
    operation = Operation("shop", "HTTP", SpanKind.CLIENT)
    drivers: dict[str, Any] = {
        "request": request(operation, Told),
        "attempt": Attempts(operation, Told).attempt,
        "wire": OnWire(operation, Told).wire(writer),
    }
    return like(drivers[name](original, recorder.engine), original)


def outcome(function: Callable[..., Any], call: Call) -> Any:
    """What comes of a call."""
    args, kwargs = call
    try:
        return function(Methods(), *args, **kwargs)
    except TypeError as error:
        return str(error)


@pytest.mark.parametrize("methods", [Methods, Others])
@pytest.mark.parametrize(("name", "call"), CALLS)
def test_calls(recorder: Recorder, methods: type[Methods], name: str, call: Call) -> None:
    """However a method is called, it is called so; and a wrong call raises what it raises by itself."""
    original = getattr(methods, name)
    bare = outcome(original, call)
    assert outcome(wrapped(recorder, name, original), call) == bare
    if name == "attempt" and not isinstance(bare, str):
        (span,) = recorder.spans()
        assert span["attributes"] == {"response": repr(bare)}
    assert SENDING.get() is None


@pytest.mark.parametrize("methods", [Methods, Others])
@pytest.mark.parametrize("call", ATTEMPTS)
def test_layers(recorder: Recorder, methods: type[Methods], call: Call) -> None:
    """Below an attempt, and where instrumentation is suppressed, a method is called as it is."""
    original = methods.attempt
    bare = outcome(original, call)
    sending = Sending()
    sending.phase = ACTIVE
    token = SENDING.set(sending)
    try:
        assert outcome(wrapped(recorder, "attempt", original), call) == bare
    finally:
        SENDING.reset(token)
    suppressing = context.attach(context.set_value(SUPPRESS_HTTP_KEY, True))
    try:
        assert outcome(wrapped(recorder, "attempt", original), call) == bare
    finally:
        context.detach(suppressing)
    assert recorder.spans() == []


@pytest.mark.parametrize("methods", [Methods, Others])
@pytest.mark.parametrize("call", WIRES[:6])
def test_headers(recorder: Recorder, methods: type[Methods], call: Call) -> None:
    """Headers are replaced wherever they stand."""
    args, kwargs = call
    given = args[3] if len(args) > 3 else kwargs.get("headers")
    headers = {"old": given, "identity": 7}
    changed = (*args[:3], headers, *args[4:]), kwargs
    if len(args) <= 3:
        changed = args, {**kwargs, "headers": headers}
    sending = Sending()
    sending.phase, sending.identity = ACTIVE, 7
    token = SENDING.set(sending)
    try:
        assert outcome(wrapped(recorder, "wire", methods.wire), call) == outcome(methods.wire, changed)
    finally:
        SENDING.reset(token)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Methods.request, requests.Session.send),
        (Methods.attempt, requests.adapters.HTTPAdapter.send),
        (Methods.wire, urllib3.HTTPConnectionPool.urlopen),
    ],
    ids=["request", "attempt", "wire"],
)
def test_the_libraries(ours: Any, theirs: Any) -> None:
    """The signatures are those of the libraries as they are: where one is not, its calls cost more."""
    if ours is Methods.wire and urllib3.__version__.startswith("1."):
        pytest.skip("urllib3 1 has another signature")
    assert same(ours, inspect.unwrap(theirs))


@pytest.mark.parametrize("name", ["request", "attempt", "wire"])
def test_own_signature(recorder: Recorder, name: str) -> None:
    """A wrapper names the arguments of a method whose signature is known, and takes whatever comes for any other."""
    original = getattr(Methods, name)
    wrapper, general = wrapped(recorder, name, original), wrapped(recorder, name, getattr(Others, name))
    if name == "request":
        assert set(wrapper.__kwdefaults__) == set(NAMED)
    else:
        assert same(wrapper, original)
        assert wrapper.__defaults__ == original.__defaults__
    assert (general.__defaults__, general.__kwdefaults__) == (None, None)
    assert inspect.signature(wrapper) == inspect.signature(original)


@pytest.mark.parametrize("name", ["request", "attempt", "wire"])
def test_what_is_no_function(recorder: Recorder, name: str) -> None:
    """Somebody else's wrapper, whose signature tells nothing, is called as it was."""

    class Wrapper:
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return args, kwargs

    assert wrapped(recorder, name, Wrapper())(0, "it", b=1) == ((0, "it"), {"b": 1})
