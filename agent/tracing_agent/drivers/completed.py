"""The driver for calls that are given further keyword arguments, and are otherwise none of our business."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.faults import Breaker
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine


def completed(breaker: Breaker, options: Callable[[Any, dict[str, Any]], dict[str, Any]]) -> Wrap:
    """A method: ``options(self, kwargs)`` gives what is passed instead of the keyword arguments."""

    def wrap(original: Any, engine: Engine) -> Any:
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                kwargs = options(self, kwargs)
            except Exception as error:
                breaker.fault(error)
            return original(self, *args, **kwargs)

        return wrapper

    return wrap
