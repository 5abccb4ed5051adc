"""Drivers for work that is handed to another thread: it runs in the OpenTelemetry context of who handed it over.

Only that context goes along. What else the program keeps in context variables stays where it is, as untraced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.trace.sdk import attach, current, detach

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.faults import Breaker
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine

# Where the context waits, in the dictionary of the object that stands for the work.
_KEY = "_tracing_context"


def handing(breaker: Breaker, wanted: Callable[[Any], bool] | None = None) -> Wrap:
    """A method that hands its object over, as `Thread.start`. Nothing is kept where there is no context to keep, or
    where ``wanted(object)`` is false.
    """

    def wrap(original: Any, engine: Engine) -> Any:
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            context = current()
            if context and not breaker.open:
                try:
                    if wanted is None or wanted(self):
                        self.__dict__[_KEY] = context
                except Exception as error:
                    breaker.fault(error)
            return original(self, *args, **kwargs)

        return wrapper

    return wrap


def beginning() -> Wrap:
    """A method that a new thread begins with, and ends with."""

    def wrap(original: Any, engine: Engine) -> Any:
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            context = self.__dict__.pop(_KEY, None)
            if context is not None:
                attach(context)
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
