"""Databases: durations of operations, and what pools of connections hold."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import flask
import psycopg
import psycopg_pool
import pytest
import redis
from opentelemetry.sdk.trace import sampling

from metrics.conftest import Make
from metrics.exposed import Scraped
from services import PostgreSQL, Redis
from tracing_agent.metrics.instruments import DATABASE_BOUNDARIES

DURATION, COUNT = "db_client_operation_duration_seconds", "db_client_connection_count"
# Until redis-py 5.3 a connection was asked for with the name of the command.
ASKED = ("PING",) if redis.VERSION < (5, 3) else ()
SAMPLERS = [sampling.DEFAULT_ON, sampling.ALWAYS_OFF]


def pool(found: Scraped, name: str, **labels: str) -> dict[str, float]:
    """What is told of a pool: connections by state, and the rest by the ends of the metrics' names."""
    key = {"db_client_connection_pool_name": name, **labels}
    told = {state: found.value(COUNT, db_client_connection_state=state, **key) for state in ("idle", "used")}
    for end in ("idle_min", "max", "pending_requests", "timeouts_total"):
        if f"db_client_connection_{end}" in found.samples:
            told[end] = found.value(f"db_client_connection_{end}", **key)
    return told


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.get_description())
def test_queries(measured: Make, postgres: PostgreSQL, sampler: sampling.Sampler) -> None:
    """Queries are measured, sampled or not, by summary, database, server and error."""
    recorder, metrics = measured(sampler)
    recorder.patch("psycopg")
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        for number in range(3):
            connection.execute("SELECT %s + 1", (number,))
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM nowhere")
        if psycopg.Pipeline.is_supported():
            with connection.pipeline():
                connection.execute("SHOW port")
                connection.execute("SHOW port")
    found = metrics.scraped()
    assert found.value("otel_span_started_total", sampled="true") == len(recorder.finished)
    (server,) = [labels for labels in found.labels(f"{DURATION}_count") if labels.get("db_query_summary") == "SELECT"]
    assert server["db_system_name"] == "postgresql"
    assert server["db_namespace"] == postgres.dbname
    assert server["server_address"] == postgres.host
    assert "db_query_text" not in server
    assert found.value(f"{DURATION}_count", db_query_summary="SELECT") == 3
    broken = {"db_query_summary": "SELECT nowhere", "db_response_status_code": "42P01", "error_type": "42P01"}
    assert found.value(f"{DURATION}_count", **broken) == 1
    bounds = {float(labels["le"]) for labels in found.labels(f"{DURATION}_bucket")}
    assert bounds == {*DATABASE_BOUNDARIES, float("inf")}


def test_one_statement_is_one_operation(measured: Make, postgres: PostgreSQL) -> None:
    """There are as many measurements as spans: layers of a library are not counted apart."""
    recorder, metrics = measured()
    recorder.patch("psycopg")
    with psycopg.connect(postgres.dsn) as connection, connection.cursor() as cursor:
        cursor.executemany("SELECT %s", [(1,), (2,)])
        cursor.execute("SELECT 1")
        list(cursor)
    spans = [span for span in recorder.spans() if span["kind"] == "CLIENT"]
    assert metrics.scraped().value(f"{DURATION}_count") == len(spans)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.get_description())
def test_commands(measured: Make, redis_server: Redis, sampler: sampling.Sampler) -> None:
    """Redis commands are measured, sampled or not, by name and error; a pipeline is one operation."""
    recorder, metrics = measured(sampler)
    recorder.patch("redis")
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("key", "value")
        with pytest.raises(redis.ResponseError):
            client.incr("key")
        with client.pipeline(transaction=False) as pipeline:
            pipeline.get("key").get("key").execute()
        client.delete("key")
    found = metrics.scraped()
    told = found.samples[f"{DURATION}_count"]
    counts = {labels["db_operation_name"]: value for labels, value in told}
    assert counts == {"SET": 1, "INCRBY": 1, "PIPELINE GET": 1, "DEL": 1}
    (failed,) = [labels for labels, _ in told if "error_type" in labels]
    assert failed["error_type"] == failed["db_response_status_code"] == "ERR"


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.get_description())
def test_what_comes_to_nothing_was_not_started(measured: Make, postgres: PostgreSQL, sampler: sampling.Sampler) -> None:
    """A connection that is had at once is no operation: nothing of it stays in the counts, sampled or not."""
    recorder, metrics = measured(sampler)
    recorder.patch("psycopg_pool")
    recorder.patch("flask")
    app = flask.Flask("shop")
    with psycopg_pool.ConnectionPool(postgres.dsn, min_size=1, max_size=1) as made:
        made.wait(30)

        @app.get("/")
        def index() -> str:
            with made.connection():
                return ""

        for _ in range(3):
            app.test_client().get("/").get_data()
    sampled = sampler is sampling.DEFAULT_ON
    assert metrics.scraped().samples["otel_span_started_total"] == [
        ({"sampled": "true"}, 3 if sampled else 0),
        ({"sampled": "false"}, 0 if sampled else 3),
    ]


