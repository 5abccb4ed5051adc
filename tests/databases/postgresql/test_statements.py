"""Statements by `execute` and `executemany`: one span each, with text, summary, peer and outcome."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import sampling
from psycopg import sql

from databases.postgresql.kinds import Database, done, roots, scenario
from support.recorder import Recorder
from tracing_agent.operation import DATABASE, Operation
from tracing_agent.semconv.db_settings import DatabaseSettings

INSERT = "INSERT INTO t VALUES (%s, %s)"


class Text(str):
    """A str of the program's own."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("statement", "text", "summary"),
    [
        ("SELECT a FROM t WHERE a = %s", "SELECT a FROM t WHERE a = %s", "SELECT t"),
        (Text("SELECT a FROM t WHERE a = %s"), "SELECT a FROM t WHERE a = %s", "SELECT t"),
        (b"SELECT a FROM t WHERE a = %s", "SELECT a FROM t WHERE a = %s", "SELECT t"),
        (sql.SQL("SELECT a FROM t WHERE a = %s"), "SELECT a FROM t WHERE a = %s", "SELECT t"),
        (
            sql.SQL("SELECT {} FROM {} WHERE {} = {} AND b <> {}").format(
                sql.Identifier("a"),
                sql.Identifier("pg_temp", "t"),
                sql.SQL("t.") + sql.Identifier("a"),
                sql.Placeholder(),
                sql.Literal("secret"),
            ),
            'SELECT "a" FROM "pg_temp"."t" WHERE t."a" = %s AND b <> ?',
            'SELECT "pg_temp"."t"',
        ),
        ("SELECT a FROM t WHERE a = %s AND b <> 'kept'", "SELECT a FROM t WHERE a = %s AND b <> 'kept'", "SELECT t"),
    ],
    ids=["str", "subclass", "bytes", "SQL", "Composed", "literal beside a parameter"],
)
@scenario
async def test_text_with_parameters_is_kept(
    database: Database, recorder: Recorder, statement: Any, text: str, summary: str
) -> None:
    """A statement with parameters is recorded as it was given, whatever it is made of, without the parameters."""
    async with database.connected(recorder) as connection:
        await done(connection.execute("CREATE TEMP TABLE t (a text, b text)"))
        recorder.spans()
        cursor = connection.cursor()
        assert await done(cursor.execute(statement, ("secret",))) is cursor
        assert await done(cursor.fetchall()) == []
    assert roots(recorder) == [database.span(summary, text)]


@pytest.mark.parametrize("parameters", [{}, {"params": None}, {"params": ()}, {"params": {}}])
@scenario
async def test_literals_are_masked(database: Database, recorder: Recorder, parameters: dict[str, Any]) -> None:
    """user-pain row 14: literals in a statement without parameters leave as ``?``."""
    async with database.connected(recorder) as connection:
        found = await done(connection.execute("SELECT 'a' FROM pg_class WHERE oid = 1818", **parameters))
        assert await done(found.fetchall()) == []
    assert roots(recorder) == [database.span("SELECT pg_class", "SELECT ? FROM pg_class WHERE oid = ?")]


@scenario
async def test_masking_can_be_turned_off(database: Database, recorder: Recorder) -> None:
    """Without sanitising, text is recorded as it was given."""
    recorder.engine.database = DatabaseSettings(sanitise=False)
    async with database.connected(recorder) as connection:
        await done(connection.execute("SELECT 'a'"))
    assert roots(recorder) == [database.span("SELECT", "SELECT 'a'")]


@scenario
async def test_arguments_by_keyword(database: Database, recorder: Recorder) -> None:
    """Statement and parameters are found under their names as well."""
    async with database.connected(recorder) as connection:
        cursor = connection.cursor()
        await done(cursor.execute(query="SELECT %s", params=[1], binary=True))
        await done(cursor.executemany(query="SELECT %s", params_seq=[[1], [2]]))
    assert roots(recorder) == [
        database.span("SELECT", "SELECT %s"),
        database.span("BATCH SELECT", "SELECT %s", db__operation__batch__size=2),
    ]


@scenario
async def test_several_statements_in_one_text(database: Database, recorder: Recorder) -> None:
    """A text of several statements is one span, and no batch."""
    async with database.connected(recorder) as connection:
        cursor = await done(connection.execute("SELECT 1; SELECT 2 AS b"))
        assert (await done(cursor.fetchone()), cursor.nextset(), await done(cursor.fetchone())) == ((1,), True, (2,))
    assert roots(recorder) == [database.span("SELECT SELECT", "SELECT ?; SELECT ? AS b")]


