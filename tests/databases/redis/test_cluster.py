"""A cluster: commands that look for their node, pipelines, and transactions on one node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from databases.redis.kinds import VERSION, Store, done, peer, roots, scenario
from services import RedisCluster
from support.recorder import Recorder

WRONGTYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


class Owners:
    """Which node serves a slot: asked and told apart from the client that is tested, as an administrator does."""

    def __init__(self, cluster: RedisCluster) -> None:
        self.cluster = cluster
        self.nodes = [redis.Redis(host=host, port=port, decode_responses=True) for host, port in cluster.nodes]
        self.ids = [node.execute_command("CLUSTER MYID") for node in self.nodes]

    def owner(self, key: str) -> int:
        """The index of the node that serves ``key``."""
        for index, node in enumerate(self.nodes):
            try:
                node.exists(key)
            except redis.ResponseError:
                continue
            return index
        raise AssertionError(f"nobody serves {key}")

    def peer(self, key: str) -> dict[str, Any]:
        """What a span says of the node that serves ``key``."""
        return self.peer_at(self.owner(key))

    def peer_at(self, index: int) -> dict[str, Any]:
        """What a span says of a node."""
        return peer(*self.cluster.nodes[index])

    def set_slot(self, index: int, key: str, *how: str) -> None:
        """Tell a node something of the slot of ``key``."""
        node = self.nodes[index]
        node.execute_command("CLUSTER SETSLOT", node.execute_command("CLUSTER KEYSLOT", key), *how)

    def close(self) -> None:
        """Close the connections."""
        for node in self.nodes:
            node.close()
            node.connection_pool.disconnect()


@contextmanager
def owners_of(nodes: Store) -> Iterator[Owners]:
    """The owners of the cluster's slots, with an empty cluster."""
    assert isinstance(nodes.server, RedisCluster)
    owners = Owners(nodes.server)
    for node in owners.nodes:
        node.flushdb()
    try:
        yield owners
    finally:
        owners.close()


@scenario
async def test_each_command_is_one_span(nodes: Store, recorder: Recorder) -> None:
    """A command says which node it went to, refused or not."""
    with owners_of(nodes) as owners:
        keys = {key: owners.peer(key) for key in ("a", "b", "c")}
        assert len({str(found) for found in keys.values()}) == 3
        async with nodes.cluster(recorder) as client:
            for key in keys:
                assert await done(client.set(key, "secret")) is True
            with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
                await done(client.lpush("a", "secret"))
        assert roots(recorder) == [
            *(nodes.span("SET", f"SET {key} ?", peer=found) for key, found in keys.items()),
            nodes.failed("LPUSH", "LPUSH a ?", "WRONGTYPE", WRONGTYPE, peer=keys["a"]),
        ]


@scenario
async def test_moved(nodes: Store, recorder: Recorder) -> None:
    """A command that was sent elsewhere, as the slot had moved, is one span and says where it went in the end."""
    with owners_of(nodes) as owners:
        source = owners.owner("moving")
        target = (source + 1) % 3
        async with nodes.cluster(recorder) as client:
            assert await done(client.get("moving")) is None
            try:
                for index in (target, source, 3 - source - target):
                    owners.set_slot(index, "moving", "NODE", owners.ids[target])
                recorder.finished.clear()
                assert await done(client.get("moving")) is None
                spans = roots(recorder)
            finally:
                for index in (source, target, 3 - source - target):
                    owners.set_slot(index, "moving", "NODE", owners.ids[source])
        assert spans == [nodes.span("GET", "GET moving", peer=owners.peer_at(target))]


@scenario
async def test_asked_elsewhere(nodes: Store, recorder: Recorder) -> None:
    """A command that was sent elsewhere once, as its slot is just moving, is one span too."""
    with owners_of(nodes) as owners:
        source = owners.owner("moving")
        target = (source + 1) % 3
        async with nodes.cluster(recorder) as client:
            assert await done(client.get("moving")) is None
            try:
                owners.set_slot(target, "moving", "IMPORTING", owners.ids[source])
                owners.set_slot(source, "moving", "MIGRATING", owners.ids[target])
                recorder.finished.clear()
                assert await done(client.get("moving")) is None
                spans = roots(recorder)
            finally:
                owners.set_slot(source, "moving", "STABLE")
                owners.set_slot(target, "moving", "STABLE")
        assert spans == [nodes.span("GET", "GET moving", peer=owners.peer_at(target))]