def test_psycopg_pools(measured: Make, postgres: PostgreSQL) -> None:
    """A pool tells its idle and used connections, its limits, who waits and who gave up waiting."""
    recorder, metrics = measured()
    recorder.patch("psycopg_pool")
    with psycopg_pool.ConnectionPool(postgres.dsn, min_size=2, max_size=3, name="till", timeout=30) as made:
        made.wait(30)
        with made.connection():
            found = metrics.scraped()
            assert pool(found, "till") == {
                "idle": 1,
                "used": 1,
                "idle_min": 2,
                "max": 3,
                "pending_requests": 0,
                "timeouts_total": 0,
            }
            with made.connection(), made.connection(), pytest.raises(psycopg_pool.PoolTimeout):
                made.getconn(timeout=0.05)
        assert pool(metrics.scraped(), "till")["timeouts_total"] == 1


def test_asynchronous_psycopg_pools(measured: Make, postgres: PostgreSQL) -> None:
    """So does an asynchronous one, while it lives."""
    recorder, metrics = measured()
    recorder.patch("psycopg_pool")

    async def use() -> dict[str, float]:
        made = psycopg_pool.AsyncConnectionPool(postgres.dsn, min_size=1, max_size=1, name="till", open=False)
        await made.open(wait=True, timeout=30)
        async with made.connection():
            found = pool(metrics.scraped(), "till")
        await made.close()
        return found

    found = asyncio.run(use())
    assert (found["idle"], found["used"], found["max"]) == (0, 1, 1)


@pytest.mark.parametrize("kind", ["ConnectionPool", "BlockingConnectionPool"])
def test_redis_pools(measured: Make, redis_server: Redis, kind: str) -> None:
    """A pool of redis-py is named after server and database, and tells its connections by state, until it is gone."""
    recorder, metrics = measured()
    recorder.patch("redis")
    options: dict[str, Any] = {"host": redis_server.host, "port": redis_server.port, "max_connections": 7}
    made = getattr(redis, kind)(**options)
    client = redis.Redis(connection_pool=made)
    client.ping()
    name = f"{redis_server.host}:{redis_server.port}/0"
    blocking = {"timeouts_total": 0} if kind == "BlockingConnectionPool" else {}
    assert pool(metrics.scraped(), name) == {"idle": 1, "used": 0, "max": 7, **blocking}
    with client.pubsub() as listening:
        listening.subscribe("news")
        assert pool(metrics.scraped(), name)["used"] == 1
    made.disconnect()
    del client, made, listening
    gc.collect()
    assert COUNT not in metrics.scraped().samples


def times(found: Scraped, name: str) -> dict[str, float]:
    """How many connections of a pool were made, had and given back."""
    ends = ("create_time", "wait_time", "use_time")
    return {
        end: found.value(f"db_client_connection_{end}_seconds_count", db_client_connection_pool_name=name)
        for end in ends
    }


def test_times_of_psycopg_pools(measured: Make, postgres: PostgreSQL) -> None:
    """Making, having and using a connection is timed, each once; one that is not had or not made is not."""
    recorder, metrics = measured()
    recorder.patch("psycopg_pool")
    with psycopg_pool.ConnectionPool(postgres.dsn, min_size=2, max_size=2, name="till", timeout=30) as made:
        made.wait(30)
        assert times(metrics.scraped(), "till") == {"create_time": 2, "wait_time": 0, "use_time": 0}
        with made.connection() as first:
            found = metrics.scraped()
            assert times(found, "till") == {"create_time": 2, "wait_time": 1, "use_time": 0}
            second = made.getconn()
            with pytest.raises(psycopg_pool.PoolTimeout):
                made.getconn(timeout=0.05)
            made.putconn(conn=second)
        with pytest.raises(ValueError, match="pool"):
            made.putconn(first)
    found = metrics.scraped()
    assert times(found, "till") == {"create_time": 2, "wait_time": 2, "use_time": 2}
    # The test's clock counts how often it is read: having one takes one read, using it what is read meanwhile.
    assert found.value("db_client_connection_use_time_seconds_sum") > found.value(
        "db_client_connection_wait_time_seconds_sum"
    )
    bounds = {float(labels["le"]) for labels in found.labels("db_client_connection_wait_time_seconds_bucket")}
    assert bounds == {*DATABASE_BOUNDARIES, float("inf")}


