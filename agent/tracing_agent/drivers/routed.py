"""The driver for a framework's routes: coroutine methods that a request reaches once it has found its way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.serving import MARK, unwrapped
from tracing_agent.semconv.http import server_handled

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.faults import Breaker
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine

    Note = Callable[[Any, Any, dict[str, Any]], None]


def route(breaker: Breaker, note: Note, artificial: tuple[type[BaseException], ...]) -> Wrap:
    """A route as a coroutine method ``original(self, scope, receive, send)``; ``note(span, self, scope)`` before.

    An exception that leaves it may yet become a response. ``artificial`` are those by which programs answer.
    """

    def wrap(original: Any, engine: Engine) -> Any:
        if getattr(original, "__tracing__", False):
            return original  # two frameworks share it

        async def wrapper(self: Any, scope: dict[str, Any], receive: Any, send: Any) -> Any:
            span = scope.get(MARK)
            if span is None or not span.recording:
                return await original(self, scope, receive, send)
            try:
                note(span, self, scope)
            except Exception as error:
                breaker.fault(error)
            try:
                return await original(self, scope, receive, send)
            except Exception as error:
                try:
                    if span._end_time is None and not isinstance(error, artificial):
                        server_handled(span, unwrapped(error))
                except Exception as ours:
                    breaker.fault(ours)
                raise

        wrapper.__dict__["__tracing__"] = True
        return wrapper

    return wrap
