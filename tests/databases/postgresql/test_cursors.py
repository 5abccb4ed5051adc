"""Cursors of every kind: server-side, client, raw, and those of the program's own."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from databases.postgresql.kinds import Database, done, items, roots, scenario, within
from support.recorder import Recorder
from tracing_agent.semconv.db_settings import DatabaseSettings

SERIES = "SELECT n FROM generate_series(1, %s) AS n"
DECLARED = "DECLARE SELECT generate_series"


@pytest.mark.parametrize("counted", [False, True])
@scenario
async def test_server_side_cursor(database: Database, recorder: Recorder, counted: bool) -> None:
    """user-pain row 17: DECLARE is a span, and each fetch that goes to the server, and CLOSE; no other."""
    recorder.engine.database = DatabaseSettings(returned_rows=counted)
    async with database.connected(recorder, autocommit=False) as connection:
        async with within(connection.cursor('of "all"')) as cursor:
            assert type(cursor) is database.server_cursor
            assert await done(cursor.execute(SERIES, (6,))) is cursor
            declared = f'DECLARE "of ""all""" CURSOR FOR {SERIES}'
            assert roots(recorder) == [database.span(DECLARED, declared)]
            cursor.itersize = 2
            rows = [await done(cursor.fetchone()), *await done(cursor.fetchmany(2))]
            rows += [row async for row in items(cursor)]
            rows += await done(cursor.fetchall())
        assert rows == [(1,), (2,), (3,), (4,), (5,), (6,)]
    fetch = 'FETCH FORWARD ? FROM "of ""all"""'
    everything = 'FETCH FORWARD ALL FROM "of ""all"""'
    *fetched, closed = roots(recorder)
    assert [span["attributes"].pop("db.response.returned_rows", None) for span in fetched] == (
        [1, 2, 2, 1, 0] if counted else [None] * 5
    )
    assert fetched == [database.span("FETCH", fetch)] * 4 + [database.span("FETCH", everything)]
    assert closed == database.span("CLOSE", 'CLOSE "of ""all"""')


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scrollable": True}, "SCROLL CURSOR"),
        ({"scrollable": False, "withhold": True}, "NO SCROLL CURSOR WITH HOLD"),
    ],
)
@scenario
async def test_server_side_cursor_options(
    database: Database, recorder: Recorder, options: dict[str, Any], words: str
) -> None:
    """The text is the one that psycopg makes of the statement."""
    async with (
        database.connected(recorder, autocommit=False) as connection,
        within(connection.cursor("c", **options)) as cursor,
    ):
        await done(cursor.execute("SELECT 1"))
        sent = cursor._query.query.decode()
        if options["scrollable"]:
            await done(cursor.scroll(1))
    spans = roots(recorder)
    assert spans[0] == database.span("DECLARE SELECT", f'DECLARE "c" {words} FOR SELECT ?')
    assert sent == f'DECLARE "c" {words} FOR SELECT 1'
    assert [span["name"] for span in spans[1:]] == (["MOVE", "CLOSE"] if options["scrollable"] else ["CLOSE"])


@scenario
async def test_server_side_cursor_refused(database: Database, recorder: Recorder) -> None:
    """A statement that cannot be declared has its SQLSTATE."""
    async with database.connected(recorder) as connection, within(connection.transaction()):
        cursor = connection.cursor("c")
        with pytest.raises(psycopg.errors.SyntaxError):
            async with within(connection.transaction()):
                await done(cursor.execute("SELECT FROM FROM"))
        await done(cursor.close())
    failed = [span for span in roots(recorder) if span["status"] != "UNSET"]
    text = 'DECLARE "c" CURSOR FOR SELECT FROM FROM'
    assert [span["attributes"]["db.query.text"] for span in failed] == [text]
    assert failed[0]["attributes"]["error.type"] == "42601"


@scenario
async def test_client_cursor(database: Database, recorder: Recorder) -> None:
    """user-pain row 17: values that a client cursor puts into the text are not in the span's."""
    async with database.connected(recorder, cursor_factory=database.client_cursor) as connection:
        cursor = await done(connection.execute("SELECT %s::text", ("secret",)))
        assert type(cursor) is database.client_cursor
        assert await done(cursor.fetchone()) == ("secret",)
    assert roots(recorder) == [database.span("SELECT", "SELECT %s::text")]


@scenario
async def test_raw_cursor(database: Database, recorder: Recorder) -> None:
    """PostgreSQL's own placeholders stay in the text."""
    if database.raw_cursor is None:
        pytest.skip("raw cursors came with psycopg 3.2")
    async with database.connected(recorder, cursor_factory=database.raw_cursor) as connection:
        await done(connection.execute("SELECT $1::text", ["secret"]))
    assert roots(recorder) == [database.span("SELECT", "SELECT $1::text")]


@pytest.mark.parametrize("when", ["connect", "late", "cursor"])
@scenario
async def test_cursor_factory(database: Database, recorder: Recorder, when: str) -> None:
    """user-pain row 17: the program's cursor class is traced and stays, whenever it is set."""

    class Own(database.cursor):  # type: ignore[name-defined,misc]
        pass

    early = {"cursor_factory": Own} if when == "connect" else {}
    async with database.connected(recorder, **early) as connection:
        if when == "late":
            connection.cursor_factory = Own
        cursor = Own(connection, row_factory=dict_row) if when == "cursor" else connection.cursor(row_factory=dict_row)
        assert type(cursor) is Own
        await done(cursor.execute("SELECT %s::int AS a", (1,)))
        assert await done(cursor.fetchall()) == [{"a": 1}]
    assert roots(recorder) == [database.span("SELECT", "SELECT %s::int AS a")]


@scenario
async def test_subclass_with_methods_of_its_own(database: Database, recorder: Recorder) -> None:
    """A subclass may override `execute` and call the one above, in vain or twice; its spans are the statements sent."""
    sent = []

    class Own(database.cursor):  # type: ignore[name-defined,misc]
        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            sent.append(query)
            return super().execute(f"SELECT {query}", *args, **kwargs)

    async with database.connected(recorder, cursor_factory=Own) as connection:
        cursor = await done(connection.execute("%s::int", (1,)))
        assert type(cursor) is Own
        assert await done(cursor.fetchone()) == (1,)
    assert sent == ["%s::int"]
    assert roots(recorder) == [database.span("SELECT", "SELECT %s::int")]