@scenario
async def test_pipelines(nodes: Store, recorder: Recorder) -> None:
    """A pipeline is one span, wherever its commands went; that of one command is the command."""
    with owners_of(nodes) as owners:
        found = owners.peer("{a}1")
        async with nodes.cluster(recorder) as client:
            queue = client.pipeline()
            # Old versions ask the cluster for its commands when they make one.
            recorder.finished.clear()
            queue.set("{a}1", "secret")
            queue.set("{a}2", "secret")
            assert await done(queue.execute()) == [True, True]
            queue.get("{a}1")
            assert await done(queue.execute()) == [b"secret"]
            assert await done(queue.execute()) == []
            queue.set("a", "secret")
            queue.get("b")
            assert await done(queue.execute()) == [True, None]
            queue.lpush("a", "secret")
            queue.lpush("a", "secret")
            with pytest.raises(redis.ResponseError, match="Command # 1"):
                await done(queue.execute())
        same, one, mixed, failed = roots(recorder)
        assert same == nodes.span("PIPELINE SET", "SET {a}1 ?; SET {a}2 ?", peer=found, db__operation__batch__size=2)
        assert one == nodes.span("GET", "GET {a}1", peer=found)
        assert mixed["attributes"]["server.port"] in [port for _, port in owners.cluster.nodes]
        assert (mixed["name"], mixed["attributes"]["db.query.text"]) == ("PIPELINE", "SET a ?; GET b")
        assert failed == nodes.failed(
            "PIPELINE LPUSH", "LPUSH a ?", "WRONGTYPE", WRONGTYPE, peer=owners.peer("a"), db__operation__batch__size=2
        )


@pytest.mark.skipif(VERSION < (6, 2), reason="this version of redis-py has no transactions in clusters")
@scenario
async def test_transactions(nodes: Store, recorder: Recorder) -> None:
    """A transaction is one span; what it sends while it watches keys are commands; a key that changed is no error."""
    with owners_of(nodes) as owners:
        found = owners.peer("{a}1")
        async with nodes.cluster(recorder) as client:
            queue = client.pipeline(transaction=True)
            await done(queue.watch("{a}1"))
            assert await done(queue.get("{a}1")) is None
            queue.multi()
            queue.set("{a}1", "secret")
            queue.get("{a}1")
            assert (await done(queue.execute()))[1] == b"secret"
            await done(queue.watch("{a}1"))
            await done(client.set("{a}1", "other"))
            queue.multi()
            queue.set("{a}1", "secret")
            queue.set("{a}2", "secret")
            with pytest.raises(redis.WatchError):
                await done(queue.execute())
        assert roots(recorder) == [
            nodes.span("WATCH", "WATCH {a}1", peer=found),
            nodes.span("GET", "GET {a}1", peer=found),
            nodes.span("MULTI", "SET {a}1 ?; GET {a}1", peer=found, db__operation__batch__size=2),
            nodes.span("WATCH", "WATCH {a}1", peer=found),
            nodes.span("SET", "SET {a}1 ?", peer=found),
            nodes.span("MULTI SET", "SET {a}1 ?; SET {a}2 ?", peer=found, db__operation__batch__size=2),
        ]


@scenario
async def test_below_a_span(nodes: Store, recorder: Recorder) -> None:
    """What the client does inside of a command's span is not told apart, and the span is not left current."""
    with owners_of(nodes):
        async with nodes.cluster(recorder) as client:
            with recorder.tracer.start_as_current_span("job"):
                await done(client.set("a", "secret"))
                await done(client.get("a"))
    spans = recorder.spans()
    assert [span["name"] for span in spans] == ["SET", "GET", "job"]
    assert [span["parent"] for span in spans] == [spans[2]["id"], spans[2]["id"], None]
