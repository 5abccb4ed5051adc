"""redis-py's two kinds as one: the suite awaits and enters whatever it is given.

A test is a coroutine function under `scenario`; what it calls is sync or async as the `store` fixture says, and `done`
takes both.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import redis

from services import Redis, RedisCluster
from support.recorder import Recorder

VERSION = tuple(int(part) for part in redis.__version__.split(".")[:2])
SCOPE = "tracing_instrumentations.redis"


def scenario(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is written as a coroutine function."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def done(outcome: Any) -> Any:
    """The result of a call of either kind."""
    return await outcome if inspect.isawaitable(outcome) else outcome


async def close(client: Any) -> None:
    """Close a client of either kind, and its connections, which old versions leave open."""
    if hasattr(client, "nodes_manager"):
        await done(client.aclose() if hasattr(client, "aclose") else client.close())
        return
    await done(client.aclose() if hasattr(client, "aclose") else client.close())
    await done(client.connection_pool.disconnect())


class Store:
    """A server, the classes of one kind with which the suite talks to it, and what their spans have in common."""

    def __init__(self, asynchronous: bool, server: Redis | RedisCluster) -> None:
        self.asynchronous = asynchronous
        self.server = server
        self.package = "redis.asyncio" if asynchronous else "redis"
        self.module: Any = importlib.import_module(self.package)
        self.peer = peer(server.host, server.port)

    def patch(self, recorder: Recorder) -> None:
        """Trace this kind of client."""
        recorder.patch("redis", self.package)

    @asynccontextmanager
    async def connected(self, recorder: Recorder, **options: Any) -> AsyncIterator[Any]:
        """A client whose commands are recorded, of an empty database."""
        options = {"host": self.server.host, "port": self.server.port, **options}
        client = self.module.Redis(**options)
        self.patch(recorder)
        await done(client.flushdb())
        recorder.finished.clear()
        recorder.engine.started = 0
        try:
            yield client
        finally:
            await close(client)

    @asynccontextmanager
    async def cluster(self, recorder: Recorder, **options: Any) -> AsyncIterator[Any]:
        """A client of the cluster that knows its nodes, and whose commands are recorded."""
        self.patch(recorder)
        cluster = importlib.import_module(f"{self.package}.cluster").RedisCluster
        client = cluster(host=self.server.host, port=self.server.port, **options)
        await done(client.ping())
        recorder.finished.clear()
        try:
            yield client
        finally:
            await close(client)

    def span(
        self, name: str, text: str | None, status: Any = "UNSET", peer: dict[str, Any] | None = None, **others: Any
    ) -> dict[str, Any]:
        """A whole root span without its ids. Other attributes are given with ``__`` for the dot."""
        attributes = {"db.system.name": "redis", **(self.peer if peer is None else peer), "db.operation.name": name}
        if text is not None:
            attributes["db.query.text"] = text
        attributes.update({key.replace("__", "."): value for key, value in others.items()})
        return {"name": name, "kind": "CLIENT", "scope": SCOPE, "attributes": attributes, "status": status}

    def failed(self, name: str, text: str | None, code: str, message: str, **others: Any) -> dict[str, Any]:
        """A whole root span of a command that the server refused."""
        refused = {"db__response__status_code": code, "error__type": code}
        return self.span(name, text, ("ERROR", message), **refused, **others)


def peer(host: str, port: int, database: int = 0) -> dict[str, Any]:
    """What a span says of the server and the database."""
    attributes: dict[str, Any] = {
        "db.namespace": str(database),
        "server.address": host,
        "network.peer.address": "127.0.0.1",
        "network.peer.port": port,
    }
    if port != 6379:
        attributes["server.port"] = port
    return attributes


def roots(recorder: Recorder) -> list[dict[str, Any]]:
    """The spans recorded so far, whole but for their ids: each must be a trace of its own."""
    spans = recorder.spans()
    assert len({span.pop("trace") for span in spans}) == len({span.pop("id") for span in spans}) == len(spans)
    assert [span.pop("parent") for span in spans] == [None] * len(spans)
    return spans
