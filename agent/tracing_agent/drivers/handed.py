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
    """An iterator for another thread: what it runs of the program's runs in the context of who handed it over."""

    __slots__ = ("_next",)

    def __init__(self, following: Handed) -> None:
        self._next = following

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._next()


def functions(breaker: Breaker, places: dict[str, int], iterating: bool = False) -> Wrap:
    """A method that takes functions for another thread to call, by name or at these places behind the object.

    With ``iterating`` it gives an iterator that is for another thread, too.
    """

    def wrap(original: Any, engine: Engine) -> Any:
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            context = current()
            if not context or breaker.open:
                return original(self, *args, **kwargs)
            try:
                handed = list(args)
                for name, place in places.items():
                    if place < len(handed):
                        handed[place] = _with(handed[place], context, breaker)
                    elif name in kwargs:
                        kwargs[name] = _with(kwargs[name], context, breaker)
                args = tuple(handed)
            except Exception as error:
                breaker.fault(error)
            result = original(self, *args, **kwargs)
            return Iterated(Handed(result.__next__, context, breaker)) if iterating else result

        return wrapper

    return wrap


def _with(function: Any, context: Any, breaker: Breaker) -> Any:
    # None stands for no callback; what cannot be called fails as untraced.
    return Handed(function, context, breaker) if callable(function) else function