def test_times_of_asynchronous_psycopg_pools(measured: Make, postgres: PostgreSQL) -> None:
    """The same of an asynchronous pool, and of one that keeps no connection, which says so."""
    recorder, metrics = measured()
    recorder.patch("psycopg_pool")

    async def use(kind: str, **sizes: int) -> None:
        made = getattr(psycopg_pool, kind)(postgres.dsn, name=kind, open=False, **sizes)
        await made.open(wait=True, timeout=30)
        for _ in range(3):
            async with made.connection():
                pass
        if kind == "AsyncNullConnectionPool":
            found = metrics.scraped()
            assert found.value("db_client_connection_idle_max", db_client_connection_pool_name=kind) == 0
            assert found.labels("db_client_connection_idle_max") == [{"db_client_connection_pool_name": kind}]
        await made.close()

    asyncio.run(use("AsyncConnectionPool", min_size=1, max_size=1))
    asyncio.run(use("AsyncNullConnectionPool", min_size=0, max_size=1))
    found = metrics.scraped()
    assert times(found, "AsyncConnectionPool") == {"create_time": 1, "wait_time": 3, "use_time": 3}
    # Waiting for such a pool makes a connection, which is not kept.
    assert times(found, "AsyncNullConnectionPool") == {"create_time": 4, "wait_time": 3, "use_time": 3}


@pytest.mark.parametrize("kind", ["ConnectionPool", "BlockingConnectionPool"])
def test_times_of_redis_pools(measured: Make, redis_server: Redis, kind: str) -> None:
    """Making, having and using a connection is timed, each once, and connecting it again is making it."""
    recorder, metrics = measured()
    recorder.patch("redis")
    made = getattr(redis, kind)(host=redis_server.host, port=redis_server.port, max_connections=1)
    client = redis.Redis(connection_pool=made)
    name = f"{redis_server.host}:{redis_server.port}/0"
    for _ in range(3):
        client.ping()
    assert times(metrics.scraped(), name) == {"create_time": 1, "wait_time": 3, "use_time": 3}
    made.disconnect()
    client.ping()
    assert times(metrics.scraped(), name) == {"create_time": 2, "wait_time": 4, "use_time": 4}
    made.disconnect()


def test_waiting_for_a_redis_pool_is_given_up(measured: Make, redis_server: Redis) -> None:
    """A pool that waits for connections tells how often that was given up, one that does not wait nothing."""
    recorder, metrics = measured()
    recorder.patch("redis")
    options: dict[str, Any] = {"host": redis_server.host, "port": redis_server.port, "max_connections": 1}
    waits, refuses = redis.BlockingConnectionPool(db=1, timeout=0.01, **options), redis.ConnectionPool(db=2, **options)
    for made in (waits, refuses):
        lent = made.get_connection(*ASKED)
        for _ in range(2):
            with pytest.raises(redis.ConnectionError):
                made.get_connection(*ASKED)
        made.release(lent)
        made.disconnect()
    told = metrics.scraped().samples["db_client_connection_timeouts_total"]
    assert told == [({"db_client_connection_pool_name": f"{redis_server.host}:{redis_server.port}/1"}, 2)]


@pytest.mark.parametrize("kind", ["ConnectionPool", "BlockingConnectionPool"])
def test_times_of_asynchronous_redis_pools(measured: Make, redis_server: Redis, kind: str) -> None:
    """The same of an asynchronous pool."""
    asynchronous = pytest.importorskip("redis.asyncio")
    recorder, metrics = measured()
    recorder.patch("redis", "redis.asyncio")
    options: dict[str, Any] = {"host": redis_server.host, "port": redis_server.port, "max_connections": 1}
    if kind == "BlockingConnectionPool":
        options["timeout"] = 0.01

    async def use() -> None:
        made = getattr(asynchronous, kind)(**options)
        client = asynchronous.Redis(connection_pool=made)
        for _ in range(3):
            await client.ping()
        lent = await made.get_connection(*ASKED)
        with pytest.raises(redis.ConnectionError):
            await made.get_connection(*ASKED)
        await made.release(lent)
        await made.disconnect()

    asyncio.run(use())
    found, name = metrics.scraped(), f"{redis_server.host}:{redis_server.port}/0"
    assert times(found, name) == {"create_time": 1, "wait_time": 4, "use_time": 4}
    if kind == "BlockingConnectionPool":
        assert found.value("db_client_connection_timeouts_total", db_client_connection_pool_name=name) == 1


def test_pools_are_not_cut_without_metrics(recorder: Any) -> None:
    """Without metrics a pool has the library's own methods, but for the one whose waiting is a span."""
    names = {
        psycopg_pool.ConnectionPool: ("__init__", "putconn", "_connect"),
        psycopg_pool.AsyncConnectionPool: ("__init__", "putconn", "_connect"),
        redis.ConnectionPool: ("__init__", "get_connection", "release"),
        redis.BlockingConnectionPool: ("__init__", "get_connection", "release"),
        redis.Connection: ("connect",),
    }
    before = {cls: [getattr(cls, name) for name in of] for cls, of in names.items()}
    recorder.patch("psycopg_pool")
    recorder.patch("redis")
    assert {cls: [getattr(cls, name) for name in of] for cls, of in names.items()} == before
