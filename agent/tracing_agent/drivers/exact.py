"""Wrappers with the very signature of what they wrap, for methods that are called with many arguments by name.

What passes on any arguments has to collect them first and to spread them again, which takes longer than all else that
there is to do. Where a version of the library has another signature, they are passed on so.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.drivers.sending import Sending

    Before = Callable[[Any], "Sending | None"]
    After = Callable[[Sending, Any], None]
    Broke = Callable[[Sending, BaseException], None]

# Flags of code that takes any arguments.
_ANY_POSITIONAL, _ANY_NAMED = 0x04, 0x08
_ABSENT: Any = object()


def request(original: Any, before: Before, after: After, broke: Broke) -> Any:
    """A method ``original(self, request, ...)`` between ``before(request)`` and the others; that of `requests.Session`.

    What ``before`` gives goes to ``after`` with the result, or to ``broke`` with what was raised; None: neither.
    """

    def send(
        self: Any,
        request: Any,
        *args: Any,
        timeout: Any = _ABSENT,
        allow_redirects: Any = _ABSENT,
        proxies: Any = _ABSENT,
        stream: Any = _ABSENT,
        verify: Any = _ABSENT,
        cert: Any = _ABSENT,
        **kwargs: Any,
    ) -> Any:
        # What `Session.request` gives, always all of it, is the usual case.
        usual = not (args or kwargs or timeout is _ABSENT or allow_redirects is _ABSENT)
        usual = usual and not (proxies is _ABSENT or stream is _ABSENT or verify is _ABSENT or cert is _ABSENT)
        if not usual:
            named = {"timeout": timeout, "allow_redirects": allow_redirects, "proxies": proxies, "stream": stream}
            named |= {"verify": verify, "cert": cert}
            kwargs = {**{name: value for name, value in named.items() if value is not _ABSENT}, **kwargs}
            return otherwise(self, request, *args, **kwargs)
        told = before(request)
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
            if told is not None:
                broke(told, error)
            raise
        if told is not None:
            after(told, response)
        return response

    def theirs(self: Any, request: Any, **kwargs: Any) -> Any:
        """The signature for which that one does."""

    otherwise = _any(original, before, after, broke)
    return send if _same(theirs, original) else otherwise


def attempt(original: Any, before: Before, after: After, broke: Broke) -> Any:
    """The same of `requests.adapters.HTTPAdapter`."""

    def send(
        self: Any,
        request: Any,
        stream: Any = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Any:
        told = before(request)
        if told is None:
            return original(self, request, stream, timeout, verify, cert, proxies)
        try:
            response = original(self, request, stream, timeout, verify, cert, proxies)
        except BaseException as error:
            broke(told, error)
            raise
        after(told, response)
        return response

    return send if _stands_for(send, original) else _any(original, before, after, broke)


def _any(original: Any, before: Before, after: After, broke: Broke) -> Any:
    def wrapper(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        told = before(request)
        if told is None:
            return original(self, request, *args, **kwargs)
        try:
            # Without a sequence of nothing, which would be copied.
            response = original(self, request, *args, **kwargs) if args else original(self, request, **kwargs)
        except BaseException as error:
            broke(told, error)
            raise
        after(told, response)
        return response

    return wrapper


def wire(original: Any, written: Callable[[Any, Any], Any]) -> Any:
    """``original(self, method, url, body, headers, ...)`` with ``written(self, headers)``; that of urllib3."""

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
        headers = written(self, headers)
        if response_kw:
            some = self, method, url, body, headers, retries, redirect, assert_same_host, timeout, pool_timeout
            return original(*some, release_conn, chunked, body_pos, preload_content, decode_content, **response_kw)
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
        if len(args) > 4:
            args = (*args[:4], written(args[0], args[4]), *args[5:])
        elif args:
            given = kwargs.get("headers")
            headers = written(args[0], given)
            if headers is not given:
                kwargs["headers"] = headers
        return original(*args, **kwargs)

    return urlopen if _stands_for(urlopen, original) else wrapper


def _stands_for(function: Any, original: Any) -> bool:
    """Whether ``function`` can be called in the very ways in which ``original`` can; then it has its defaults."""
    if not _same(function, original):
        return False
    function.__defaults__ = original.__defaults__
    return True


def _same(function: Any, original: Any) -> bool:
    if type(original) is not FunctionType or original.__kwdefaults__:
        return False
    return _signature(function) == _signature(original)


def _signature(function: FunctionType) -> tuple[Any, ...]:
    code = function.__code__
    spread = code.co_flags & _ANY_POSITIONAL, code.co_flags & _ANY_NAMED
    count = code.co_argcount + code.co_kwonlyargcount + sum(map(bool, spread))
    numbers = code.co_posonlyargcount, code.co_argcount, code.co_kwonlyargcount, len(function.__defaults__ or ())
    return (*spread, *numbers, *code.co_varnames[:count])
