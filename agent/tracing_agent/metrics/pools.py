"""Pools of connections to databases, looked at when somebody collects: how many connections are idle and used.

Source: semantic conventions 1.44, "Database client metrics", "Connection pools" (development).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from opentelemetry.metrics import Observation

from tracing_agent.faults import fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import Meter

    from tracing_agent.drivers.pooled import State

# Pools looked at; a program that makes one for each request has others than these.
_POOLS_MAX = 256
_PREFIX = "db.client.connection."


class Pools:
    """The pools of one process. ``look`` of a pool gives its `State`; pools are not kept alive."""

    def __init__(self) -> None:
        self._pools: dict[int, tuple[ref[Any], Callable[[Any], State]]] = {}

    def add(self, pool: Any, look: Callable[[Any], State]) -> None:
        """A pool was made."""
        key = id(pool)
        if len(self._pools) < _POOLS_MAX:
            self._pools[key] = ref(pool, lambda _: self._pools.pop(key, None)), look

    def states(self) -> list[State]:
        """What they say now."""
        found = []
        for reference, look in list(self._pools.values()):
            pool = reference()
            if pool is not None:
                try:
                    found.append(look(pool))
                except Exception as error:
                    fault(f"the metrics of {type(pool).__qualname__}", error)
        return found

    def observe(self, meter: Meter) -> None:
        """Make the instruments. Pools of one name are one in what they tell."""

        def counts(options: Any) -> Iterable[Observation]:
            idle = self._summed(lambda state: state.idle)
            used = self._summed(lambda state: state.used)
            key = _PREFIX + "state"
            return [
                *(Observation(count, {**_named(name), key: "idle"}) for name, count in idle.items()),
                *(Observation(count, {**_named(name), key: "used"}) for name, count in used.items()),
            ]

        def told(of: Callable[[State], int | None]) -> Any:
            return [lambda options: [Observation(count, _named(name)) for name, count in self._summed(of).items()]]

        up_down, unit = meter.create_observable_up_down_counter, "{connection}"
        up_down(_PREFIX + "count", [counts], unit, "The number of connections by state.")
        up_down(_PREFIX + "idle.min", told(lambda state: state.idle_min), unit, "Fewest idle connections allowed.")
        up_down(_PREFIX + "idle.max", told(lambda state: state.idle_max), unit, "Most idle connections allowed.")
        up_down(_PREFIX + "max", told(lambda state: state.most), unit, "Most open connections allowed.")
        up_down(
            _PREFIX + "pending_requests", told(lambda state: state.pending), "{request}", "Waiting for a connection."
        )
        meter.create_observable_counter(
            _PREFIX + "timeouts", told(lambda state: state.timeouts), "{timeout}", "Waits that were given up."
        )

    def _summed(self, of: Callable[[State], int | None]) -> dict[str, int]:
        found: dict[str, int] = {}
        for state in self.states():
            count = of(state)
            if count is not None:
                found[state.name] = found.get(state.name, 0) + count
        return found


def _named(name: str) -> dict[str, str]:
    return {_PREFIX + "pool.name": name}
