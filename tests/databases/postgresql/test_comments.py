"""SQL comments: the server sees the trace of a statement, and prepared statements stay prepared."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from opentelemetry import baggage, context
from opentelemetry.sdk.trace import sampling
from psycopg import sql

from databases.postgresql.kinds import Database, done, items, scenario, within
from support.recorder import Recorder
from tracing_agent.semconv.db_settings import DatabaseSettings

# What the server itself says that it is running.
SEEN = "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()"


@pytest.fixture
def commenting(recorder: Recorder) -> Recorder:
    """A recorder where comments are asked for."""
    recorder.engine.database = DatabaseSettings(comments=True)
    return recorder


def comment(recorder: Recorder) -> str:
    """The comment of the last span."""
    span = recorder.finished[-1]
    return f"/*traceparent='00-{span.trace.id:032x}-{span.span_id:016x}-01'*/"


async def seen(connection: Any, statement: Any = SEEN, *args: Any, **kwargs: Any) -> str:
    """The text of a statement as it came to the server."""
    text: str = (await done((await done(connection.execute(statement, *args, **kwargs))).fetchone()))[0]
    return text


@pytest.mark.parametrize(
    "statement",
    [SEEN, SEEN.encode(), sql.SQL(SEEN), sql.Composed([sql.SQL(SEEN)])],
    ids=["str", "bytes", "SQL", "Composed"],
)
@pytest.mark.parametrize("cursor", ["cursor", "client_cursor"])
@scenario
async def test_comment(database: Database, commenting: Recorder, statement: Any, cursor: str) -> None:
    """A statement ends in a comment that names its own span; the span's text is without it."""
    async with database.connected(commenting, cursor_factory=getattr(database, cursor)) as connection:
        text = await seen(connection, statement)
        assert text == f"{SEEN} {comment(commenting)}"
    assert commenting.spans()[0]["attributes"]["db.query.text"] == SEEN


@scenario
async def test_comment_beside_parameters(database: Database, commenting: Recorder) -> None:
    """Encoded characters in a comment are no placeholders."""
    commenting.engine.carrier.inject = lambda identity, set: set("own", "a=b")
    async with database.connected(commenting) as connection:
        assert await seen(connection, f"{SEEN} AND 1 = %s", (1,)) == f"{SEEN} AND 1 = $1 /*own='a%3Db'*/"
        composed = sql.SQL(SEEN) + sql.SQL(" AND 1 = {}").format(sql.Placeholder())
        assert await seen(connection, composed, [1]) == f"{SEEN} AND 1 = $1 /*own='a%3Db'*/"


@pytest.mark.parametrize("format", ["tracecontext", "jaeger", "ottrace"])
@scenario
async def test_baggage_stays(database: Database, format: str) -> None:
    """Baggage, in whatever format it travels, is not for the server's log."""
    recorder = Recorder(propagators=(format, "baggage"))
    recorder.engine.database = DatabaseSettings(comments=True)
    token = context.attach(baggage.set_baggage("user", "secret"))
    try:
        async with database.connected(recorder) as connection:
            text = await seen(connection)
    finally:
        context.detach(token)
        recorder.undo()
    assert "trace" in text
    assert "secret" not in text


@scenario
async def test_prepared_statements(database: Database, commenting: Recorder) -> None:
    """A statement carries a comment until psycopg may prepare it; then it is prepared, and carries none."""
    async with database.connected(commenting, prepare_threshold=2) as connection:
        texts = [await seen(connection) for _ in range(6)]
        prepared = await done(
            (await done(connection.execute("SELECT statement FROM pg_prepared_statements"))).fetchall()
        )
    assert [text == SEEN for text in texts] == [False, False, True, True, True, True]
    assert prepared == [(SEEN,)]


