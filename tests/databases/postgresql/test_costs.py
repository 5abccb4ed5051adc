"""What a traced query does more than an untraced one, counted."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import psycopg
import pytest
from opentelemetry.sdk.trace import sampling

import tracing_agent
import tracing_instrumentations
from services import PostgreSQL
from support.recorder import Intake, Recorder

OURS = tuple(os.path.dirname(str(package.__file__)) for package in (tracing_agent, tracing_instrumentations))
QUERY = "SELECT %s::int"


def calls(unit: Callable[[], object]) -> list[str]:
    """The functions of ours that were called."""
    names = []

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            names.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        unit()
    finally:
        sys.setprofile(None)
    return names


@pytest.fixture
def connection(postgres: PostgreSQL) -> Any:
    """A connection that is not traced yet."""
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        yield connection


def test_a_query(recorder: Recorder, connection: Any) -> None:
    """A recorded query is a handful of calls, none of which asks the connection where it goes."""
    recorder.patch("psycopg")
    intake = Intake()
    recorder.engine.deliver(recorder.finished.append, intake)
    cursor = connection.cursor()
    cursor.execute(QUERY, (1,))
    with recorder.tracer.start_as_current_span("request"):
        names = calls(lambda: cursor.execute(QUERY, (1,)))
    own = {"generate_span_id", "__call__"}  # the recorder's counted ids and clock are no part of it
    assert [name for name in names if name not in own] == ["wrapper", "note", "holder"]
    assert [sketch[-1] for sketch in intake.queue] == [(QUERY, False, connection.info.dbname)] * 2


def test_a_query_that_is_not_recorded(connection: Any) -> None:
    """A query below a span that is not sampled costs a look at the context: nothing is bound, read or formatted."""
    recorder = Recorder(sampling.ParentBased(sampling.ALWAYS_OFF))
    recorder.patch("psycopg")
    try:
        cursor = connection.cursor()
        with recorder.tracer.start_as_current_span("request"):
            names = calls(lambda: cursor.execute(QUERY, (1,)))
    finally:
        recorder.undo()
    assert names == ["wrapper"]


def test_a_transaction(recorder: Recorder, connection: Any) -> None:
    """For the BEGIN before a statement no span is begun: it costs a look at the command."""
    recorder.patch("psycopg")
    cursor = connection.cursor()
    cursor.execute(QUERY, (1,))
    before = recorder.engine.started
    connection.autocommit = False
    with recorder.tracer.start_as_current_span("request"):
        names = calls(lambda: cursor.execute(QUERY, (1,)))
    connection.rollback()
    assert [name for name in names if name in ("begin", "aside", "opened", "start", "note")] == ["note", "aside"]
    # The request, the statement, and the ROLLBACK.
    assert recorder.engine.started == before + 3


def test_no_garbage(recorder: Recorder, connection: Any) -> None:
    """No query leaves a reference cycle behind, nor does a stream, a COPY, a batch or a pipeline."""
    recorder.patch("psycopg")
    cursor = connection.cursor()

    def unit() -> None:
        cursor.execute(QUERY, (1,)).fetchall()
        cursor.executemany(QUERY, iter([(1,), (2,)]))
        assert list(cursor.stream(QUERY, (1,))) == [(1,)]
        with cursor.copy("COPY (SELECT 1) TO STDOUT") as copy:
            assert len(list(copy)) == 1
        with pytest.raises(psycopg.Error):
            cursor.execute("SELECT FROM FROM")
        recorder.finished.clear()

    def garbage() -> int:
        unit()
        gc.collect()
        gc.disable()
        try:
            unit()
            return gc.collect()
        finally:
            gc.enable()

    traced = garbage()
    recorder.undo()
    assert traced <= garbage()


def test_a_stream_of_many_rows(recorder: Recorder, connection: Any) -> None:
    """The rows of a stream pass through without a call of ours for each."""
    recorder.patch("psycopg")
    cursor = connection.cursor()
    cursor.execute("SELECT generate_series(1, %s)", (0,))
    few, many = (
        calls(lambda: list(cursor.stream("SELECT generate_series(1, %s)", (rows,))))  # noqa: B023
        for rows in (1, 1000)
    )
    # Resuming a generator counts as a call of it, and of nothing else.
    assert [name for name in many if name != "wrapper"] == [name for name in few if name != "wrapper"]
