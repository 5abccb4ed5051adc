"""psycopg's connection pools: waiting for a connection, where none was free, is an internal span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.call import TAKEN, call, coroutine
from tracing_agent.drivers.pooled import State, pooled
from tracing_agent.operation import Operation
from tracing_agent.patching.targets import Target
from tracing_instrumentations import _postgresql

if TYPE_CHECKING:
    from types import ModuleType

WAIT = Operation("psycopg_pool", "getconn", attributes=_postgresql.ATTRIBUTES)


def waiting(span: Any, pool: Any, *more: Any, **options: Any) -> Any:
    """A connection is asked for. Where one is free, or nobody is there whom waiting could hold up, there is no span."""
    if pool._pool or span.up is None:
        return TAKEN
    span.values["db.client.connection.pool.name"] = pool.name
    span._name = f"getconn {pool.name}"
    return None


def state(pool: Any) -> State:
    """What a pool holds. What it gave up waiting for includes what it refused, its queue being full."""
    found = pool.get_stats()
    return State(
        pool.name,
        idle=found["pool_available"],
        used=max(0, found["pool_size"] - found["pool_available"]),
        idle_min=found["pool_min"],
        most=found["pool_max"],
        pending=found["requests_waiting"],
        timeouts=found.get("requests_errors", 0),
    )


def targets(psycopg_pool: ModuleType) -> dict[str, tuple[Target, ...]]:
    """Where psycopg_pool is cut: null pools inherit it."""
    watched = pooled(WAIT.breaker, state)
    return {
        "psycopg_pool": (
            Target("psycopg_pool", "ConnectionPool.__init__", watched),
            Target("psycopg_pool", "AsyncConnectionPool.__init__", watched),
            Target("psycopg_pool", "ConnectionPool.getconn", call(WAIT, waiting)),
            Target("psycopg_pool", "AsyncConnectionPool.getconn", coroutine(WAIT, waiting)),
        )
    }