@scenario
async def test_text_that_is_no_statement(database: Database, recorder: Recorder) -> None:
    """A text without a known command is named after the database."""
    async with database.connected(recorder) as connection:
        await done(connection.execute(" "))
    span = database.span(database.server.dbname, " ")
    del span["attributes"]["db.query.summary"]
    assert roots(recorder) == [span]


@scenario
async def test_server_error(database: Database, recorder: Recorder) -> None:
    """A refused statement has its SQLSTATE and the message without the detail, which quotes values; and no event."""
    async with database.connected(recorder) as connection:
        await done(connection.execute("CREATE TEMP TABLE t (a text PRIMARY KEY, b text)"))
        await done(connection.execute(INSERT, ("secret", 1)))
        recorder.spans()
        with pytest.raises(psycopg.errors.UniqueViolation) as caught:
            await done(connection.execute(INSERT, ("secret", 2)))
        assert "secret" in str(caught.value)
        assert caught.value.diag.constraint_name == "t_pkey"
    message = 'duplicate key value violates unique constraint "t_pkey"'
    assert roots(recorder) == [database.failed("INSERT t", INSERT, "23505", message)]


@scenario
async def test_error_before_the_server(database: Database, recorder: Recorder) -> None:
    """What psycopg refuses by itself has the exception's type."""
    async with database.connected(recorder) as connection:
        with pytest.raises(psycopg.ProgrammingError):
            await done(connection.execute("SELECT %s, %s", (1,)))
    message = "the query has 2 placeholders but 1 parameters were passed"
    span = database.span("SELECT", "SELECT %s, %s", ("ERROR", message), error__type="psycopg.ProgrammingError")
    assert roots(recorder) == [span]


@scenario
async def test_message_of_several_lines(database: Database, recorder: Recorder) -> None:
    """Of a message without a server's own parts the first line is the description."""

    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    class Parameters(dict[str, Any]):
        def __init__(self, error: Exception) -> None:
            super().__init__(a=1)
            self.error = error

        def __getitem__(self, key: str) -> Any:
            raise self.error

    async with database.connected(recorder) as connection:
        for error in (LookupError("first\nsecond"), Unprintable()):
            with pytest.raises(type(error)):
                await done(connection.execute("SELECT %(a)s", Parameters(error)))
    assert [span["status"] for span in roots(recorder)] == [("ERROR", "first"), "ERROR"]


@pytest.mark.parametrize("arguments", [(), (None,), (1,), ("SELECT %s", 5), ("SELECT 1", None, 1, 2, 3)])
@scenario
async def test_wrong_arguments(database: Database, recorder: Recorder, arguments: tuple[Any, ...]) -> None:
    """A call that psycopg refuses raises what it raises untraced, and is no fault of ours."""
    async with database.connected(recorder) as connection:
        raised = []
        for _ in range(2):
            with pytest.raises(Exception) as caught:
                await done(connection.cursor().execute(*arguments))
            raised.append((type(caught.value), str(caught.value)))
            recorder.undo()
    assert raised[0] == raised[1]


@scenario
async def test_lost_connection(database: Database, recorder: Recorder) -> None:
    """A connection that the server ends has the SQLSTATE that it gave; a closed one the exception's type."""
    async with database.connected(recorder) as connection:
        cursor = connection.cursor()
        text = "SELECT pg_terminate_backend(pg_backend_pid())"
        with pytest.raises(psycopg.OperationalError) as first:
            await done(cursor.execute(text))
        with pytest.raises(psycopg.OperationalError) as second:
            await done(cursor.execute("SELECT 1"))
    ended, closed = roots(recorder)
    message = first.value.diag.message_primary or str(first.value).partition("\n")[0]
    assert "terminating connection due to administrator command" in message
    # Until 3.2 psycopg did not tell the SQLSTATE of a connection's end.
    outcome = {"db.response.status_code": "57P01", "error.type": "57P01"}
    if first.value.sqlstate is None:
        outcome = {"error.type": "psycopg.OperationalError"}
    expected = database.span("SELECT", text, ("ERROR", message))
    assert ended == {**expected, "attributes": {**expected["attributes"], **outcome}}
    status = ("ERROR", str(second.value))
    assert closed == database.span("SELECT", "SELECT ?", status, error__type="psycopg.OperationalError")


