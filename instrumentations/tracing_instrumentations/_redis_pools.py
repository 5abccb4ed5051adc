"""What redis-py's pools of connections hold, and how long it took to have, make and use one: cut for metrics only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.lent import (
    CREATE,
    TIMEOUT,
    Timing,
    async_returned,
    async_timed,
    lend,
    returned,
    take_back,
    timed,
)
from tracing_agent.drivers.pooled import State, pooled
from tracing_agent.patching.targets import Target
from tracing_instrumentations._redis_peer import peer_of

if TYPE_CHECKING:
    from tracing_agent.faults import Breaker
    from tracing_agent.patching.targets import Wrap

# What redis-py takes for a pool without a limit.
_UNLIMITED = 1 << 31
# What a blocking pool says, once it has waited long enough.
_GAVE_UP = "No connection available."
# On a connection: when it was connected, as long as that was not told.
_MADE = "_tracing_agent_made"


def name_of(pool: Any) -> str:
    """A pool's name is that of its server and database, as it has none."""
    known = peer_of(pool).attributes
    address, port = known.get("server.address", "redis"), known.get("server.port", "")
    return f"{address}{port and ':'}{port}/{known.get('db.namespace', 0)}"


def state(pool: Any) -> State:
    """What a pool holds. Only one that waits for a connection can give up; who waits nobody says."""
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
    blocks = hasattr(pool, "timeout")
    return State(name_of(pool), idle, used, most=most if most < _UNLIMITED else None, timeouts=0 if blocks else None)


def lent(offer: Any, pool: Any, connection: Any, start: int, end: int) -> None:
    """A connection was asked for and had; if it was not connected, it is now."""
    name = name_of(pool)
    # A connection with a cache on the client's side has the connection proper in it.
    proper = getattr(connection, "_conn", connection)
    made = getattr(proper, _MADE, None)
    if made is not None:
        setattr(proper, _MADE, None)
        offer(Timing(CREATE, name, *made))
    lend(offer, name, connection, start, end)


def not_lent(offer: Any, pool: Any, error: BaseException, start: int) -> None:
    """There is none."""
    if type(error).__name__ == "ConnectionError" and error.args == (_GAVE_UP,):
        offer(Timing(TIMEOUT, name_of(pool), start, start))


def used(offer: Any, pool: Any, connection: Any, now: int) -> None:
    """A pool gets a connection back."""
    take_back(offer, name_of(pool), connection, now)


def connected(connection: Any) -> bool:
    """Whether connecting has nothing to do."""
    return getattr(connection, "_sock", None) is not None or getattr(connection, "_writer", None) is not None


def made(offer: Any, connection: Any, result: Any, start: int, end: int) -> None:
    """A connection was made, of what pool is known when it is lent."""
    setattr(connection, _MADE, (start, end))


def pools(module: str, breaker: Breaker) -> tuple[Target, ...]:
    """Where pools are made, lend, and take back."""
    times, returns = (async_timed, async_returned) if ".asyncio" in module else (timed, returned)
    lending, returning = times(breaker, lent, not_lent), returns(breaker, used)
    making = times(breaker, made, skip=connected)
    return (
        Target(module, "ConnectionPool.__init__", pooled(breaker, state)),
        Target(module, "ConnectionPool.get_connection", lending),
        Target(module, "ConnectionPool.release", returning),
        Target(module, "BlockingConnectionPool.get_connection", lending),
        Target(module, "BlockingConnectionPool.release", returning),
        Target(module, "AbstractConnection.connect", making, optional=True),
        Target(module, "Connection.connect", unless_inherited("Connection.connect", making)),
    )


def unless_inherited(path: str, wrap: Wrap) -> Wrap:
    """A driver, but not for what a class has from another, which is cut itself."""

    def wrapped(original: Any, engine: Any) -> Any:
        return wrap(original, engine) if getattr(original, "__qualname__", path) == path else original

    return wrapped
