"""A client of several databases, one of which answers."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import redis

from databases.redis.kinds import Store, done, peer, roots, scenario
from support.recorder import Recorder

pytest.importorskip("redis.multidb.client", reason="redis-py has no MultiDBClient here, or pybreaker is missing")
pytestmark = pytest.mark.filterwarnings("ignore:MultiDBClient is an experimental:UserWarning")


def patch(store: Store, recorder: Recorder) -> Any:
    """Trace this kind of client; gives the module that describes it."""
    store.patch(recorder)
    module = importlib.import_module(f"{store.package}.multidb.client")
    recorder.patch("redis", module.__name__)
    for package in {store.package, "redis.asyncio"}:
        try:
            importlib.import_module(f"{package}.multidb.healthcheck")
        except ImportError:
            continue
        recorder.patch("redis", f"{package}.multidb.healthcheck")
    return module


@scenario
async def test_one_span_for_a_call(store: Store, recorder: Recorder) -> None:
    """A command and a pipeline are one span each and tell which database answered; health checks are none."""
    module = patch(store, recorder)
    config = importlib.import_module(f"{store.package}.multidb.config")
    url = f"redis://{store.server.host}:{store.server.port}"
    settings = config.MultiDbConfig(
        databases_config=[config.DatabaseConfig(from_url=f"{url}/{database}", weight=database) for database in (1, 2)],
        health_check_interval=5,
    )
    client = module.MultiDBClient(settings)
    await done(client.initialize())
    assert recorder.spans() == []
    try:
        assert await done(client.set("key", "secret")) is True
        queue = client.pipeline()
        queue.get("key")
        queue.get("key")
        assert await done(queue.execute()) == [b"secret", b"secret"]
        with pytest.raises(redis.ResponseError):
            await done(client.lpush("key", "secret"))
        await done(client.delete("key"))
    finally:
        await done(client.aclose() if store.asynchronous else client.close())
    found = peer(store.server.host, store.server.port, 2)
    message = "WRONGTYPE Operation against a key holding the wrong kind of value"
    assert roots(recorder) == [
        store.span("SET", "SET key ?", peer=found),
        store.span("MULTI GET", "GET key", peer=found, db__operation__batch__size=2),
        store.failed("LPUSH", "LPUSH key ?", "WRONGTYPE", message, peer=found),
        store.span("DEL", "DEL key", peer=found),
    ]