@pytest.mark.parametrize("known", [False, True])
@scenario
async def test_connection_that_was_closed(database: Database, recorder: Recorder, known: bool) -> None:
    """A cursor of a closed connection knows its peer if it was ever asked for while the connection was open."""
    async with database.connected(recorder) as connection:
        cursor = connection.cursor()
        if known:
            await done(cursor.execute("SELECT 1"))
            recorder.spans()
        await done(connection.close())
        with pytest.raises(psycopg.OperationalError):
            await done(cursor.execute("SELECT 1"))
    (span,) = roots(recorder)
    assert ("server.address" in span["attributes"]) is known


@pytest.mark.parametrize(
    ("sets", "name", "size"),
    [
        ([(1, "a"), (2, "b"), (3, "c")], "BATCH INSERT t", 3),
        ([(1, "a")], "INSERT t", None),
        ([], "BATCH INSERT t", 0),
    ],
)
@pytest.mark.parametrize("of", [list, iter], ids=["sized", "iterator"])
@scenario
async def test_executemany(
    database: Database, recorder: Recorder, sets: list[Any], name: str, size: int | None, of: Any
) -> None:
    """Each parameter set counts as an operation of a batch, also where they come from an iterator; one is no batch."""
    async with database.connected(recorder) as connection:
        await done(connection.execute("CREATE TEMP TABLE t (a int, b text)"))
        recorder.spans()
        cursor = connection.cursor()
        await done(cursor.executemany(INSERT, of(sets)))
        (span,) = roots(recorder)
        assert cursor.rowcount == len(sets)
    others = {} if size is None else {"db__operation__batch__size": size}
    assert span == database.span(name, INSERT, **others)


@pytest.mark.parametrize("of", [list, iter], ids=["sized", "iterator"])
@scenario
async def test_executemany_returning(database: Database, recorder: Recorder, of: Any) -> None:
    """The results of a batch come as they do untraced."""
    async with database.connected(recorder) as connection:
        cursor = connection.cursor()
        await done(cursor.executemany("SELECT %s::int", of([(1,), (2,)]), returning=True))
        rows = [await done(cursor.fetchone())]
        assert cursor.nextset()
        rows.append(await done(cursor.fetchone()))
    assert rows == [(1,), (2,)]
    assert roots(recorder) == [database.span("BATCH SELECT", "SELECT %s::int", db__operation__batch__size=2)]


@scenario
async def test_executemany_fails(database: Database, recorder: Recorder) -> None:
    """A batch that the server refuses has the SQLSTATE; an iterator that raises, what it raised."""

    def broken() -> Any:
        yield (1,)
        yield (2,)
        raise LookupError("no more")

    async with database.connected(recorder) as connection:
        cursor = connection.cursor()
        with pytest.raises(psycopg.errors.DivisionByZero):
            await done(cursor.executemany("SELECT 1 / %s::int", [(1,), (0,)]))
        with pytest.raises(LookupError):
            await done(cursor.executemany("SELECT %s::int", broken()))
        with pytest.raises(TypeError):
            await done(cursor.executemany("SELECT %s::int", 5))
    divided, looked, nothing = roots(recorder)
    size = {"db__operation__batch__size": 2}
    assert divided == database.failed("BATCH SELECT", "SELECT 1 / %s::int", "22012", "division by zero", **size)
    assert looked == database.span(
        "BATCH SELECT", "SELECT %s::int", ("ERROR", "no more"), error__type="LookupError", **size
    )
    assert nothing["attributes"]["error.type"] == "TypeError"


@scenario
async def test_returned_rows(database: Database, recorder: Recorder) -> None:
    """Where it was asked for, a statement that gives rows says how many; one that gives none does not."""
    recorder.engine.database = DatabaseSettings(returned_rows=True)
    async with database.connected(recorder) as connection:
        await done(connection.execute("SELECT generate_series(1, %s)", (7,)))
        await done(connection.execute("CREATE TEMP TABLE t (a int, b text)"))
        await done(connection.execute(INSERT, (1, "a")))
    assert [span["attributes"].get("db.response.returned_rows") for span in roots(recorder)] == [7, None, None]


