"""Pools: waiting for a connection is seen, taking a free one is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import psycopg_pool
import pytest

from databases.postgresql.kinds import Database, done, scenario, within
from support.recorder import Recorder


@asynccontextmanager
async def opened(database: Database, recorder: Recorder, kind: str = "pool", **options: Any) -> AsyncIterator[Any]:
    """A pool of one connection, ready."""
    recorder.patch("psycopg")
    recorder.patch("psycopg_pool")
    sizes = {"min_size": 1, "max_size": 1} if kind == "pool" else {"max_size": 1}
    pool = getattr(database, kind)(database.server.dsn, open=False, name="shop", **sizes, **options)
    await done(pool.open(wait=True))
    try:
        yield pool
    finally:
        await done(pool.close())


def getting(database: Database, pool: Any, **options: Any) -> asyncio.Task[Any]:
    """`getconn` on its way."""
    if database.asynchronous:
        return asyncio.create_task(pool.getconn(**options))
    return asyncio.create_task(asyncio.to_thread(pool.getconn, **options))


async def queued(pool: Any) -> None:
    """Somebody waits for a connection."""
    while pool.get_stats().get("requests_waiting") != 1:
        await asyncio.sleep(0.001)


def wait(database: Database, parent: int, status: Any = "UNSET", **others: Any) -> dict[str, Any]:
    """The whole span of a wait, without its id."""
    return {
        "name": "getconn shop",
        "kind": "INTERNAL",
        "parent": parent,
        "scope": "tracing_instrumentations.psycopg_pool",
        "attributes": {
            **database.peer,
            "db.client.connection.pool.name": "shop",
            **{key.replace("__", "."): value for key, value in others.items()},
        },
        "status": status,
    }


def of_the_pool(recorder: Recorder) -> list[dict[str, Any]]:
    """The spans of waiting, without their ids."""
    found = [span for span in recorder.spans() if span["scope"].endswith("psycopg_pool")]
    for span in found:
        del span["id"], span["trace"]
    return found


@scenario
async def test_free_connection(database: Database, recorder: Recorder) -> None:
    """user-pain row 17: what is done on a pool's connection is traced; taking a free one is no span."""
    async with opened(database, recorder) as pool:
        recorder.spans()
        with recorder.tracer.start_as_current_span("request"):
            async with within(pool.connection()) as connection:
                assert type(connection) is database.connection
                await done(connection.execute("SELECT 1"))
    assert [span["name"] for span in recorder.spans()] == ["SELECT", "COMMIT", "request"]


@scenario
async def test_wait(database: Database, recorder: Recorder) -> None:
    """user-pain row 17: waiting until somebody gives a connection back is an internal span below the caller's."""
    async with opened(database, recorder) as pool:
        first = await done(pool.getconn())
        with recorder.tracer.start_as_current_span("request") as around:
            second = getting(database, pool)
            await queued(pool)
        await done(pool.putconn(first))
        assert await second is first
        await done(pool.putconn(first))
    assert of_the_pool(recorder) == [wait(database, around.span_id)]


async def waited(database: Database, recorder: Recorder, pool: Any) -> dict[str, Any]:
    """The attributes of a wait in vain, but for the error."""
    with recorder.tracer.start_as_current_span("request"), pytest.raises(psycopg_pool.PoolTimeout):
        await getting(database, pool, timeout=0.01)
    (span,) = of_the_pool(recorder)
    del span["attributes"]["error.type"], span["attributes"]["db.client.connection.pool.name"]
    found: dict[str, Any] = span["attributes"]
    return found


@scenario
async def test_where_connections_go(database: Database, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait tells the server as the pool's arguments have it, which are read once and again when they change."""
    parsed: list[str] = []
    parse = psycopg.conninfo.conninfo_to_dict

    def noted(conninfo: str, **options: Any) -> Any:
        parsed.append(conninfo)
        return parse(conninfo, **options)

    system = {"db.system.name": "postgresql"}
    async with opened(database, recorder) as pool:
        first = await done(pool.getconn())
        monkeypatch.setattr(psycopg.conninfo, "conninfo_to_dict", noted)
        assert await waited(database, recorder, pool) == database.peer
        assert await waited(database, recorder, pool) == database.peer
        assert len(parsed) == 1
        pool.conninfo = "postgresql://shop:s3cret@db.example:6000/orders"
        told = {"db.namespace": "orders", "server.address": "db.example", "server.port": 6000}
        assert await waited(database, recorder, pool) == {**system, **told}
        pool.kwargs = {"host": "standby.example", "password": "s3cret"}
        assert await waited(database, recorder, pool) == {**system, **told, "server.address": "standby.example"}
        assert len(parsed) == 3
        pool.conninfo = lambda: pytest.fail("called")
        assert await waited(database, recorder, pool) == system
        pool.conninfo = "no conninfo s3cret"
        pool.kwargs = None
        assert "s3cret" not in str(await waited(database, recorder, pool))
        await done(pool.putconn(first))


@scenario
async def test_wait_in_vain(database: Database, recorder: Recorder) -> None:
    """A wait that times out has the exception."""
    async with opened(database, recorder) as pool:
        first = await done(pool.getconn())
        with (
            recorder.tracer.start_as_current_span("request") as around,
            pytest.raises(psycopg_pool.PoolTimeout) as caught,
        ):
            await getting(database, pool, timeout=0.01)
        await done(pool.putconn(first))
    status = ("ERROR", str(caught.value))
    assert of_the_pool(recorder) == [wait(database, around.span_id, status, error__type="psycopg_pool.PoolTimeout")]


@scenario
async def test_wait_of_nobody(database: Database, recorder: Recorder) -> None:
    """A wait that holds up no traced work is no trace of its own."""
    async with opened(database, recorder) as pool:
        first = await done(pool.getconn())
        second = getting(database, pool)
        await queued(pool)
        await done(pool.putconn(first))
        await done(pool.putconn(await second))
    assert of_the_pool(recorder) == []


@scenario
async def test_null_pool(database: Database, recorder: Recorder) -> None:
    """A pool that holds no connections shows both: the wait, and the connection that is made in it."""
    async with opened(database, recorder, "null_pool") as pool:
        recorder.spans()
        with recorder.tracer.start_as_current_span("request"):
            async with within(pool.connection()) as connection:
                await done(connection.execute("SELECT 1"))
    names = {span["name"]: span["parent"] for span in recorder.spans()}
    assert list(names)[-3:] == ["SELECT", "COMMIT", "request"]
    assert f"connect {database.server.dbname}" in names
    assert names["getconn shop"] is not None
