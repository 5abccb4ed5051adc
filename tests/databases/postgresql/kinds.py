"""psycopg's two kinds as one: the suite awaits, iterates and enters whatever it is given.

A test is a coroutine function under `scenario`; what it calls is sync or async as the `database` fixture says, and
`done`, `items` and `within` take both.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import psycopg_pool
from psycopg.conninfo import conninfo_to_dict

from services import PostgreSQL
from support.recorder import Recorder

#: Of psycopg, as far as behaviour differs.
VERSION = tuple(map(int, psycopg.__version__.split(".")[:3]))
SCOPE = "tracing_instrumentations.psycopg"


def scenario(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is written as a coroutine function."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def done(outcome: Any) -> Any:
    """The result of a call of either kind."""
    return await outcome if inspect.isawaitable(outcome) else outcome


async def items(source: Any) -> AsyncIterator[Any]:
    """The items of an iterable of either kind."""
    if hasattr(source, "__aiter__"):
        async for item in source:
            yield item
    else:
        for item in source:
            yield item


@asynccontextmanager
async def within(manager: Any) -> AsyncIterator[Any]:
    """The target of a context manager of either kind."""
    if hasattr(manager, "__aenter__"):
        async with manager as target:
            yield target
    else:
        with manager as target:
            yield target


class Database:
    """A server, the classes of one kind with which the suite talks to it, and what their spans have in common."""

    def __init__(self, asynchronous: bool, server: PostgreSQL) -> None:
        prefix = "Async" if asynchronous else ""
        self.asynchronous = asynchronous
        self.server = server
        self.connection: Any = getattr(psycopg, f"{prefix}Connection")
        self.cursor: Any = getattr(psycopg, f"{prefix}Cursor")
        self.client_cursor: Any = getattr(psycopg, f"{prefix}ClientCursor")
        self.server_cursor: Any = getattr(psycopg, f"{prefix}ServerCursor")
        self.raw_cursor: Any = getattr(psycopg, f"{prefix}RawCursor", None)
        self.pool: Any = getattr(psycopg_pool, f"{prefix}ConnectionPool")
        self.null_pool: Any = getattr(psycopg_pool, f"{prefix}NullConnectionPool")
        self.peer: dict[str, Any] = {
            "db.system.name": "postgresql",
            "db.namespace": server.dbname,
            "server.address": server.host,
        }
        if server.port != 5432:
            self.peer["server.port"] = server.port

    @asynccontextmanager
    async def connected(self, recorder: Recorder, autocommit: bool = True, **options: Any) -> AsyncIterator[Any]:
        """A connection whose making is not recorded, but what is done on it."""
        connection = await done(self.connection.connect(self.server.dsn, autocommit=autocommit, **options))
        try:
            recorder.patch("psycopg")
            yield connection
        finally:
            await done(connection.close())

    def dsn(self, **changed: Any) -> str:
        """The server's connection string with some keywords changed."""
        return psycopg.conninfo.make_conninfo(**{**conninfo_to_dict(self.server.dsn), **changed})

    def span(self, name: str, text: str | None = None, status: Any = "UNSET", **others: Any) -> dict[str, Any]:
        """A whole root span without its ids; where ``text`` is given ``name`` is the summary.

        Other attributes are given with ``__`` for the dot.
        """
        attributes = dict(self.peer)
        if text is not None:
            attributes.update({"db.query.text": text, "db.query.summary": name})
        attributes.update({key.replace("__", "."): value for key, value in others.items()})
        return {"name": name, "kind": "CLIENT", "scope": SCOPE, "attributes": attributes, "status": status}

    def failed(self, name: str, text: str, code: str, message: str, **others: Any) -> dict[str, Any]:
        """A whole root span of a statement that the server refused."""
        span = self.span(name, text, ("ERROR", message), **others)
        span["attributes"].update({"db.response.status_code": code, "error.type": code})
        return span


def roots(recorder: Recorder) -> list[dict[str, Any]]:
    """The spans recorded so far, whole but for their ids: each must be a trace of its own."""
    spans = recorder.spans()
    assert len({span.pop("trace") for span in spans}) == len({span.pop("id") for span in spans}) == len(spans)
    assert [span.pop("parent") for span in spans] == [None] * len(spans)
    return spans
