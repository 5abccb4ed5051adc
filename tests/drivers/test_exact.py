"""Wrappers with the signature of what they wrap pass on whatever they are called with, as it came."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import requests
import urllib3

from tracing_agent.drivers import exact

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


def outcome(function: Callable[..., Any], call: Call) -> Any:
    """What comes of a call."""
    args, kwargs = call
    try:
        return function(Methods(), *args, **kwargs)
    except TypeError as error:
        return str(error)


def between(seen: list[Any], told: Any) -> tuple[Any, ...]:
    """What is done before and after a call; ``seen`` tells of it."""

    def before(request: Any) -> Any:
        seen.append(("before", request))
        return told

    return before, lambda *given: seen.append(("after", *given)), lambda *given: seen.append(("broke", *given))


@pytest.mark.parametrize("methods", [Methods, Others])
@pytest.mark.parametrize(("name", "call"), CALLS)
@pytest.mark.parametrize("told", [None, "told"])
def test_calls(methods: type[Methods], name: str, call: Call, told: Any) -> None:
    """However a method is called, it is called so; and a wrong call raises what it raises by itself."""
    original = getattr(methods, name)
    seen: list[Any] = []
    if name == "wire":
        wrapped = exact.wire(original, lambda self, headers: headers)
    else:
        wrapped = getattr(exact, name)(original, *between(seen, told))
    wrapped.__qualname__ = wrapped.__name__ = original.__qualname__
    bare = outcome(original, call)
    assert outcome(wrapped, call) == bare
    if name != "wire" and not isinstance(bare, str):
        assert seen == [("before", "it")] + ([("after", told, bare)] if told else [])


@pytest.mark.parametrize("kind", ["request", "attempt"])
@pytest.mark.parametrize("named", [{}, NAMED])
@pytest.mark.parametrize("told", [None, "told"])
def test_what_is_raised(kind: str, named: dict[str, Any], told: Any) -> None:
    """What the method raises is told of and raised as it is."""
    error = KeyboardInterrupt()

    def request(self: Any, request: Any, **kwargs: Any) -> Any:
        raise error

    def attempt(self: Any, request: Any, stream: Any = 0, *args: Any, **kwargs: Any) -> Any:
        raise error

    seen: list[Any] = []
    wrapped = getattr(exact, kind)(locals()[kind], *between(seen, told))
    with pytest.raises(KeyboardInterrupt) as raised:
        wrapped(None, "it", **named)
    assert raised.value is error
    assert seen == [("before", "it")] + ([("broke", told, error)] if told else [])


@pytest.mark.parametrize("methods", [Methods, Others])
@pytest.mark.parametrize("call", WIRES[:6])
def test_headers(methods: type[Methods], call: Call) -> None:
    """Headers are replaced wherever they stand; where nothing is to be said they are as they came."""
    asked: list[Any] = []

    def written(self: Any, headers: Any) -> Any:
        asked.append(headers)
        return {"new": "1"}

    args, kwargs = call
    given = args[3] if len(args) > 3 else kwargs.get("headers")
    changed = (
        ((*args[:3], {"new": "1"}, *args[4:]), kwargs) if len(args) > 3 else (args, {**kwargs, "headers": {"new": "1"}})
    )
    original = methods.wire
    assert outcome(exact.wire(original, written), call) == outcome(original, changed)
    assert asked == ([given] if not isinstance(outcome(original, call), str) else asked)


def test_the_newest_versions() -> None:
    """The signatures are those of the libraries as they are: where one is not, its calls cost more."""
    if requests.__version__ >= "2.32" and urllib3.__version__ >= "2":
        for ours, theirs in (
            (Methods.request, requests.Session.send),
            (Methods.attempt, requests.adapters.HTTPAdapter.send),
            (Methods.wire, urllib3.HTTPConnectionPool.urlopen),
        ):
            bare = inspect.unwrap(theirs)
            assert exact._same(ours, bare)
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(bare).parameters)


@pytest.mark.parametrize("name", ["request", "attempt", "wire"])
def test_what_is_no_function(name: str) -> None:
    """Somebody else's wrapper, whose signature tells nothing, is called as it was."""

    class Wrapper:
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return args, kwargs

    wrap = getattr(exact, name)
    wrapped = wrap(Wrapper(), lambda self, headers: headers) if name == "wire" else wrap(Wrapper(), *between([], 1))
    assert wrapped(0, "it", b=1) == ((0, "it"), {"b": 1})
