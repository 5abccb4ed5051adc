"""Transactions: what goes to the server is a span, what does not is none."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from databases.postgresql.kinds import Database, done, roots, scenario, within
from support.recorder import Recorder


def commands(database: Database, *names: str) -> list[dict[str, Any]]:
    """Spans of commands that are named as their text begins."""
    return [database.span(name.partition(' "')[0], name) for name in names]


@scenario
async def test_commit_and_rollback(database: Database, recorder: Recorder) -> None:
    """COMMIT and ROLLBACK are spans where they are round trips; the BEGIN before a statement is in its span."""
    async with database.connected(recorder, autocommit=False) as connection:
        await done(connection.commit())
        await done(connection.rollback())
        assert recorder.spans() == []
        await done(connection.execute("SELECT 1"))
        await done(connection.execute("SELECT 1"))
        await done(connection.commit())
        await done(connection.commit())
        await done(connection.execute("SELECT 1"))
        await done(connection.rollback())
    select = database.span("SELECT", "SELECT ?")
    commit, rollback = commands(database, "COMMIT", "ROLLBACK")
    assert roots(recorder) == [select, select, commit, select, rollback]


@pytest.mark.parametrize("fails", [False, True])
@scenario
async def test_connection_block(database: Database, recorder: Recorder, fails: bool) -> None:
    """A connection's own block commits, or rolls back, once."""
    connection = await done(database.connection.connect(database.server.dsn))
    recorder.patch("psycopg")
    try:
        async with within(connection):
            await done(connection.execute("SELECT 1"))
            if fails:
                raise LookupError
    except LookupError:
        pass
    assert connection.closed
    assert roots(recorder)[1:] == commands(database, "ROLLBACK" if fails else "COMMIT")


@pytest.mark.parametrize("autocommit", [False, True])
@scenario
async def test_transaction_blocks(database: Database, recorder: Recorder, autocommit: bool) -> None:
    """A transaction and the savepoints in it are the commands that they send."""
    async with (
        database.connected(recorder, autocommit=autocommit) as connection,
        within(connection.transaction()) as outer,
    ):
        assert type(outer) is (psycopg.AsyncTransaction if database.asynchronous else psycopg.Transaction)
        async with within(connection.transaction("kept")):
            pass
        with pytest.raises(LookupError):
            async with within(connection.transaction("undone")):
                raise LookupError
    assert roots(recorder) == commands(
        database,
        "BEGIN",
        'SAVEPOINT "kept"',
        'RELEASE "kept"',
        'SAVEPOINT "undone"',
        'ROLLBACK TO "undone"',
        'RELEASE "undone"',
        "COMMIT",
    )


@scenario
async def test_refused_commit(database: Database, recorder: Recorder) -> None:
    """A COMMIT that fails has its SQLSTATE."""
    async with database.connected(recorder, autocommit=False) as connection:
        await done(connection.execute("CREATE TEMP TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
        await done(connection.execute("INSERT INTO t VALUES (1), (1)"))
        recorder.spans()
        with pytest.raises(psycopg.errors.UniqueViolation):
            await done(connection.commit())
    message = 'duplicate key value violates unique constraint "t_a_key"'
    assert roots(recorder) == [database.failed("COMMIT", "COMMIT", "23505", message)]


@scenario
async def test_misuse(database: Database, recorder: Recorder) -> None:
    """A commit that psycopg refuses is no round trip, and no span."""
    async with database.connected(recorder, autocommit=False) as connection, within(connection.transaction()):
        recorder.spans()
        with pytest.raises(psycopg.ProgrammingError):
            await done(connection.commit())
        assert recorder.spans() == []


@scenario
async def test_two_phase_commit(database: Database, recorder: Recorder) -> None:
    """Both phases are spans; the transaction's id is masked, as it is another each time."""
    async with database.connected(recorder, autocommit=False) as connection:
        for finish in ("commit", "rollback"):
            await done(connection.tpc_begin(f"tracing-{finish}"))
            await done(connection.execute("SELECT 1"))
            await done(connection.tpc_prepare())
            await done(getattr(connection, f"tpc_{finish}")())
    # Until 3.2 psycopg wrote a part of it in lower case.
    assert [(span["name"].upper(), span["attributes"]["db.query.text"].upper()) for span in roots(recorder)] == [
        ("BEGIN", "BEGIN"),
        ("SELECT", "SELECT ?"),
        ("PREPARE TRANSACTION", "PREPARE TRANSACTION ?"),
        ("COMMIT PREPARED", "COMMIT PREPARED ?"),
        ("BEGIN", "BEGIN"),
        ("SELECT", "SELECT ?"),
        ("PREPARE TRANSACTION", "PREPARE TRANSACTION ?"),
        ("ROLLBACK PREPARED", "ROLLBACK PREPARED ?"),
    ]


@scenario
async def test_prepared_statements_are_no_spans(database: Database, recorder: Recorder) -> None:
    """Preparing a statement and dropping one again are part of the statement's span."""
    async with database.connected(recorder, prepare_threshold=0) as connection:
        connection.prepared_max = 1
        for number in range(3):
            await done(connection.execute(f"SELECT %s::int AS a{number}", (1,)))
    assert [span["name"] for span in roots(recorder)] == ["SELECT"] * 3


@scenario
async def test_forgetting_prepared_statements_is_no_span(database: Database, recorder: Recorder) -> None:
    """After a ROLLBACK psycopg drops what it has prepared: that is no command of the program."""
    async with database.connected(recorder, autocommit=False, prepare_threshold=0) as connection:
        await done(connection.execute("SELECT %s::int", (1,)))
        await done(connection.rollback())
    assert [span["name"] for span in roots(recorder)] == ["SELECT", "ROLLBACK"]
