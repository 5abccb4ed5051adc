"""Programs that store: one with psycopg, two with redis-py, one of them for clients of several servers."""

from __future__ import annotations

import asyncio
import importlib
import re
import warnings
from typing import Any

import psycopg
import psycopg_pool
import redis
from opentelemetry import trace
from redis.backoff import NoBackoff

from databases.postgresql.kinds import done, items, within
from databases.redis.kinds import VERSION, close
from harmless.program import Program, collect
from services import PostgreSQL, Redis, RedisCluster

# Who waits for a connection is traced where it is called from.
_AROUND = trace.SpanContext(7, 8, is_remote=True, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED))
_ADDRESS = re.compile(r"0x[0-9a-f]+|:\d{4,5}|pid \d+|backend \d+")


def plain(seen: list[Any]) -> list[str]:
    """Values as texts, without what differs from run to run."""
    return [_ADDRESS.sub("…", repr(one)) for one in seen]


async def tried(call: Any, *args: Any, **kwargs: Any) -> Any:
    """What a call of either kind gives, or what it raises."""
    try:
        return await done(call(*args, **kwargs))
    except Exception as error:
        return type(error), str(error).splitlines()[:1]


def with_psycopg(server: PostgreSQL) -> list[str]:
    """Everything that can be done with statements, by the sync and the async classes."""

    async def run() -> list[Any]:
        return [*await _statements(server, ""), *await _statements(server, "Async")]

    return plain(asyncio.run(run()))


async def _statements(server: PostgreSQL, prefix: str) -> list[Any]:
    connect = getattr(psycopg, f"{prefix}Connection").connect
    sql = psycopg.sql
    seen: list[Any] = [
        await tried(connect, "host=/nowhere"),
        await tried(connect, "host=db.invalid user=x password=a@b", connect_timeout=2, hostaddr="127.0.0.1", port=9),
        await tried(connect, "host='"),
    ]
    client = getattr(psycopg, f"{prefix}ClientCursor")
    async with within(await done(connect(server.dsn, options="-c search_path=public", autocommit=True))) as connection:
        cursor = connection.cursor()
        for statement, values in (
            ("SELECT 1 AS a, 'x' AS b", None),
            ("SELECT %s::int + %s", (1, 2)),
            (b"SELECT 3", None),
            (sql.SQL("SELECT {} AS {}").format(sql.Literal(7), sql.Identifier("q")), None),
            (sql.SQL("SELECT {}").format(sql.Placeholder()), ("x",)),
            ("WITH a AS (SELECT 1, $$it$$) SELECT * FROM a JOIN a b USING (a) -- end", None),
            ("SELECT * FROM missing WHERE id IN (1, 2) AND (a = 'b' OR c BETWEEN 1 AND 2)", None),
            ("SELECT DISTINCT a, b FROM (VALUES (1, true), (2, false)) v(a, b), pg_class /* one /* two */ */", None),
            ("SELECT * FROM 'quoted' LIMIT 1", None),
            ("INSERT INTO pg_temp.nothing VALUES (1); UPDATE x SET a = 1; DELETE FROM x USING y", None),
            ('SELECT e\'a\\\'b\', U&"d" FROM "A b"."C" LEFT JOIN x.y ON true', None),
            (7, None),
        ):
            await tried(cursor.execute, statement, values)
            seen.append(await tried(cursor.fetchall))
        seen.append(await tried(cursor.execute))
        await done(connection.execute("CREATE TEMP TABLE pairs (a int, b text)"))
        await done(cursor.executemany("INSERT INTO pairs VALUES (%s, %s)", [(1, "x"), (2, "y")]))
        await done(cursor.executemany("INSERT INTO pairs VALUES (%s, %s)", iter([(3, "z")])))
        seen.append(cursor.rowcount)
        seen.append(await tried(cursor.executemany, "INSERT INTO missing VALUES (%s)", iter([(3,)])))
        seen.append(await tried(cursor.execute, f"SELECT '{'x' * 99}', {', '.join('1' * 9000)}"))
        seen.append([row async for row in items(cursor.stream("SELECT a FROM pairs WHERE b <> %s", ("y",)))])
        async with within(cursor.copy("COPY pairs TO STDOUT")) as copy:
            seen.append(sorted([bytes(block) async for block in items(copy)]))
        async with within(cursor.copy("COPY pairs FROM STDIN")) as copy:
            await done(copy.write(b"4\tw\n"))
        seen.append(await tried(client(connection).execute, "SELECT %s", (1,)))
        async with within(connection.transaction()):
            async with within(connection.cursor("named", scrollable=True)) as named:
                await done(named.execute("SELECT a FROM pairs ORDER BY a"))
                seen.append(await done(named.fetchmany(2)))
            try:
                async with within(connection.transaction()):
                    raise psycopg.Rollback
            except psycopg.Rollback:
                seen.append("rolled back")
        if prefix or psycopg.Pipeline.is_supported():
            seen.append(await tried(_pipelined, connection))
            seen.append(await tried(_broken_pipeline, connection))
        seen.append(connection.info.transaction_status)
    pool = getattr(psycopg_pool, f"{prefix}ConnectionPool")(server.dsn, min_size=1, max_size=1, open=False)
    await done(pool.open())
    async with within(pool), within(pool.connection()) as connection:
        seen.append(await done((await done(connection.execute("SELECT 5"))).fetchone()))
        with trace.use_span(trace.NonRecordingSpan(_AROUND)):
            seen.append((await tried(pool.getconn, 0.01))[0])
    return seen


