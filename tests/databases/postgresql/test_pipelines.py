"""Pipeline mode: statements belong to the batch that they are sent in, and have no duration of their own."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from opentelemetry import context
from opentelemetry.sdk.trace import SpanProcessor, sampling

from databases.postgresql.kinds import Database, done, roots, scenario, within
from support.recorder import Recorder

INSERT = "INSERT INTO t VALUES (%s)"


def batch(database: Database, name: str, text: str, size: int) -> dict[str, Any]:
    """The whole span of a batch."""
    return database.span(name, text, db__operation__batch__size=size)


@pytest.mark.parametrize("autocommit", [False, True])
@scenario
async def test_block(database: Database, recorder: Recorder, autocommit: bool) -> None:
    """user-pain row 17: a pipeline's block is one span, which ends when all answers are there."""
    async with database.connected(recorder, autocommit=autocommit) as connection:
        async with within(connection.pipeline()):
            first = await done(connection.execute("SELECT %s::int", (1,)))
            second = await done(connection.execute("SELECT 'secret'"))
            assert recorder.spans() == []
        assert (await done(first.fetchone()), await done(second.fetchone())) == ((1,), ("secret",))
    assert roots(recorder) == [batch(database, "BATCH SELECT", "SELECT %s::int; SELECT ?", 2)]


@scenario
async def test_parts_of_a_block(database: Database, recorder: Recorder) -> None:
    """A synchronisation or a fetch that has to wait for answers ends a batch, and the next statement begins another."""
    async with database.connected(recorder) as connection:
        async with within(connection.pipeline()) as pipeline:
            await done(connection.execute("SELECT 1"))
            await done(connection.execute("SELECT 2"))
            cursor = await done(connection.execute("SELECT 3"))
            assert await done(cursor.fetchone()) == (3,)
            fetched = roots(recorder)
            await done(connection.execute("CREATE TEMP TABLE t (a int)"))
            await done(connection.execute(INSERT, (1,)))
            await done(pipeline.sync())
            synchronised = roots(recorder)
            await done(pipeline.sync())
            assert recorder.spans() == []
            await done(connection.execute("SELECT 4"))
        left = roots(recorder)
    assert fetched == [batch(database, "BATCH SELECT", "SELECT ?", 3)]
    assert synchronised == [batch(database, "BATCH", f"CREATE TEMP TABLE t (a int); {INSERT}", 2)]
    assert left == [database.span("SELECT", "SELECT ?")]


@pytest.mark.parametrize("of", [list, iter], ids=["sized", "iterator"])
@scenario
async def test_executemany_in_a_pipeline(database: Database, recorder: Recorder, of: Any) -> None:
    """The parameter sets of `executemany` count in the batch around it."""
    async with database.connected(recorder) as connection:
        await done(connection.execute("CREATE TEMP TABLE t (a int)"))
        recorder.spans()
        async with within(connection.pipeline()):
            await done(connection.execute(INSERT, (0,)))
            await done(connection.cursor().executemany(INSERT, of([(1,), (2,), (3,)])))
    assert roots(recorder) == [batch(database, "BATCH INSERT t", INSERT, 4)]


@scenario
async def test_transaction_in_a_pipeline(database: Database, recorder: Recorder) -> None:
    """The commands of a transaction join the batch that they are sent in."""
    async with database.connected(recorder) as connection:
        async with within(connection.pipeline()), within(connection.transaction()):
            await done(connection.execute("SELECT 1"))
            await done(connection.execute("SELECT 2"))
        spans = roots(recorder)
        assert sum(span["attributes"].get("db.operation.batch.size", 1) for span in spans) == 4
        assert "; ".join(span["attributes"]["db.query.text"] for span in spans) == "BEGIN; SELECT ?; COMMIT"


@scenario
async def test_commit_in_a_pipeline(database: Database, recorder: Recorder) -> None:
    """A commit ends the batch and is in it, or is alone."""
    async with (
        database.connected(recorder, autocommit=False) as connection,
        within(connection.pipeline()) as pipeline,
    ):
        await done(connection.execute("SELECT 1"))
        await done(connection.commit())
        together = roots(recorder)
        await done(connection.execute("SELECT 2"))
        await done(pipeline.sync())
        recorder.spans()
        await done(connection.commit())
        alone = roots(recorder)
    assert together == [batch(database, "BATCH", "SELECT ?; COMMIT", 2)]
    assert alone == [database.span("COMMIT", "COMMIT")]