@pytest.mark.parametrize(
    ("threshold", "options", "commented"),
    [
        (None, {}, True),
        (0, {"prepare": False}, True),
        (0, {}, False),
        (5, {"prepare": True}, False),
    ],
)
@scenario
async def test_who_decides(
    database: Database, commenting: Recorder, threshold: int | None, options: dict[str, Any], commented: bool
) -> None:
    """What is never prepared always carries a comment, what is prepared at once never does."""
    async with database.connected(commenting, prepare_threshold=threshold) as connection:
        for _ in range(7):
            assert (await seen(connection, **options) != SEEN) is commented


@scenario
async def test_client_cursors_never_prepare(database: Database, commenting: Recorder) -> None:
    """What a client cursor runs always carries a comment."""
    async with database.connected(commenting, cursor_factory=database.client_cursor) as connection:
        assert SEEN not in [await seen(connection) for _ in range(7)]


@scenario
async def test_other_calls(database: Database, commenting: Recorder) -> None:
    """Streams, COPY and server-side cursors carry a comment, `executemany` does not."""
    async with database.connected(commenting) as connection:
        cursor = connection.cursor()
        streamed = [row async for row in items(cursor.stream(SEEN))]
        assert streamed == [(f"{SEEN} {comment(commenting)}",)]
        async with within(cursor.copy(f"COPY ({SEEN}) TO STDOUT")) as copy:
            copied = [bytes(block).decode().strip() async for block in items(copy)]
        assert copied == [f"COPY ({SEEN}) TO STDOUT {comment(commenting)}"]
        async with within(connection.transaction()), within(connection.cursor("c")) as server:
            await done(server.execute(SEEN))
            assert server._query.query.decode() == f'DECLARE "c" CURSOR FOR {SEEN} {comment(commenting)}'
        await done(cursor.executemany(f"{SEEN} AND 1 = %s", [(1,), (1,)], returning=True))
        assert await done(cursor.fetchone()) == (f"{SEEN} AND 1 = $1",)


@pytest.mark.parametrize(
    "statement", [f"{SEEN} -- mine", f"{SEEN} /* mine */", sql.SQL(f"{SEEN} /* mine */"), sql.SQL(f"{SEEN};")]
)
@scenario
async def test_left_alone(database: Database, commenting: Recorder, statement: Any) -> None:
    """A statement with a comment, and a composed one that ends in a semicolon, go out as they are."""
    async with database.connected(commenting) as connection:
        assert "traceparent" not in await seen(connection, statement)


@scenario
async def test_arguments_that_cannot_be_rewritten(database: Database, commenting: Recorder) -> None:
    """A statement given by keyword goes out as it is, and wrong arguments raise what they raise."""
    async with database.connected(commenting) as connection:
        cursor = connection.cursor()
        await done(cursor.execute(query=SEEN))
        assert await done(cursor.fetchone()) == (SEEN,)
        with pytest.raises(TypeError):
            await done(cursor.execute())
        with pytest.raises(Exception, match="int"):
            await done(cursor.execute(5))


@scenario
async def test_not_sampled(database: Database) -> None:
    """Below a span that is not sampled the comment says so."""
    recorder = Recorder(sampling.ParentBased(sampling.ALWAYS_OFF))
    recorder.engine.database = DatabaseSettings(comments=True)
    try:
        async with database.connected(recorder) as connection:
            with recorder.tracer.start_as_current_span("request") as around:
                text = await seen(connection)
            identity = around.get_span_context()
            assert text.endswith(f"/*traceparent='00-{identity.trace_id:032x}-{identity.span_id:016x}-00'*/")
    finally:
        recorder.undo()


@scenario
async def test_counts_are_bounded(database: Database, commenting: Recorder) -> None:
    """user-pain row 31: a program that makes ever new texts fills no memory."""
    async with database.connected(commenting) as connection:
        for number in range(600):
            await done(connection.execute(f"SELECT {number}"))
        assert len(connection.__dict__["_tracing_agent_comments"]) <= 256
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
