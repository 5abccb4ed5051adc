"""Pipelines, transactions, and loops that watch keys."""

from __future__ import annotations

import pytest
import redis

from databases.redis.kinds import VERSION, Store, done, roots, scenario
from support.recorder import Recorder


@pytest.mark.parametrize(("transaction", "word"), [(True, "MULTI"), (False, "PIPELINE")])
@scenario
async def test_batches(store: Store, recorder: Recorder, transaction: bool, word: str) -> None:
    """A pipeline is one span, named by the command that its commands have in common, if they have one."""
    async with store.connected(recorder) as client:
        queue = client.pipeline(transaction=transaction)
        queue.set("a", "secret")
        queue.set("b", "secret")
        assert recorder.spans() == []
        assert await done(queue.execute()) == [True, True]
        queue.get("a")
        queue.hset("h", "f", "secret")
        assert await done(queue.execute()) == [b"secret", 1]
        queue.incr("n")
        queue.incr("n")
        assert await done(queue.execute()) == [1, 2]
    assert roots(recorder) == [
        store.span(f"{word} SET", "SET a ?; SET b ?", db__operation__batch__size=2),
        store.span(word, "GET a; HSET h f ?", db__operation__batch__size=2),
        store.span(f"{word} INCRBY", "INCRBY n ?", db__operation__batch__size=2),
    ]


@pytest.mark.parametrize("transaction", [True, False])
@scenario
async def test_one_command_is_no_batch(store: Store, recorder: Recorder, transaction: bool) -> None:
    """A pipeline of one command is that command; one of none sends nothing and is no span."""
    async with store.connected(recorder) as client:
        queue = client.pipeline(transaction=transaction)
        assert await done(queue.execute()) == []
        queue.set("a", "secret")
        assert await done(queue.execute()) == [True]
    assert roots(recorder) == [store.span("SET", "SET a ?")]


@scenario
async def test_watching(store: Store, recorder: Recorder) -> None:
    """What a pipeline sends while it watches keys are commands; a key that has changed is no error."""
    async with store.connected(recorder) as client:
        queue = client.pipeline()
        await done(queue.watch("a"))
        assert await done(queue.get("a")) is None
        await done(client.set("a", "other"))
        queue.multi()
        queue.set("a", "secret")
        queue.set("b", "secret")
        with pytest.raises(redis.WatchError):
            await done(queue.execute())
        await done(queue.watch("a"))
        queue.multi()
        assert await done(queue.execute()) == []
        await done(queue.reset())
    assert roots(recorder) == [
        store.span("WATCH", "WATCH a"),
        store.span("GET", "GET a"),
        store.span("SET", "SET a ?"),
        store.span("MULTI SET", "SET a ?; SET b ?", db__operation__batch__size=2),
        store.span("WATCH", "WATCH a"),
        store.span("MULTI", None, db__operation__batch__size=0),
    ]


@scenario
async def test_refused_in_a_batch(store: Store, recorder: Recorder) -> None:
    """An error that is raised fails the span; one that the program asked to be given as a result does not."""
    async with store.connected(recorder) as client:
        await done(client.set("a", "value"))
        roots(recorder)
        for raise_on_error in (True, False):
            queue = client.pipeline(transaction=False)
            queue.lpush("a", "secret")
            queue.get("a")
            if raise_on_error:
                with pytest.raises(redis.ResponseError, match="Command # 1"):
                    await done(queue.execute())
            else:
                refused, value = await done(queue.execute(raise_on_error=False))
                assert (type(refused), value) == (redis.ResponseError, b"value")
    size = {"db__operation__batch__size": 2}
    message = "WRONGTYPE Operation against a key holding the wrong kind of value"
    refused = store.failed("PIPELINE", "LPUSH a ?; GET a", "WRONGTYPE", message, **size)
    if store.asynchronous and (6,) <= VERSION < (7, 1):
        # There redis-py has lost the server's message.
        lost = {"error__type": "redis.exceptions.ResponseError", **size}
        refused = store.span("PIPELINE", "LPUSH a ?; GET a", "ERROR", **lost)
    assert roots(recorder) == [refused, store.span("PIPELINE", "LPUSH a ?; GET a", **size)]


@scenario
async def test_long_batch(store: Store, recorder: Recorder) -> None:
    """The text of a long pipeline is bounded; its size is told."""
    async with store.connected(recorder) as client:
        queue = client.pipeline(transaction=False)
        for number in range(2_000):
            queue.set(f"key-{number}", "secret")
        await done(queue.execute())
    (span,) = roots(recorder)
    text = span["attributes"].pop("db.query.text")
    assert text.startswith("SET key-0 ?; SET key-1 ?; ")
    assert text.endswith("; …")
    assert len(text) <= 1_003
    assert span == store.span("PIPELINE SET", None, db__operation__batch__size=2_000)
