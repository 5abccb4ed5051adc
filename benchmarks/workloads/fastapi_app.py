"""A FastAPI application with one plain route and one that asks Redis and PostgreSQL, all asynchronous."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

held: dict[str, Any] = {}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Connect where addresses are given."""
    if "BENCH_REDIS" not in os.environ:
        yield
        return
    import psycopg
    import redis.asyncio

    held["cache"] = redis.asyncio.Redis.from_url(os.environ["BENCH_REDIS"])
    held["database"] = await psycopg.AsyncConnection.connect(os.environ["BENCH_POSTGRES"], autocommit=True)
    yield
    await held["database"].close()
    await held["cache"].aclose()


app = FastAPI(lifespan=lifespan)


@app.get("/hello/{name}")
async def hello(name: str) -> dict[str, str]:
    return {"message": f"hello {name}"}


@app.get("/customers/{number}")
async def customer(number: int) -> dict[str, object]:
    cache, database = held["cache"], held["database"]
    await cache.set("customer:last", number)
    last = await cache.get("customer:last")
    cursor = await database.execute("SELECT %s::int AS id, 'someone' AS name", (number,))
    return {"last": str(last), "row": await cursor.fetchone()}
