"""What the program sees of psycopg is what it sees untraced."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import sys
import traceback
from typing import Any

import psycopg
import pytest
from psycopg.adapt import Dumper
from psycopg.rows import class_row, namedtuple_row
from psycopg.types.composite import CompositeInfo, register_composite

from databases.postgresql.kinds import Database, done, items, roots, scenario, within
from support.recorder import Recorder
from tracing_agent.faults import LINES
from tracing_instrumentations import _dbapi, _psycopg_pipeline
from tracing_instrumentations import psycopg as described

PATHS = [target.path for target in described.targets(psycopg)["psycopg"]]


def stands(path: str) -> Any:
    """What stands at a dotted path in psycopg."""
    holder: Any = psycopg
    for name in path.split("."):
        holder = getattr(holder, name)
    return holder


@pytest.mark.parametrize("path", PATHS)
def test_functions_look_the_same(recorder: Recorder, path: str) -> None:
    """Signature, names, documentation and kind of every function that is cut stay; undoing puts it back."""

    def look() -> list[Any]:
        found = stands(path)
        kinds = (
            inspect.iscoroutinefunction,
            inspect.isasyncgenfunction,
            inspect.isgeneratorfunction,
            inspect.ismethod,
            # From Python 3.14 on it warns that it will go.
            *((asyncio.iscoroutinefunction,) if sys.version_info < (3, 14) else ()),
        )
        names = ("__name__", "__qualname__", "__module__", "__doc__")
        return [inspect.signature(found), *(getattr(found, name) for name in names), *(kind(found) for kind in kinds)]

    untraced, before = stands(path), look()
    recorder.patch("psycopg")
    assert look() == before
    assert stands(path) != untraced
    recorder.undo()
    assert stands(path) == untraced


def test_undoing_leaves_nothing(recorder: Recorder) -> None:
    """After undoing, no class holds a name that it did not hold."""
    classes = [getattr(psycopg, name) for name in psycopg.__all__ if isinstance(getattr(psycopg, name), type)]
    before = [set(vars(kind)) for kind in classes]
    recorder.patch("psycopg")
    recorder.undo()
    assert [set(vars(kind)) for kind in classes] == before


class Point:
    """A value of the program's own."""

    def __init__(self, x: int) -> None:
        self.x = x


class PointDumper(Dumper):
    """Its adapter."""

    oid = psycopg.adapters.types["int4"].oid

    def dump(self, obj: Any) -> bytes:
        return str(obj.x).encode()


async def work(database: Database, connection: Any) -> list[Any]:
    """What a program does with psycopg beyond running statements, as values."""
    seen: list[Any] = []

    def noticed(notice: Any) -> None:
        seen.append(("notice", notice.message_primary, notice.sqlstate))

    connection.add_notice_handler(noticed)
    await done(connection.execute("DO $$ BEGIN RAISE NOTICE 'heard'; RAISE WARNING 'warned'; END $$"))
    connection.remove_notice_handler(noticed)
    connection.adapters.register_dumper(Point, PointDumper)
    cursor = await done(connection.execute("SELECT %s AS x", [Point(7)]))
    seen.append(await done(cursor.fetchall()))
    seen += [
        repr(cursor.description),
        cursor.rowcount,
        cursor.statusmessage,
        cursor.rownumber,
        type(cursor),
        cursor.closed,
    ]
    for factory in (namedtuple_row, class_row(Point)):
        cursor = connection.cursor(row_factory=factory)
        await done(cursor.execute("SELECT 3 AS x"))
        seen.append((await done(cursor.fetchone())).x)
    await done(connection.execute("DROP TYPE IF EXISTS pg_temp.pair; CREATE TYPE pg_temp.pair AS (a int, b text)"))
    info = await done(CompositeInfo.fetch(connection, "pair"))
    register_composite(info, connection)
    cursor = await done(connection.execute("SELECT (1, 'b')::pg_temp.pair"))
    seen.append(tuple((await done(cursor.fetchone()))[0]))
    async with within(connection.cursor()) as cursor:
        await done(cursor.execute("SELECT generate_series(1, 3)"))
        await done(cursor.scroll(1))
        seen.append([row async for row in items(cursor)])
    seen.append(cursor.closed)
    seen.append(connection.info.dbname)
    seen.append([info.name, info.field_names])
    with pytest.raises(psycopg.Error) as caught:
        await done(connection.execute("SELECT * FROM missing"))
    error = caught.value
    seen += [type(error), str(error), error.sqlstate, error.diag.message_primary, error.__cause__, error.__context__]
    seen.append(str(pickle.loads(pickle.dumps(error))))
    return seen


@scenario
async def test_the_same_work(database: Database, recorder: Recorder) -> None:
    """Results, notices, adapters, row factories, exceptions and their pickles are those of an untraced run."""
    seen = []
    for _ in range(2):
        async with database.connected(recorder) as connection:
            seen.append(await work(database, connection))
            recorder.undo()
            seen.append(await work(database, connection))
    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert ("notice", "heard", "00000") in seen[0]


@scenario
async def test_tracebacks_lead_to_the_program(database: Database, recorder: Recorder) -> None:
    """psycopg cuts its own frames out of tracebacks: what is left is the caller and one frame of ours."""
    async with database.connected(recorder) as connection:
        cursor = connection.cursor()
        try:
            await done(cursor.execute("SELECT * FROM missing"))
        except psycopg.Error as error:
            frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    mine = ["test_tracebacks_lead_to_the_program"] + (["done"] if database.asynchronous else [])
    assert frames == [*mine, "wrapper", "execute"]


@scenario
async def test_notifications(database: Database, recorder: Recorder) -> None:
    """Waiting for notifications is no span; asking for them and sending them is."""
    if "timeout" not in inspect.signature(database.connection.notifies).parameters:
        pytest.skip("waiting can be limited since psycopg 3.2")
    async with database.connected(recorder) as connection:
        await done(connection.execute("LISTEN tracing"))
        await done(connection.execute("NOTIFY tracing, 'secret'"))
        heard = [notify.payload async for notify in items(connection.notifies(timeout=0, stop_after=1))]
        assert [notify.payload async for notify in items(connection.notifies(timeout=0))] == []
    assert heard == ["secret"]
    assert roots(recorder) == [
        database.span("LISTEN tracing", "LISTEN tracing"),
        database.span("NOTIFY tracing", "NOTIFY tracing, ?"),
    ]


@scenario
async def test_a_fault_of_ours(database: Database, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where describing a statement fails, the statement is run all the same."""

    def broken(*args: Any) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(described.db, "query", broken)
    monkeypatch.setattr(_psycopg_pipeline, "query", broken)
    monkeypatch.setattr(_dbapi, "described", broken)
    monkeypatch.setattr(LINES, "strict", False)
    monkeypatch.setattr(LINES, "level", 0)
    async with database.connected(recorder, autocommit=False) as connection:
        cursor = await done(connection.execute("SELECT %s::int", (1,)))
        assert await done(cursor.fetchone()) == (1,)
        assert [row async for row in items(connection.cursor().stream("SELECT 1"))] == [(1,)]
        async with within(connection.cursor().copy("COPY (SELECT 1) TO STDOUT")) as copy:
            assert [bytes(block) async for block in items(copy)] == [b"1\n"]
        await done(connection.cursor().executemany("SELECT %s", iter([(1,), (2,)])))
        async with within(connection.pipeline()):
            await done(connection.execute("SELECT 1"))
        await done(connection.commit())
    # It is described when it has been run.
    assert [(span["name"], span["attributes"].get("db.query.text")) for span in recorder.spans()] == [
        ("postgresql", None)
    ]
