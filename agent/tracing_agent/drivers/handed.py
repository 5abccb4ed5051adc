"""Drivers for work that is handed to another thread: it runs in the OpenTelemetry context of who handed it over.

Only that context goes along. What else the program keeps in context variables stays where it is, as untraced.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tracing_agent.trace.sdk import Context, attach, current, detach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracing_agent.faults import Breaker
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine

# Where the context waits, in the dictionary of the object that stands for the work.
_KEY = "_tracing_context"
# From Python 3.14 on a thread does its work in context variables of its own (`Thread._context`): those that the program
# gave it, or else a copy of its starter's (1, the default without the GIL) or empty ones (0). None before.
_INHERITED: int | None = getattr(sys.flags, "thread_inherit_context", None)


def handing(breaker: Breaker) -> Wrap:
    """A method that hands its object over. Nothing is kept where there is no context to keep."""

    def wrap(original: Any, engine: Engine) -> Any:
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            context = current()
            if context and not breaker.open:
                try:
                    self.__dict__[_KEY] = context
                except Exception as error:
                    breaker.fault(error)
            return original(self, *args, **kwargs)

        return wrapper

    return wrap


def starting(breaker: Breaker, wanted: Callable[[Any], bool]) -> Wrap:
    """`Thread.start`. A thread for which ``wanted(thread)`` is false begins with no context, whatever Python hands on;
    one to which the program gave context variables keeps those.
    """

    def wrap(original: Any, engine: Engine) -> Any:
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            context = current()
            if context and not breaker.open:
                try:
                    if _INHERITED is None or self._context is None:
                        if wanted(self):
                            self.__dict__[_KEY] = context
                        elif _INHERITED:
                            self.__dict__[_KEY] = Context()
                except Exception as error:
                    breaker.fault(error)
            return original(self, *args, **kwargs)

        return wrapper

    return wrap


def beginning(breaker: Breaker) -> Wrap:
    """A method that a new thread begins with, and ends with."""

    def wrap(original: Any, engine: Engine) -> Any:
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            context = self.__dict__.pop(_KEY, None)
            if context is not None:
                try:
                    if _INHERITED is None:
                        attach(context)
                    else:
                        self._context.run(attach, context)
                except Exception as error:
                    breaker.fault(error)
            return original(self, *args, **kwargs)

        return wrapper

    return wrap


def taking(breaker: Breaker) -> Wrap:
    """A method that does the work, in a thread that does other work after it."""

    def wrap(original: Any, engine: Engine) -> Any:
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            context = self.__dict__.pop(_KEY, None)
            if context is None:
                return original(self, *args, **kwargs)
            token = attach(context)
            try:
                return original(self, *args, **kwargs)
            finally:
                try:
                    detach(token)
                except Exception as error:
                    breaker.fault(error)

        return wrapper

    return wrap


class Handed:
    """A function of the program's, called in the context of who handed it over."""

    __slots__ = ("_breaker", "_context", "function")

    def __init__(self, function: Any, context: Any, breaker: Breaker) -> None:
        self.function = function
        self._context = context
        self._breaker = breaker

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = attach(self._context)
        try:
            return self.function(*args, **kwargs)
        finally:
            try:
                detach(token)
            except Exception as error:
                self._breaker.fault(error)


class Iterated:
    """What another thread goes through: what that runs of the program's runs in the context of who handed it over."""

    __slots__ = ("_breaker", "_context", "_iterable")

    def __init__(self, iterable: Any, context: Any, breaker: Breaker) -> None:
        self._iterable = iterable
        self._context = context
        self._breaker = breaker

    def __iter__(self) -> Iterator[Any]:
        iterator = Handed(iter, self._context, self._breaker)(self._iterable)
        following = Handed(iterator.__next__, self._context, self._breaker)
        return _Iterator(following)


class _Iterator:
    __slots__ = ("_next",)

    def __init__(self, following: Handed) -> None:
        self._next = following

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._next()


def functions(
    breaker: Breaker, places: dict[str, int], iterable: str = "", applies: Callable[[Any], bool] | None = None
) -> Wrap:
    """A method that takes functions for another thread to call, by name or at these places behind the object.

    ``iterable`` is the name of an argument that the other thread goes through; ``applies(self)`` says whether a thread
    is meant at all.
    """
    iterables = {iterable: places[iterable]} if iterable else {}
    called = {name: place for name, place in places.items() if name != iterable}

    def wrap(original: Any, engine: Engine) -> Any:
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            context = current()
            if not context or breaker.open:
                return original(self, *args, **kwargs)
            given = args, kwargs
            try:
                if applies is None or applies(self):
                    args, kwargs = _replaced(args, kwargs, called, lambda one: _with(one, context, breaker))
                    args, kwargs = _replaced(args, kwargs, iterables, lambda one: Iterated(one, context, breaker))
            except Exception as error:
                args, kwargs = given
                breaker.fault(error)
            return original(self, *args, **kwargs)

        return wrapper

    return wrap


def _replaced(
    args: tuple[Any, ...], kwargs: dict[str, Any], places: dict[str, int], by: Callable[[Any], Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, with others in these places."""
    for name, place in places.items():
        if place < len(args):
            args = (*args[:place], by(args[place]), *args[place + 1 :])
        elif name in kwargs:
            kwargs = {**kwargs, name: by(kwargs[name])}
    return args, kwargs


def _with(function: Any, context: Any, breaker: Breaker) -> Any:
    # None stands for no callback; what cannot be called fails as untraced.
    return Handed(function, context, breaker) if callable(function) else function
