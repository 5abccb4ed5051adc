"""The driver for methods that are no operation themselves but know something of the one around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.faults import Breaker
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine


def told(breaker: Breaker, before: Callable[[Any], Any], after: Callable[[Any, Any], None]) -> Wrap:
    """A method of at most one argument: ``before(self)``, and ``after(what before gave, result)`` unless that was None.

    The argument is not looked at.
    """

    def wrap(original: Any, engine: Engine) -> Any:
        fault = breaker.fault

        def wrapper(self: Any, *argument: Any) -> Any:
            try:
                known = None if breaker.open else before(self)
            except Exception as error:
                known = None
                fault(error)
            result = original(self, *argument)
            if known is not None:
                try:
                    after(known, result)
                except Exception as error:
                    fault(error)
            return result

        return wrapper

    return wrap
