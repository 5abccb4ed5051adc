"""psycopg 3: a client span for each exchange with the server, sync and async alike.

Statements are cut at the public methods of the cursors. Commands that psycopg sends for others (COMMIT, SAVEPOINT,
FETCH, PREPARE TRANSACTION …) are cut where it sends them, so that each round trip is a span and nothing else is. The
BEGIN before a statement and the DEALLOCATE after it are part of that statement's span. A COPY or ``stream()`` lasts
until its block or iterator ends. Waiting for notifications is no operation, and no span. The SQLSTATE of warnings is
not recorded: it is in no result, and libpq hands it to the program's own notice handlers only. Pipelines:
`_psycopg_pipeline`; comments: `_psycopg_comment`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from tracing_agent.drivers import rewritten, sketched
from tracing_agent.drivers.call import call, coroutine
from tracing_agent.drivers.outcome import outcome
from tracing_agent.drivers.steps import async_block, async_generator, block, generator
from tracing_agent.operation import DATABASE, Operation
from tracing_agent.patching.targets import Target
from tracing_agent.semconv import db
from tracing_agent.semconv.db import PEER
from tracing_instrumentations import _postgresql
from tracing_instrumentations._dbapi import Interface, execute
from tracing_instrumentations._dbapi_many import executemany
from tracing_instrumentations._postgresql import failed
from tracing_instrumentations._psycopg_comment import Commenter
from tracing_instrumentations._psycopg_connect import connected, connecting, not_connected, peer_of, shared
from tracing_instrumentations._psycopg_pipeline import exited, joined, processed
from tracing_instrumentations._psycopg_text import Reader

if TYPE_CHECKING:
    from types import ModuleType

    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine

QUERY = Operation("psycopg", "postgresql", SpanKind.CLIENT, _postgresql.ATTRIBUTES, key=DATABASE)

# libpq's numbers of what a result is.
_TUPLES, _COPY_OUT = 2, 3


def describe(span: Any, cursor: Any, text: str, sanitise: bool, size: int | None) -> Any:
    """A statement is run; in a pipeline it joins a batch."""
    connection = cursor.connection
    pipeline = connection._pipeline
    if pipeline is not None:
        return joined(span, pipeline, peer_of(connection), text, sanitise, size, size or 0)
    db.query(span, peer_of(connection), text, sanitise)
    return None


def holder(cursor: Any) -> Any:
    """What holds the peer of a statement that is an exchange of its own."""
    connection = cursor.connection
    if connection._pipeline is not None:
        return None
    if getattr(connection, PEER, None) is None:
        peer_of(connection)
        return connection if hasattr(connection, PEER) else None
    return connection


def declare(span: Any, cursor: Any, text: str, sanitise: bool, size: int | None) -> None:
    """A server-side cursor is opened for a statement."""
    scroll = "" if cursor.scrollable is None else " SCROLL" if cursor.scrollable else " NO SCROLL"
    hold = " WITH HOLD" if cursor.withhold else ""
    name = cursor.name.replace('"', '""')
    text = f'DECLARE "{name}"{scroll} CURSOR{hold} FOR {text}'
    db.query(span, peer_of(cursor.connection), text, sanitise)


def rows(span: Any, cursor: Any) -> None:
    """A statement has its result, if it gives rows."""
    result = cursor.pgresult
    if result is not None and result.status == _TUPLES:
        db.returned_rows(span, result.ntuples)


def copied(span: Any, copy: Any) -> None:
    """A COPY has come to its end; rows that came out were returned."""
    cursor = copy.cursor
    if cursor.pgresult is not None and cursor.pgresult.status == _COPY_OUT and cursor.rowcount >= 0:
        db.returned_rows(span, cursor.rowcount)


def aside(connection: Any, statement: Any = b"", *more: Any, **options: Any) -> bool:
    """Whether a command of psycopg belongs to the statement before or after it. Those that do are bytes."""
    if type(statement) is not bytes:
        return False
    if statement.startswith(b"BEGIN"):
        return not connection._num_transactions and connection._tpc is None
    return statement.startswith(b"DEALLOCATE")


def command(span: Any, connection: Any, statement: Any, read: Reader) -> Any:
    """psycopg sends a command."""
    text, _ = read(statement)
    if connection._pipeline is not None:
        return joined(span, connection._pipeline, peer_of(connection), text, True, 1, 0)
    db.query(span, peer_of(connection), text, True)
    return None


def commands(read: Reader) -> Wrap:
    """The generator function that sends a command and gives its result."""

    def start(span: Any, connection: Any, statement: Any = "", *more: Any, **options: Any) -> Any:
        return command(span, connection, statement, read)

    def end(span: Any, result: Any) -> None:
        if result is not None and result.status == _TUPLES:
            db.returned_rows(span, result.ntuples)

    def wrap(original: Any, engine: Engine) -> Any:
        counted = end if db.settings_of(engine).returned_rows else None
        return generator(QUERY, start, counted, failed, aside=aside)(original, engine)

    return wrap


def targets(psycopg: ModuleType) -> dict[str, tuple[Target, ...]]:
    """Where psycopg is cut."""
    read = Reader(psycopg.sql, getattr(sys.modules.get("string.templatelib"), "Template", None))
    commenter = Commenter(psycopg, read)
    statement = Interface(QUERY, describe, failed, read, rows, commenter.until_prepared, holder=holder)
    apart = Interface(QUERY, describe, failed, read, None, commenter.always)
    copy = Interface(QUERY, describe, failed, read, copied, commenter.always)
    server = Interface(QUERY, declare, failed, read, None, commenter.always)
    connect = connecting(psycopg.conninfo.conninfo_to_dict)
    connection = shared(call(QUERY, connect, connected, not_connected))
    breaker = QUERY.breaker

    def target(path: str, wrap: Wrap) -> Target:
        return Target("psycopg", path, wrap)

    return {
        "psycopg": (
            target("Connection.connect", connection),
            target("connect", connection),
            target("AsyncConnection.connect", coroutine(QUERY, connect, connected, not_connected)),
            target("BaseConnection._exec_command", commands(read)),
            target("Cursor.execute", execute(statement, call, rewritten.call, sketched.call)),
            target("AsyncCursor.execute", execute(statement, coroutine, rewritten.coroutine, sketched.coroutine)),
            target("ServerCursor.execute", execute(server, call, rewritten.call)),
            target("AsyncServerCursor.execute", execute(server, coroutine, rewritten.coroutine)),
            target("Cursor.executemany", executemany(statement, rewritten.call)),
            target("AsyncCursor.executemany", executemany(statement, rewritten.coroutine)),
            target("Cursor.stream", execute(apart, generator, generator)),
            target("AsyncCursor.stream", execute(apart, async_generator, async_generator)),
            target("Cursor.copy", execute(copy, block, block)),
            target("AsyncCursor.copy", execute(copy, async_block, async_block)),
            target("Pipeline._process_results", outcome(breaker, processed)),
            target("AsyncPipeline._process_results", outcome(breaker, processed)),
            target("Pipeline._exit", outcome(breaker, exited)),
            target("AsyncPipeline._exit", outcome(breaker, exited)),
        )
    }
