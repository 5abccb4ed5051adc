"""redis-py: a client span for each command and each pipeline, sync and async alike.

Commands are cut at the clients' ``execute_command`` (or, in a pipeline that watches keys, where it sends at once), so
that retries are part of the span. So are, with a cluster, redirections and what the client asks of the nodes about the
slots: the span tells the node that was asked last. A pipeline of one command is that command. A `MultiDBClient` has one
span for a call, whichever of its databases answered in the end, and none for its health checks.

PUBLISH is a span. SUBSCRIBE and its kind are sent without waiting for an answer, and waiting for messages is no
operation: neither is a span. A blocking command that timed out empty is none where it would be a trace of its own.
What redis-py's own metrics record is as the application set it. Peers: `_redis_peer`; queues: `_redis_batch`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from tracing_agent.drivers import exchange, sketched
from tracing_agent.drivers.beside import async_noticed, async_silenced, noticed, silenced
from tracing_agent.drivers.call import TAKEN, noted
from tracing_agent.operation import DATABASE, Operation
from tracing_agent.patching.targets import Target
from tracing_instrumentations import _redis_errors
from tracing_instrumentations._redis_batch import Queue, active_client, batch, queue_of, routed_queue_of
from tracing_instrumentations._redis_command import described, note, said
from tracing_instrumentations._redis_peer import connected, contacted, goes_to, last_contacted, node_of, peer_of
from tracing_instrumentations._redis_pools import pools

if TYPE_CHECKING:
    from types import ModuleType

    from tracing_agent.patching.targets import Wrap

COMMAND = Operation("redis", "redis", SpanKind.CLIENT, {"db.system.name": "redis"}, key=DATABASE)


def sent(span: Any, queue: Queue, given: Any) -> Any:
    """What a pipeline holds is sent."""
    if queue.empty:
        return TAKEN
    if len(queue.commands) == 1:
        said(span, given, queue.args(0))
    else:
        batch(span, queue)
    return given


# -- one server -------------------------------------------------------------------------------------------------------


def command(span: Any, client: Any, *args: Any, **options: Any) -> Any:
    """A client, or a pipeline that watches keys, sends a command."""
    peer_of(client.connection_pool).stamp(span)
    return said(span, client, args)


def pipeline(span: Any, client: Any, *more: Any, **options: Any) -> Any:
    """A pipeline is executed."""
    peer_of(client.connection_pool).stamp(span)
    return sent(span, queue_of(client), client)


def answered(span: Any, client: Any, result: Any) -> None:
    """The answer is there. A connection may have been made for it, so that more is known of where it went."""
    peer_of(client.connection_pool).stamp(span)


def failed(span: Any, client: Any, error: BaseException) -> None:
    """No answer, or an error."""
    peer_of(client.connection_pool).stamp(span)
    _redis_errors.failed(span, error)


def noted_failed(span: Any, args: tuple[Any, ...], error: BaseException) -> None:
    """The same, of a command that was noted."""
    failed(span, args[0], error)


# -- several servers --------------------------------------------------------------------------------------------------


def routed(span: Any, client: Any, *args: Any, **options: Any) -> Any:
    """A client of several servers sends a command, to one that it has yet to choose; or a transaction to its own."""
    connection = getattr(client, "_transaction_connection", None)
    if connection is not None:
        goes_to(span, node_of(connection))
    return said(span, client, args)


def routed_pipeline(span: Any, client: Any, *more: Any, **options: Any) -> Any:
    """A pipeline of several servers is executed."""
    connection = getattr(getattr(client, "_execution_strategy", None), "_transaction_connection", None)
    if connection is not None:
        goes_to(span, node_of(connection))
    return sent(span, routed_queue_of(client), client)


def routed_answered(span: Any, client: Any, result: Any) -> None:
    """The answer is there."""
    peer = last_contacted(span)
    if peer is None:
        pool = getattr(active_client(client), "connection_pool", None)
        if pool is None:
            return
        peer = peer_of(pool)
    peer.stamp(span)


def routed_failed(span: Any, client: Any, error: BaseException) -> None:
    """No answer, or an error."""
    routed_answered(span, client, None)
    _redis_errors.failed(span, error)


# -- where to cut -----------------------------------------------------------------------------------------------------


def targets(module: ModuleType) -> dict[str, tuple[Target, ...]]:
    """Where redis-py is cut; not every version has all of it."""
    breaker = COMMAND.breaker
    return {
        "redis": (
            *_clients("redis", exchange.call, sketched.call),
            *pools("redis.connection", breaker),
            Target("redis.connection", "Connection._connect", noticed(breaker, connected)),
            Target("redis.cluster", "get_connection", noted(breaker, contacted)),
        ),
        "redis.asyncio": (
            *_clients("redis.asyncio", exchange.coroutine, sketched.coroutine),
            *pools("redis.asyncio.connection", breaker),
            Target("redis.asyncio.connection", "Connection._connect", async_noticed(breaker, connected)),
            Target("redis.asyncio.cluster", "ClusterNode.acquire_connection", noted(breaker, contacted), optional=True),
        ),
        "redis.multidb.client": _databases("redis.multidb.client", exchange.call),
        "redis.multidb.healthcheck": _checks("redis.multidb.healthcheck", silenced),
        "redis.asyncio.multidb.client": _databases("redis.asyncio.multidb.client", exchange.coroutine),
        "redis.asyncio.multidb.healthcheck": _checks("redis.asyncio.multidb.healthcheck", async_silenced),
    }


def _clients(package: str, driver: Any, sketching: Any) -> tuple[Target, ...]:
    one = sketching(COMMAND, note, described, noted_failed, driver(COMMAND, command, answered, failed))
    several = driver(COMMAND, routed, routed_answered, routed_failed, holds=True)
    pipelines = driver(COMMAND, routed_pipeline, routed_answered, routed_failed, holds=True)
    client, cluster = f"{package}.client", f"{package}.cluster"
    return (
        Target(client, "Redis.execute_command", one),
        Target(client, "Pipeline.immediate_execute_command", one),
        Target(client, "Pipeline.execute", driver(COMMAND, pipeline, answered, failed)),
        Target(cluster, "RedisCluster.execute_command", several, optional=True),
        Target(cluster, "ClusterPipeline.execute", pipelines, optional=True),
        Target(cluster, "TransactionStrategy._immediate_execute_command", several, optional=True),
    )


def _databases(client: str, driver: Any) -> tuple[Target, ...]:
    return (
        Target(client, "MultiDBClient.execute_command", driver(COMMAND, routed, routed_answered, routed_failed, True)),
        Target(client, "Pipeline.execute", driver(COMMAND, routed_pipeline, routed_answered, routed_failed, True)),
    )


def _checks(module: str, silence: Wrap) -> tuple[Target, ...]:
    return (Target(module, "PingHealthCheck.check_health", silence),)