@scenario
async def test_error_in_a_pipeline(database: Database, recorder: Recorder) -> None:
    """The first error that the server sends is the batch's; what it skips afterwards is none of its own."""
    async with database.connected(recorder) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            async with within(connection.pipeline()) as pipeline:
                await done(connection.execute("SELECT 1"))
                await done(connection.execute("SELECT 1 / 0"))
                await done(pipeline.sync())
        await done(connection.execute("SELECT 2"))
    failed, after = roots(recorder)
    text = "SELECT ?; SELECT ? / ?"
    assert failed == database.failed("BATCH SELECT", text, "22012", "division by zero", db__operation__batch__size=2)
    assert after == database.span("SELECT", "SELECT ?")


@scenario
async def test_what_an_error_skips(database: Database, recorder: Recorder) -> None:
    """Statements that the server skips after an error do not take the error's place."""
    async with database.connected(recorder) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            async with within(connection.pipeline()):
                await done(connection.execute("SELECT 1 / 0"))
                for _ in range(5):
                    await done(connection.execute("SELECT 1"))
    assert roots(recorder)[0]["status"] == ("ERROR", "division by zero")


@scenario
async def test_error_of_the_program(database: Database, recorder: Recorder) -> None:
    """A block that is left by an exception ends its batch; what had been answered by then is no error."""
    async with database.connected(recorder) as connection:
        with pytest.raises(LookupError):
            async with within(connection.pipeline()):
                await done(connection.execute("SELECT 1"))
                raise LookupError
        with pytest.raises(psycopg.ProgrammingError):
            async with within(connection.pipeline()):
                await done(connection.execute("SELECT %s, %s", (1,)))
    answered, unsent = roots(recorder)
    assert answered == database.span("SELECT", "SELECT ?")
    assert unsent["attributes"]["error.type"] == "psycopg.ProgrammingError"


@scenario
async def test_lost_connection_in_a_pipeline(database: Database, recorder: Recorder) -> None:
    """A batch whose answers never come ends when its block does."""
    async with database.connected(recorder) as connection:
        with pytest.raises(psycopg.OperationalError):
            async with within(connection.pipeline()) as pipeline:
                await done(connection.execute("SELECT pg_terminate_backend(pg_backend_pid())"))
                await done(connection.execute("SELECT 1"))
                await done(pipeline.sync())
    (span,) = roots(recorder)
    assert span["status"][0] == "ERROR"
    # The server may be gone before the second statement is, which then was never part of the batch.
    assert span["attributes"].get("db.operation.batch.size", 2) == 2


@scenario
async def test_pipeline_below_a_span(database: Database, recorder: Recorder) -> None:
    """A batch is the child of the span around its first statement."""
    async with database.connected(recorder) as connection, within(connection.pipeline()):
        with recorder.tracer.start_as_current_span("first"):
            await done(connection.execute("SELECT 1"))
        with recorder.tracer.start_as_current_span("second"):
            await done(connection.execute("SELECT 2"))
        recorder.tracer.start_span("outside").end()
    first, _, _, spans = recorder.spans()
    assert (spans["name"], spans["parent"], spans["trace"]) == ("BATCH SELECT", first["id"], first["trace"])


@scenario
async def test_pipeline_before_processors(database: Database, recorder: Recorder) -> None:
    """Span processors see a batch begin and end, with what its first statement says."""
    seen = []

    class Processor(SpanProcessor):
        def on_start(self, span: Any, parent_context: context.Context | None = None) -> None:
            seen.append(("begin", span.name))

        def on_end(self, span: Any) -> None:
            seen.append(("end", span.name))

    recorder.provider.add_span_processor(Processor())
    async with database.connected(recorder) as connection, within(connection.pipeline()):
        await done(connection.execute("SELECT 1"))
        await done(connection.execute("SELECT 2"))
    assert seen == [("begin", "SELECT"), ("end", "BATCH SELECT")]


@scenario
async def test_pipeline_that_is_not_sampled(database: Database) -> None:
    """A custom sampler may leave a batch out."""

    class Never(sampling.Sampler):
        def should_sample(self, *args: Any, **kwargs: Any) -> sampling.SamplingResult:
            return sampling.SamplingResult(sampling.Decision.DROP)

        def get_description(self) -> str:
            return "never"

    recorder = Recorder(Never())
    try:
        async with database.connected(recorder) as connection, within(connection.pipeline()):
            cursor = await done(connection.execute("SELECT 1"))
            assert await done(cursor.fetchone()) == (1,)
    finally:
        recorder.undo()
    assert recorder.spans() == []