async def _pipelined(connection: Any) -> list[Any]:
    async with within(connection.pipeline()) as pipeline:
        one = await done(connection.execute("SELECT 1"))
        two = connection.cursor()
        await done(two.executemany("INSERT INTO pairs VALUES (%s, 'p')", iter([(5,), (6,)])))
        async with within(connection.transaction()):
            three = await done(connection.execute("SELECT %s::int", (3,)))
        await done(pipeline.sync())
        return [await done(one.fetchall()), two.rowcount, await done(three.fetchone())]


async def _broken_pipeline(connection: Any) -> None:
    async with within(connection.pipeline()):
        await done(connection.execute("SELECT 1/0"))
        await done(connection.execute("SELECT 2"))


def with_pools(server: PostgreSQL) -> list[str]:
    """Pools that lend, run out, and make connections, by the sync and the async classes."""

    async def run() -> list[Any]:
        return [*await _lending(server, ""), *await _lending(server, "Async")]

    return plain(asyncio.run(run()))


async def _lending(server: PostgreSQL, prefix: str) -> list[Any]:
    seen: list[Any] = []
    for kind, least in (("ConnectionPool", 1), ("NullConnectionPool", 0)):
        pool = getattr(psycopg_pool, f"{prefix}{kind}")(server.dsn, min_size=least, max_size=1, open=False, name=kind)
        await done(pool.open())
        async with within(pool):
            async with within(pool.connection()) as connection:
                seen.append(await done((await done(connection.execute("SELECT 5"))).fetchone()))
                seen.append((await tried(pool.getconn, 0.01))[0])
                collect()
            lent = await done(pool.getconn())
            await done(pool.putconn(lent))
            seen.append(await tried(pool.putconn, None))
    return seen


# -- redis ------------------------------------------------------------------------------------------------------------


def _packages(*names: str) -> list[str]:
    """Those that this version has."""
    found = []
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        found.append(name)
    return found


# The asynchronous clients of redis-py 4.1 are another package.
_OLD = VERSION < (4, 2)


def with_redis(server: Redis) -> list[str]:
    """Commands, pipelines and errors, by the sync and the async client of one server."""

    async def run() -> list[Any]:
        seen = await _commands(server, redis)
        return seen if _OLD else [*seen, *await _commands(server, importlib.import_module("redis.asyncio"))]

    return plain(asyncio.run(run()))


async def _commands(server: Redis, module: Any) -> list[Any]:
    retry = importlib.import_module(f"{module.__name__}.retry").Retry(NoBackoff(), 0)
    client = module.Redis(host=server.host, port=server.port, retry=retry)
    await done(client.flushdb())
    seen: list[Any] = []
    for args in (
        ("SET", "key", "value", "EX", 60),
        ("GET", b"key"),
        ("MSET", "a", 1, "b", 2.5),
        ("HSET", "hash", "field", "value", "other", b"\xff"),
        ("LPUSH", "key", "x"),
        ("LPUSH", "there", "x"),
        ("XADD", "stream", "MAXLEN", "~", 10, "1-1", "field", "value"),
        ("XREAD", "COUNT", 1, "STREAMS", "stream", "0"),
        ("BRPOP", "there", "nothing", 1),
        ("EVAL", "return ARGV[1]", 1, "key", "secret"),
        ("EVALSHA", "0" * 40, 0),
        ("ZADD", "sorted", 1, "one", 2, "two"),
        ("ZUNIONSTORE", "out", 1, "sorted", "WEIGHTS", 2),
        ("CLIENT GETNAME",),
        ("CONFIG", "GET", "maxmemory"),
        ("AUTH", "nobody", "secret"),
        ("NOSUCH", "thing", "x" * 2000),
        (b"PING",),
    ):
        seen.append(await tried(client.execute_command, *args))
    for transaction in (True, False):
        pipeline = client.pipeline(transaction=transaction)
        pipeline.set("a", "1")
        pipeline.get("a")
        pipeline.lpush("a", "wrong")
        seen.append(await tried(pipeline.execute))
        pipeline.incr("a")
        seen.append(await tried(pipeline.execute))
        seen.append(await tried(pipeline.execute))
    pipeline = client.pipeline()
    await done(pipeline.watch("a"))
    seen.append(await done(pipeline.get("a")))
    pipeline.multi()
    pipeline.set("a", "2")
    await done(client.set("a", "3"))
    seen.append(await tried(pipeline.execute))
    await close(client)
    unreachable = module.Redis(host="127.0.0.1", port=9, retry=retry)
    seen.append((await tried(unreachable.ping))[0])
    await close(unreachable)
    return seen


