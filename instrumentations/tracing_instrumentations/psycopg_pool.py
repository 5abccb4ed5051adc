"""psycopg's connection pools: waiting for a connection, where none was free, is an internal span.

With metrics, what pools hold is told, and how long it took to have, make and use their connections.
"""

from __future__ import annotations

from sys import modules
from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.call import TAKEN, call, coroutine
from tracing_agent.drivers.lent import (
    CREATE,
    Timing,
    async_returned,
    async_timed,
    both,
    lend,
    returned,
    take_back,
    timed,
)
from tracing_agent.drivers.pooled import State, pooled
from tracing_agent.operation import Operation
from tracing_agent.patching.targets import Target
from tracing_instrumentations import _postgresql
from tracing_instrumentations._psycopg_connect import peer_given

if TYPE_CHECKING:
    from types import ModuleType

# Pools that keep no connection that nobody uses.
_NULL = frozenset(("NullConnectionPool", "AsyncNullConnectionPool"))
#: On a pool: its arguments, and what they tell of where its connections go.
_GOES = "_tracing_agent_goes"
WAIT = Operation("psycopg_pool", "getconn", attributes=_postgresql.ATTRIBUTES)


def waiting(span: Any, pool: Any, *more: Any, **options: Any) -> Any:
    """A connection is asked for. Where one is free, or nobody is there whom waiting could hold up, there is no span."""
    if pool._pool or span.up is None:
        return TAKEN
    span.values["db.client.connection.pool.name"] = pool.name
    span.values.update(_goes(pool))
    span._name = f"getconn {pool.name}"
    return None


def _goes(pool: Any) -> dict[str, Any]:
    """Server and database of a pool's connections: read once from its arguments, unless functions give those."""
    conninfo, options = pool.conninfo, pool.kwargs or {}
    if callable(conninfo) or callable(options):
        return {}
    known = getattr(pool, _GOES, None)
    if known is None or known[0] is not conninfo or known[1] is not pool.kwargs:
        peer = peer_given(modules["psycopg"].conninfo.conninfo_to_dict, conninfo, options)
        known = (conninfo, pool.kwargs, peer.attributes)
        object.__setattr__(pool, _GOES, known)
    found: dict[str, Any] = known[2]
    return found


def state(pool: Any) -> State:
    """What a pool holds. What it gave up waiting for includes what it refused, its queue being full."""
    found = pool.get_stats()
    return State(
        pool.name,
        idle=found["pool_available"],
        used=max(0, found["pool_size"] - found["pool_available"]),
        idle_min=found["pool_min"],
        # Others close what is idle after a time, and have no number for it.
        idle_max=None if _NULL.isdisjoint(cls.__name__ for cls in type(pool).__mro__) else 0,
        most=found["pool_max"] or None,
        pending=found["requests_waiting"],
        timeouts=found.get("requests_errors", 0),
    )


def lent(offer: Any, pool: Any, connection: Any, start: int, end: int) -> None:
    """A connection was asked for and had."""
    lend(offer, pool.name, connection, start, end)


def made(offer: Any, pool: Any, connection: Any, start: int, end: int) -> None:
    """A pool made a connection, the program's ``configure`` included."""
    offer(Timing(CREATE, pool.name, start, end))


def used(offer: Any, pool: Any, connection: Any, now: int) -> None:
    """A pool gets a connection back."""
    take_back(offer, pool.name, connection, now)


def targets(psycopg_pool: ModuleType) -> dict[str, tuple[Target, ...]]:
    """Where psycopg_pool is cut: null pools inherit it."""
    breaker = WAIT.breaker
    watched = pooled(breaker, state)
    return {
        "psycopg_pool": (
            Target("psycopg_pool", "ConnectionPool.__init__", watched),
            Target("psycopg_pool", "AsyncConnectionPool.__init__", watched),
            Target("psycopg_pool", "ConnectionPool.getconn", both(call(WAIT, waiting), timed(breaker, lent))),
            Target(
                "psycopg_pool",
                "AsyncConnectionPool.getconn",
                both(coroutine(WAIT, waiting), async_timed(breaker, lent)),
            ),
            Target("psycopg_pool", "ConnectionPool.putconn", returned(breaker, used)),
            Target("psycopg_pool", "AsyncConnectionPool.putconn", async_returned(breaker, used)),
            Target("psycopg_pool", "ConnectionPool._connect", timed(breaker, made), optional=True),
            Target("psycopg_pool", "AsyncConnectionPool._connect", async_timed(breaker, made), optional=True),
        )
    }
