"""Nothing of a request is left behind: no cycle for the collector, and no object that stays."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import fastapi
import flask
import psycopg
import pytest
import redis
import requests

from clients.server import Server
from harmless.program import Program, forget, traced
from harmless.test_faults import PROGRAMS
from servers.asking import HEADERS, Ask, ask_asgi, ask_wsgi
from services import PostgreSQL, Redis

Once = Callable[[], object]
# Objects that may come and go by themselves: caches and free lists of the interpreter and of the libraries.
_SLACK = 100


def flask_request(stack: ExitStack, server: None) -> Once:
    app = flask.Flask("site")
    app.add_url_rule("/items/<item>", view_func=lambda item: f"item {item}")
    return lambda: ask_wsgi(app, Ask("/items/7", headers=(*HEADERS, ("traceparent", f"00-{7:032x}-{8:016x}-01"))))


def asgi_request(stack: ExitStack, server: None) -> Once:
    app = fastapi.FastAPI()

    async def items(item: str) -> dict[str, str]:
        return {"item": item}

    app.get("/items/{item}")(items)
    loop = stack.enter_context(closing(asyncio.new_event_loop()))
    return lambda: loop.run_until_complete(ask_asgi(app, Ask("/items/7")))


def requests_call(stack: ExitStack, server: None) -> Once:
    listening = stack.enter_context(closing(Server()))
    session = stack.enter_context(requests.Session())
    session.trust_env = False
    listening.seen = _Nowhere()
    return lambda: session.get(listening.url("/ok"), timeout=30).content


class _Nowhere(list[Any]):
    """The server's list of what it has seen, which must not grow here."""

    def append(self, item: Any) -> None:
        pass


def redis_command(stack: ExitStack, server: Redis) -> Once:
    client = stack.enter_context(closing(redis.Redis(host=server.host, port=server.port)))
    stack.callback(client.connection_pool.disconnect)
    pipeline = client.pipeline()

    def once() -> None:
        client.get("key")
        pipeline.get("key").get("key").execute()

    return once


def psycopg_query(stack: ExitStack, server: PostgreSQL) -> Once:
    connection = stack.enter_context(psycopg.connect(server.dsn, autocommit=True))
    return lambda: connection.execute("SELECT %s::int", (7,)).fetchone()


#: By program: a request, and how many of them fit in a short test.
STEADY: dict[str, tuple[Callable[[ExitStack, Any], Once], int]] = {
    "flask": (flask_request, 2000),
    "asgi": (asgi_request, 1000),
    "requests": (requests_call, 200),
    "redis": (redis_command, 500),
    "psycopg": (psycopg_query, 500),
}


@pytest.fixture(params=[program for program in PROGRAMS if program.name in STEADY], ids=lambda program: program.name)
def steady(request: pytest.FixtureRequest) -> Iterator[tuple[Program, Once, int]]:
    """A program, a request of it, and how many of them are made."""
    program: Program = request.param
    server = request.getfixturevalue(program.server) if program.server else None
    make, times = STEADY[program.name]
    forget()
    with ExitStack() as stack:
        yield program, make(stack, server), times


def cycles(once: Once, times: int) -> int:
    """How many objects only the collector can take away after so many requests."""
    for _ in range(20):
        once()
    gc.collect()
    gc.disable()
    try:
        for _ in range(times):
            once()
        return gc.collect()
    finally:
        gc.enable()


def test_no_cycles(steady: tuple[Program, Once, int]) -> None:
    """user-pain row 31: a traced request makes no more objects that refer to each other than an untraced one does."""
    program, once, _ = steady
    bare = cycles(once, 50)
    with traced(program) as recorder:
        recorder.engine.deliver(lambda span: None)
        assert cycles(once, 50) <= bare + 20  # less than one for each two requests


def objects() -> tuple[int, int]:
    """(objects that the collector knows, blocks of memory in use)"""
    gc.collect()
    return len(gc.get_objects()), sys.getallocatedblocks()


def test_no_growth(steady: tuple[Program, Once, int]) -> None:
    """user-pain row 31: after twice as many requests there are no more objects than after the first half."""
    program, once, times = steady
    with traced(program) as recorder:
        recorder.engine.deliver(lambda span: None)
        counted = []
        for _ in range(3):
            for _ in range(times):
                once()
            counted.append(objects())
    grown = [counted[2][part] - counted[1][part] for part in (0, 1)]
    # Blocks come and go with the threads of servers, too; what stays of each request would be several.
    assert grown[0] < _SLACK, counted
    assert grown[1] < 2 * times, counted
