"""Pools of connections to databases: what they hold, looked at when somebody collects, and what took how long at them.

Source: semantic conventions 1.44, "Database client metrics", "Connection pools" (development).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from opentelemetry.metrics import Observation

from tracing_agent.drivers.lent import CREATE, TIMEOUT, USE, WAIT
from tracing_agent.faults import fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import Meter

    from tracing_agent.drivers.lent import Timing
    from tracing_agent.drivers.pooled import State

# Pools looked at, and names of pools told apart; a program that makes one for each request has others than these.
_POOLS_MAX = 256
_PREFIX = "db.client.connection."
_OVERFLOW = {"otel.metric.overflow": True}
# The conventions give none; those of operations, as a wait is part of one.
_BOUNDARIES = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
_TIMES = {
    CREATE: "The time it took to create a new connection.",
    WAIT: "The time it took to obtain an open connection from the pool.",
    USE: "The time between borrowing a connection and returning it to the pool.",
}


class Pools:
    """The pools of one process. ``look`` of a pool gives its `State`; pools are not kept alive."""

    def __init__(self) -> None:
        self._pools: dict[int, tuple[ref[Any], Callable[[Any], State]]] = {}
        self.forget()

    def forget(self) -> None:
        """In a forked child: what was timed is the parent's."""
        self._times: dict[str, Any] = {}
        self._named: dict[str, dict[str, Any]] = {}
        self._given_up: dict[str, int] = {}

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

    def measure(self, timing: Timing) -> None:
        """Put into the instruments what took its time."""
        name = timing.pool
        if timing.what == TIMEOUT:
            if name in self._given_up or len(self._given_up) < _POOLS_MAX:
                self._given_up[name] = self._given_up.get(name, 0) + 1
            return
        attributes = self._named.get(name)
        if attributes is None:
            attributes = _OVERFLOW
            if len(self._named) < _POOLS_MAX:
                attributes = self._named[name] = _named(name)
        # The clock may have been set back meanwhile.
        self._times[timing.what](max(0, timing._end_time - timing._start_time) / 1e9, attributes)

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

        def given_up(options: Any) -> Iterable[Observation]:
            found = self._summed(lambda state: state.timeouts)
            for name, count in list(self._given_up.items()):
                found[name] = found.get(name, 0) + count
            return [Observation(count, _named(name)) for name, count in found.items()]

        meter.create_observable_counter(_PREFIX + "timeouts", [given_up], "{timeout}", "Waits that were given up.")
        for end, what in _TIMES.items():
            made = meter.create_histogram(_PREFIX + end, "s", what, explicit_bucket_boundaries_advisory=_BOUNDARIES)
            self._times[end] = made.record

    def _summed(self, of: Callable[[State], int | None]) -> dict[str, int]:
        found: dict[str, int] = {}
        for state in self.states():
            count = of(state)
            if count is not None:
                found[state.name] = found.get(state.name, 0) + count
        return found


def _named(name: str) -> dict[str, str]:
    return {_PREFIX + "pool.name": name}
