"""The driver for constructors of pools of connections, which are looked at where operations are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.faults import Breaker
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine


class State(NamedTuple):
    """What a pool says of itself at one moment; None for what it does not know or has no limit for.

    ``used`` are the connections handed out, ``most`` may be open, ``pending`` requests wait for one.
    """

    name: str
    idle: int
    used: int
    idle_min: int | None = None
    idle_max: int | None = None
    most: int | None = None
    pending: int | None = None
    timeouts: int | None = None


def pooled(breaker: Breaker, look: Callable[[Any], State]) -> Wrap:
    """An ``__init__``: ``look(pool)`` gives its `State`. Nothing is cut where nothing is measured."""

    def wrap(original: Any, engine: Engine) -> Any:
        if engine.metrics is None:
            return original
        pools = engine.metrics.pools

        def wrapper(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            try:
                pools.add(self, look)
            except Exception as error:
                breaker.fault(error)

        return wrapper

    return wrap
