"""Template strings of Python 3.14 as statements: psycopg's answers stay, and spans have names and no values."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from psycopg import sql

from databases.postgresql.kinds import VERSION, Database, done, items, roots, scenario, within
from support.recorder import Recorder
from tracing_agent.semconv.db_settings import DatabaseSettings

pytestmark = [
    pytest.mark.skipif(sys.version_info < (3, 14), reason="template strings came with Python 3.14"),
    pytest.mark.skipif(VERSION < (3, 3), reason="psycopg takes template strings since 3.3"),
]


def template(text: str, **values: Any) -> Any:
    """A template string as the interpreter makes it; written out, older ones could not read this file."""
    return eval(f"t{text!r}", values)


@pytest.mark.parametrize(
    ("statement", "text", "summary"),
    [
        (
            "SELECT {a} FROM pg_class WHERE relname = {b}",
            "SELECT $1 FROM pg_class WHERE relname = $2",
            "SELECT pg_class",
        ),
        ("SELECT {a:s}, {a:t}, {a:b}", "SELECT $1, $2, $3", "SELECT"),
        (
            "SELECT {a:l} FROM pg_class WHERE relname = {b}",
            "SELECT ? FROM pg_class WHERE relname = $1",
            "SELECT pg_class",
        ),
        ("SELECT {a:l} FROM pg_class LIMIT 7", "SELECT ? FROM pg_class LIMIT ?", "SELECT pg_class"),
        (
            "SELECT relname FROM {table:i} WHERE {inner:q}",
            'SELECT relname FROM "pg_class" WHERE oid = $1',
            'SELECT "pg_class"',
        ),
        (
            "SELECT {column:i} FROM {table:i}{rest:q} LIMIT {a:l}",
            'SELECT "relname" FROM "pg_class" ORDER BY "relname" LIMIT ?',
            'SELECT "pg_class"',
        ),
    ],
    ids=["values", "formats", "literal beside a value", "literals alone", "a template in it", "composed parts"],
)
@pytest.mark.parametrize("cursor", ["cursor", "client_cursor"])
@scenario
async def test_statement(
    database: Database, recorder: Recorder, cursor: str, statement: str, text: str, summary: str
) -> None:
    """user-pain row 14: names are in the text, values are not, and the answer is psycopg's."""
    secret = 4711
    values: dict[str, Any] = {"a": secret, "b": "secret", "table": "pg_class", "column": sql.Identifier("relname")}
    values["rest"] = sql.SQL(" ORDER BY {}").format(sql.Identifier("relname"))
    values["inner"] = template("oid = {a}", a=secret)
    query = template(statement, **values)
    async with database.connected(recorder, cursor_factory=getattr(database, cursor)) as connection:
        recorder.undo()
        bare = await done((await done(connection.execute(query))).fetchall())
        recorder.patch("psycopg")
        assert await done((await done(connection.execute(query))).fetchall()) == bare
    assert roots(recorder) == [database.span(summary, text)]


@scenario
async def test_streams_copies_and_server_cursors(database: Database, recorder: Recorder) -> None:
    """Wherever psycopg takes a statement it takes a template string, and so do we."""
    async with database.connected(recorder, autocommit=False) as connection:
        query = template("SELECT * FROM generate_series(1, {last}) AS numbers", last=3)
        assert [row async for row in items(connection.cursor().stream(query))] == [(1,), (2,), (3,)]
        async with within(connection.cursor("named")) as named:
            await done(named.execute(query))
            assert await done(named.fetchall()) == [(1,), (2,), (3,)]
        copied = template("COPY (SELECT {value:l}) TO STDOUT", value="secret")
        async with within(connection.cursor().copy(copied)) as copy:
            assert await done(copy.read_row()) == ("secret",)
    texts = [span["attributes"].get("db.query.text", "") for span in recorder.spans()]
    assert "SELECT * FROM generate_series(1, $1) AS numbers" in texts
    assert 'DECLARE "named" CURSOR FOR SELECT * FROM generate_series(1, $1) AS numbers' in texts
    assert "COPY (SELECT ?) TO STDOUT" in texts
    assert "secret" not in str(texts)


@pytest.mark.parametrize(
    ("statement", "text"),
    [("SELECT {value!r}", "SELECT $1"), ("SELECT {value:nonsense}", "SELECT $1"), ("SELECT {value:i}", "SELECT ?")],
)
@scenario
async def test_what_psycopg_refuses(database: Database, recorder: Recorder, statement: str, text: str) -> None:
    """The exception is the one it is untraced, and the value is not shown."""
    query = template(statement, value=object())
    async with database.connected(recorder) as connection:
        recorder.undo()
        with pytest.raises(Exception) as bare:
            await done(connection.execute(query))
        recorder.patch("psycopg")
        with pytest.raises(type(bare.value)) as traced:
            await done(connection.execute(query))
        assert str(traced.value) == str(bare.value)
    (span,) = roots(recorder)
    assert span["attributes"]["db.query.text"] == text


@scenario
async def test_comments(database: Database, recorder: Recorder) -> None:
    """A template string comes to the server as it is, without a comment."""
    recorder.engine.database = DatabaseSettings(comments=True)
    seen = "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid() AND 1 = "
    async with database.connected(recorder) as connection:
        cursor = await done(connection.execute(template(seen + "{one}", one=1)))
        assert await done(cursor.fetchone()) == (seen + "$1",)
