"""Drivers for functions that are no operation: what they gave is noticed, or what they do is not to be traced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.trace.begin import leave
from tracing_agent.trace.sdk import SUPPRESS_KEY, Context, attach, current

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.faults import Breaker
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine

    Notice = Callable[[Any, Any], None]


def noticed(breaker: Breaker, notice: Notice) -> Wrap:
    """A method: ``notice(self, result)`` after it has returned."""

    def wrap(original: Any, engine: Engine) -> Any:
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(self, *args, **kwargs)
            if breaker.open:
                return result
            try:
                notice(self, result)
            except Exception as error:
                breaker.fault(error)
            return result

        return wrapper

    return wrap


def async_noticed(breaker: Breaker, notice: Notice) -> Wrap:
    """A coroutine method: as `noticed`."""

    def wrap(original: Any, engine: Engine) -> Any:
        async def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = await original(self, *args, **kwargs)
            if breaker.open:
                return result
            try:
                notice(self, result)
            except Exception as error:
                breaker.fault(error)
            return result

        return wrapper

    return wrap


def silenced(original: Any, engine: Engine) -> Any:
    """A function in which nothing is traced."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        token = attach(_silence())
        try:
            return original(*args, **kwargs)
        finally:
            leave(token)

    return wrapper


def async_silenced(original: Any, engine: Engine) -> Any:
    """A coroutine function in which nothing is traced."""

    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        token = attach(_silence())
        try:
            return await original(*args, **kwargs)
        finally:
            leave(token)

    return wrapper


def _silence() -> Context:
    context = Context(current())
    dict.__setitem__(context, SUPPRESS_KEY, True)
    return context