def with_redis_pools(server: Redis) -> list[str]:
    """Pools that lend, wait, and run out, by the sync and the async client."""

    async def run() -> list[Any]:
        seen = await _lent(server, redis)
        return seen if _OLD else [*seen, *await _lent(server, importlib.import_module("redis.asyncio"))]

    return plain(asyncio.run(run()))


async def _lent(server: Redis, module: Any) -> list[Any]:
    seen: list[Any] = []
    for kind, options in (("ConnectionPool", {}), ("BlockingConnectionPool", {"timeout": 0.01})):
        pool = getattr(module, kind)(host=server.host, port=server.port, max_connections=1, **options)
        client = module.Redis(connection_pool=pool)
        seen.append(await tried(client.set, "lent", "1"))
        collect()
        async with within(client.pubsub()) as listening:
            await done(listening.subscribe("news"))
            seen.append((await tried(client.get, "lent"))[0])
            collect()
        seen.append(await tried(client.get, "lent"))
        await done(pool.disconnect())
    return seen


def with_cluster(server: RedisCluster) -> list[str]:
    """Commands and pipelines of a cluster, by the sync and the async client."""

    async def run() -> list[Any]:
        seen = await _routed(server, "redis")
        return seen if _OLD else [*seen, *await _routed(server, "redis.asyncio")]

    return plain(asyncio.run(run()))


async def _routed(server: RedisCluster, package: str) -> list[Any]:
    client = importlib.import_module(f"{package}.cluster").RedisCluster(host=server.host, port=server.port)
    seen = [await tried(client.set, f"key{number}", number) for number in range(3)]
    seen.append(await tried(client.lpush, "key1", "wrong"))
    pipeline = client.pipeline()
    pipeline.get("key0")
    pipeline.get("key1")
    seen.append(await tried(pipeline.execute))
    for number in range(3):
        await done(client.delete(f"key{number}"))
    await close(client)
    return seen


def with_databases(server: Redis) -> list[str]:
    """Commands and pipelines of a client of several databases, by the sync and the async client."""

    async def run() -> list[Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it is experimental
            return [*await _several(server, "redis"), *await _several(server, "redis.asyncio")]

    return plain(asyncio.run(run()))


async def _several(server: Redis, package: str) -> list[Any]:
    config = importlib.import_module(f"{package}.multidb.config")
    url = f"redis://{server.host}:{server.port}/1"
    databases = [config.DatabaseConfig(from_url=url, weight=1)]
    client = importlib.import_module(f"{package}.multidb.client").MultiDBClient(
        config.MultiDbConfig(databases_config=databases, health_check_interval=60, health_check_probes=1)
    )
    await done(client.initialize())
    seen = [await tried(client.set, "several", "1"), await tried(client.lpush, "several", "wrong")]
    pipeline = client.pipeline()
    pipeline.get("several")
    pipeline.delete("several")
    seen.append(await tried(pipeline.execute))
    await done(client.close() if package == "redis" else client.aclose())
    return seen


_POSTGRESQL = (("psycopg", "psycopg"), ("psycopg_pool", "psycopg_pool"))
_CLIENTS = tuple(("redis", package) for package in _packages("redis", "redis.asyncio"))
_DATABASES = (
    *("redis.multidb.client", "redis.multidb.healthcheck"),
    *("redis.asyncio.multidb.client", "redis.asyncio.multidb.healthcheck"),
)
_SEVERAL = tuple(("redis", package) for package in _packages(*_DATABASES))
_COMMENTS = (
    "tracing_instrumentations._dbapi",
    "tracing_instrumentations._psycopg_comment",
    "tracing_agent.semconv.sqlc",
)
_OURS = ("tracing_instrumentations",)
_POOLS = ("tracing_instrumentations.psycopg_pool", "tracing_instrumentations._redis_pools")

PROGRAMS = (
    Program("psycopg", with_psycopg, _POSTGRESQL, "postgres"),
    Program("psycopg-brief", with_psycopg, _POSTGRESQL, "postgres", brief=True),
    Program("psycopg-comments", with_psycopg, _POSTGRESQL, "postgres", comments=True, only=_COMMENTS),
    Program("psycopg-pools", with_pools, _POSTGRESQL, "postgres", only=_POOLS, pools=4),
    Program("redis", with_redis, _CLIENTS, "redis_server"),
    Program("redis-pools", with_redis_pools, _CLIENTS, "redis_server", only=_POOLS, pools=2),
    # Old versions have no asynchronous cluster client.
    *(
        [Program("redis-cluster", with_cluster, _CLIENTS, "redis_cluster", only=_OURS)]
        if _packages("redis.asyncio.cluster")
        else []
    ),
    *(
        [Program("redis-databases", with_databases, (*_CLIENTS, *_SEVERAL), "redis_server", only=_OURS)]
        if _SEVERAL
        else ()
    ),
)
