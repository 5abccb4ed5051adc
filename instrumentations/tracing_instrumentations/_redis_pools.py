"""What redis-py's pools of connections hold, for the metrics: asked when they are collected, and cut only then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.pooled import State, pooled
from tracing_agent.patching.targets import Target
from tracing_instrumentations._redis_peer import peer_of

if TYPE_CHECKING:
    from tracing_agent.faults import Breaker

# What redis-py takes for a pool without a limit.
_UNLIMITED = 1 << 31


def state(pool: Any) -> State:
    """A pool's name is that of its server and database, as it has none."""
    known = peer_of(pool).attributes
    address, port = known.get("server.address", "redis"), known.get("server.port", "")
    name = f"{address}{port and ':'}{port}/{known.get('db.namespace', 0)}"
    every = getattr(pool, "_connections", None)
    if every is not None:
        # A blocking pool keeps all of them, and those at rest in a queue, of threads or of tasks.
        queue = getattr(pool.pool, "queue", None)
        waiting = list(pool.pool._queue if queue is None else queue)
        idle = sum(connection is not None for connection in waiting)
        used = max(0, len(every) - idle)
    else:
        idle, used = len(pool._available_connections), len(pool._in_use_connections)
    most = pool.max_connections
    return State(name, idle, used, most=most if most < _UNLIMITED else None)


def pools(module: str, breaker: Breaker) -> tuple[Target, ...]:
    """Where pools are made."""
    return (Target(module, "ConnectionPool.__init__", pooled(breaker, state)),)