@scenario
async def test_below_a_span(database: Database, recorder: Recorder) -> None:
    """Statements are children of the span around them, and never its place: nothing that runs meanwhile sees them."""
    seen = []

    class Dumper(psycopg.types.string.StrDumper):
        def dump(self, obj: Any) -> Any:
            seen.append(trace.get_current_span())
            return super().dump(obj)

    async with database.connected(recorder) as connection:
        connection.adapters.register_dumper(str, Dumper)
        with recorder.tracer.start_as_current_span("request") as around:
            await done(connection.execute("SELECT %s", ("a",)))
            await done(connection.execute("SELECT %s", ("a",)))
    assert seen
    assert all(span is around for span in seen)
    assert [(span["name"], span["trace"], span["parent"]) for span in recorder.spans()] == [
        ("SELECT", 1, 1),
        ("SELECT", 1, 1),
        ("request", 1, None),
    ]


@scenario
async def test_nothing_below_another_database_call(database: Database, recorder: Recorder) -> None:
    """Below a span of a layer above, such as an ORM's, statements are silent."""
    layer = Operation("layer", "layer", key=DATABASE).origin(recorder.engine)
    async with database.connected(recorder) as connection:
        span = recorder.engine.start(layer, "layer", None, None, None, None)
        token = context.attach(trace.set_span_in_context(span))
        try:
            await done(connection.execute("SELECT 1"))
        finally:
            context.detach(token)
    assert recorder.spans() == []


@scenario
async def test_not_sampled(database: Database) -> None:
    """Where nothing is recorded, everything works."""
    recorder = Recorder(sampling.ALWAYS_OFF)
    try:
        async with database.connected(recorder) as connection:
            cursor = await done(connection.execute("SELECT %s", (1,)))
            assert await done(cursor.fetchone()) == (1,)
            await done(cursor.executemany("SELECT %s", iter([(1,), (2,)])))
    finally:
        recorder.undo()
    assert recorder.spans() == []


@scenario
async def test_sampler_of_the_program(database: Database) -> None:
    """A custom sampler is asked with the name and all attributes that the span has by then."""
    asked = []

    class Sampler(sampling.Sampler):
        def should_sample(self, parent_context: Any, trace_id: int, name: str, *args: Any, **kwargs: Any) -> Any:
            asked.append((name, dict(args[1])))
            return sampling.SamplingResult(sampling.Decision.RECORD_AND_SAMPLE, {"own": "yes"})

        def get_description(self) -> str:
            return "own"

    recorder = Recorder(Sampler())
    try:
        async with database.connected(recorder) as connection:
            await done(connection.execute("SELECT %s", (1,)))
            await done(connection.cursor().executemany("SELECT %s", [(1,), (2,)]))
    finally:
        recorder.undo()
    one, many = database.span("SELECT", "SELECT %s"), database.span("BATCH SELECT", "SELECT %s")
    many["attributes"]["db.operation.batch.size"] = 2
    assert asked == [(span["name"], span["attributes"]) for span in (one, many)]
    spans = roots(recorder)
    assert [span["attributes"].pop("own") for span in spans] == ["yes"] * 2
    assert spans == [one, many]


@scenario
async def test_without_a_parent(database: Database, recorder: Recorder) -> None:
    """Where the owner wants no client spans without a parent, only those with one are recorded."""
    recorder.engine.root_clients = False
    async with database.connected(recorder) as connection:
        await done(connection.execute("SELECT 1"))
        with recorder.tracer.start_as_current_span("request"):
            await done(connection.execute("SELECT 2"))
    assert [span["name"] for span in recorder.spans()] == ["SELECT", "request"]


@pytest.mark.parametrize("database", ["async"], indirect=True)
@scenario
async def test_cancelled_task(database: Database, recorder: Recorder) -> None:
    """A task that is cancelled while a statement runs is no error of the statement."""
    async with database.connected(recorder) as connection:
        task = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
        async with await psycopg.AsyncConnection.connect(database.server.dsn, autocommit=True) as watcher:
            query = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
            while not (await (await watcher.execute(query, (connection.info.backend_pid,))).fetchone())[0]:
                await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    spans = [span for span in roots(recorder) if "pg_sleep" in span["name"] or "pg_sleep" in str(span["attributes"])]
    assert spans == [database.span("SELECT", "SELECT pg_sleep(?)")]
