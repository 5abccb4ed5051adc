"""Rows and data that come or go piece by piece: `stream` and `copy`, from the statement to the last piece."""

from __future__ import annotations

import inspect
from typing import Any

import psycopg
import pytest
from opentelemetry import trace

from databases.postgresql.kinds import Database, done, items, roots, scenario, within
from support.recorder import Recorder
from tracing_agent.semconv.db_settings import DatabaseSettings

SERIES = "SELECT n FROM generate_series(1, %s) AS n"


@scenario
async def test_stream(database: Database, recorder: Recorder) -> None:
    """user-pain row 17: `stream()` is one span, from the first row asked for to the last, and not current meanwhile."""
    async with database.connected(recorder) as connection:
        rows = connection.cursor().stream(SERIES, (3,))
        assert recorder.spans() == []
        found = []
        async for row in items(rows):
            assert recorder.spans() == []
            assert trace.get_current_span() is trace.INVALID_SPAN
            found.append(row)
    assert found == [(1,), (2,), (3,)]
    assert roots(recorder) == [database.span("SELECT generate_series", SERIES)]


@scenario
async def test_stream_is_a_generator(database: Database, recorder: Recorder) -> None:
    """What `stream()` gives is a generator of the kind that it is untraced."""
    async with database.connected(recorder) as connection:
        rows = connection.cursor().stream(SERIES, (3,))
        assert inspect.isasyncgen(rows) if database.asynchronous else inspect.isgenerator(rows)
        assert inspect.isasyncgenfunction(database.cursor.stream) is database.asynchronous
        assert inspect.isgeneratorfunction(database.cursor.stream) is not database.asynchronous
        await done(rows.aclose() if database.asynchronous else rows.close())
    assert recorder.spans() == []


@scenario
async def test_stream_closed_early(database: Database, recorder: Recorder) -> None:
    """A stream that its consumer leaves ends its span without an error, and its query as it does untraced."""
    left = []
    for traced in (True, False):
        async with database.connected(recorder) as connection:
            if not traced:
                recorder.undo()
            rows = connection.cursor().stream(SERIES, (100_000,))
            async for row in items(rows):
                assert row == (1,)
                break
            await done(rows.aclose() if database.asynchronous else rows.close())
            left.append(connection.info.transaction_status)
        recorder.undo()
    assert left[0] == left[1]
    assert roots(recorder) == [database.span("SELECT generate_series", SERIES)]


@scenario
async def test_stream_fails(database: Database, recorder: Recorder) -> None:
    """A stream that breaks off has the SQLSTATE, and the rows before it have come."""
    text = "SELECT 1 / (3 - n) FROM generate_series(1, %s) AS n"
    found = []
    async with database.connected(recorder) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            async for row in items(connection.cursor().stream(text, (3,))):
                found.append(row)
    assert roots(recorder) == [database.failed("SELECT generate_series", text, "22012", "division by zero")]


@scenario
async def test_copy_in(database: Database, recorder: Recorder) -> None:
    """user-pain row 17: a COPY into the server lasts until its block is left, and returns no rows."""
    recorder.engine.database = DatabaseSettings(returned_rows=True)
    async with database.connected(recorder) as connection:
        await done(connection.execute("CREATE TEMP TABLE t (a int, b text)"))
        recorder.spans()
        cursor = connection.cursor()
        async with within(cursor.copy("COPY t (a, b) FROM STDIN")) as copy:
            await done(copy.write_row((1, "secret")))
            await done(copy.write("2\tx\n"))
            assert recorder.spans() == []
        assert cursor.rowcount == 2
    assert roots(recorder) == [database.span("COPY t", "COPY t (a, b) FROM STDIN")]


@pytest.mark.parametrize("counted", [False, True])
@scenario
async def test_copy_out(database: Database, recorder: Recorder, counted: bool) -> None:
    """user-pain row 17: a COPY out of the server lasts until its block is left, and knows its rows."""
    recorder.engine.database = DatabaseSettings(returned_rows=counted)
    others = {"db__response__returned_rows": 3} if counted else {}
    text = "COPY (SELECT generate_series(1, %s)) TO STDOUT"
    async with database.connected(recorder) as connection:
        async with within(connection.cursor().copy(text, (3,))) as copy:
            found = [bytes(block) async for block in items(copy)]
        assert found == [b"1\n", b"2\n", b"3\n"]
        async with within(connection.cursor().copy(text, (3,))) as copy:
            copy.set_types(["int4"])
            assert [row async for row in items(copy.rows())] == [(1,), (2,), (3,)]
    assert roots(recorder) == [database.span("COPY SELECT", text, **others)] * 2


@scenario
async def test_copy_left_early(database: Database, recorder: Recorder) -> None:
    """A block that is left by an exception ends the COPY with it; the exception is the program's own."""
    error = LookupError("enough")
    async with database.connected(recorder) as connection:
        cursor = connection.cursor()
        with pytest.raises(LookupError) as caught:
            async with within(cursor.copy("COPY (SELECT 1) TO STDOUT")):
                raise error
        assert caught.value is error
        await done(connection.execute("SELECT 1"))
    left, after = roots(recorder)
    assert left == database.span(
        "COPY SELECT", "COPY (SELECT ?) TO STDOUT", ("ERROR", "enough"), error__type="LookupError"
    )
    assert after["status"] == "UNSET"


@scenario
async def test_copy_refused(database: Database, recorder: Recorder) -> None:
    """A COPY that does not begin, and one that the server ends, have their SQLSTATE."""
    async with database.connected(recorder) as connection:
        cursor = connection.cursor()
        with pytest.raises(psycopg.errors.UndefinedTable):
            async with within(cursor.copy("COPY missing FROM STDIN")):
                raise AssertionError
        await done(connection.execute("CREATE TEMP TABLE t (a int)"))
        recorder.finished.pop()
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            async with within(cursor.copy("COPY t FROM STDIN")) as copy:
                await done(copy.write("x\n"))
    assert roots(recorder) == [
        database.failed("COPY missing", "COPY missing FROM STDIN", "42P01", 'relation "missing" does not exist'),
        database.failed("COPY t", "COPY t FROM STDIN", "22P02", 'invalid input syntax for type integer: "x"'),
    ]


@scenario
async def test_copy_is_the_same_kind_of_object(database: Database, recorder: Recorder) -> None:
    """The context manager and what it binds have the types that they have untraced."""

    async def kinds(connection: Any) -> list[type]:
        manager = connection.cursor().copy("COPY (SELECT 1) TO STDOUT")
        async with within(manager) as copy:
            assert [bytes(block) async for block in items(copy)] == [b"1\n"]
        return [type(manager), type(copy)]

    async with database.connected(recorder) as connection:
        traced = await kinds(connection)
        recorder.undo()
        assert traced == await kinds(connection)
