"""The driver for functions that are no operation themselves, but how they end tells something of one that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.faults import Breaker
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine


def outcome(breaker: Breaker, note: Callable[..., None]) -> Wrap:
    """A function: ``note(error, *args, **kwargs)`` after it, with None for the error where it returned."""

    def wrap(original: Any, engine: Engine) -> Any:
        def told(error: BaseException | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            try:
                if not breaker.open:
                    note(error, *args, **kwargs)
            except Exception as ours:
                breaker.fault(ours)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            try:
                result = original(*args, **kwargs)
            except BaseException as error:
                told(error, args, kwargs)
                raise
            told(None, args, kwargs)
            return result

        return wrapper

    return wrap
