"""Commands to one server: names, texts, peers, errors, and what must not be told."""

from __future__ import annotations

import asyncio
import gc
import inspect
import socket
import weakref
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from databases.redis.kinds import Store, close, done, peer, roots, scenario
from support.recorder import Recorder
from tracing_instrumentations import _redis_peer

WRONGTYPE = "Operation against a key holding the wrong kind of value"


def retry(store: Store, times: int) -> Any:
    """So many tries more, at once."""
    if store.asynchronous:
        from redis.asyncio.retry import Retry as AsyncRetry

        return AsyncRetry(NoBackoff(), times)
    return Retry(NoBackoff(), times)


@scenario
async def test_each_command_is_one_span(store: Store, recorder: Recorder) -> None:
    """A span is named by the command and says where it went, also when a connection had to be made for it first."""
    async with store.connected(recorder) as client:
        await done(client.connection_pool.disconnect())
        assert await done(client.set("key", "value")) is True
        assert await done(client.get("key")) == b"value"
        assert await done(client.hset("hash", mapping={"field": "value"})) == 1
        assert await done(client.config_get("maxmemory")) != {}
    assert roots(recorder) == [
        store.span("SET", "SET key ?"),
        store.span("GET", "GET key"),
        store.span("HSET", "HSET hash field ?"),
        store.span("CONFIG GET", "CONFIG GET maxmemory"),
    ]


@scenario
async def test_first_command_ever(store: Store, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The very first command to a server knows already which address it went to."""
    monkeypatch.setattr(_redis_peer._peers, "_known", {})
    store.patch(recorder)
    client = store.module.Redis(host="localhost", port=store.server.port, db=3)
    await done(client.ping())
    await close(client)
    (span,) = roots(recorder)
    reached = span["attributes"].pop("network.peer.address")
    assert reached in {address[4][0] for address in socket.getaddrinfo("localhost", store.server.port)}
    expected = store.span("PING", "PING", peer=peer("localhost", store.server.port, 3))
    del expected["attributes"]["network.peer.address"]
    assert span == expected


@scenario
async def test_unix_socket(store: Store, recorder: Recorder) -> None:
    """A unix socket's path is the server's address, without a port."""
    path = getattr(store.server, "socket", None)
    if path is None:
        pytest.skip("the server that was given has no unix socket that is known")
    store.patch(recorder)
    client = store.module.Redis(unix_socket_path=path, db=2)
    await done(client.ping())
    await close(client)
    assert roots(recorder) == [store.span("PING", "PING", peer={"db.namespace": "2", "server.address": path})]


@scenario
async def test_refused_command(store: Store, recorder: Recorder) -> None:
    """The status code is the prefix of the server's error; what it quotes of the command is not told."""
    async with store.connected(recorder) as client:
        await done(client.set("key", "value"))
        roots(recorder)
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            await done(client.lpush("key", "secret"))
        with pytest.raises(redis.ResponseError, match="unknown command"):
            await done(client.execute_command("NOSUCH", "key", "secret"))
        with pytest.raises(redis.exceptions.NoScriptError):
            await done(client.evalsha(b"0" * 40, 1, "key", "secret"))
        with pytest.raises(redis.ResponseError):
            await done(client.execute_command("EXEC"))
    refused = roots(recorder)
    noscript = refused[2]["status"][1]
    assert refused == [
        store.failed("LPUSH", "LPUSH key ?", "WRONGTYPE", f"WRONGTYPE {WRONGTYPE}"),
        store.failed("NOSUCH", "NOSUCH key ?", "ERR", "unknown command …"),
        store.failed(
            "EVALSHA", f"EVALSHA {'0' * 40} 1 key ?", "NOSCRIPT", noscript, db__stored_procedure__name="0" * 40
        ),
        store.failed("EXEC", "EXEC", "ERR", "EXEC without MULTI"),
    ]
    assert noscript.startswith("No matching script")


@scenario
async def test_no_server(store: Store, recorder: Recorder) -> None:
    """Where no connection comes about the error is the exception's class, and the address is the one asked for."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        store.patch(recorder)
        client = store.module.Redis(host="127.0.0.1", port=port, retry=retry(store, 0))
        with pytest.raises(redis.ConnectionError):
            await done(client.get("key"))
        await close(client)
    (span,) = roots(recorder)
    status, text = span.pop("status")
    assert status == "ERROR"
    assert f"127.0.0.1:{port}" in text
    expected = store.span(
        "GET", "GET key", error__type="redis.exceptions.ConnectionError", peer=peer("127.0.0.1", port)
    )
    del expected["status"]
    for name in ("network.peer.address", "network.peer.port"):
        del expected["attributes"][name]
    assert span == expected


SECRETS: list[tuple[Any, ...]] = [
    ("AUTH", "s3cret"),
    ("AUTH", "user", "s3cret"),
    ("HELLO", "3", "AUTH", "user", "s3cret"),
    ("CONFIG SET", "requirepass-of-none", "s3cret"),
    ("CONFIG", "SET", "masterauth-of-none", "s3cret"),
    ("ACL", "SETUSER", "user", "s3cret"),
    ("ACL SETUSER", "user", "on", "%s3cret"),
    ("MIGRATE", "127.0.0.1", "1", "key", "0", "10", "AUTH"),
    ("MIGRATE", "127.0.0.1", "s3cret", "key", "0", "10", "AUTH", "s3cret", "s3cret"),
    ("CLIENT", "NO-SUCH", "s3cret"),
    ("SET", "key", "s3cret", "s3cret"),
    ("EVAL", "return redis.error_reply('s3cret')", "s3cret"),
    ("NOSUCH", "key", "s3cret"),
    ("HSET", "key", "field", b"s3cret", "odd"),
]


@pytest.mark.parametrize("args", SECRETS, ids=lambda args: str(args[0]))
@scenario
async def test_secrets(store: Store, recorder: Recorder, args: tuple[Any, ...]) -> None:
    """user-pain row 14: no value and no password leaves the process, neither as text nor quoted by an error."""
    async with store.connected(recorder, retry=retry(store, 0)) as client:
        with pytest.raises(redis.RedisError):
            await done(client.execute_command(*args))
        queue = client.pipeline(transaction=False)
        queue.execute_command(*args)
        queue.execute_command("SET", "key", "s3cret) of pipeline caused error: s3cret")
        with pytest.raises(redis.RedisError):
            await done(queue.execute())
    found = roots(recorder)
    assert [span["status"][0] for span in found] == ["ERROR", "ERROR"]
    assert "s3cret" not in repr(found)


@scenario
async def test_password_of_the_connection(store: Store, recorder: Recorder) -> None:
    """A password in the connection's arguments is not told, and the handshake is part of the command."""
    store.patch(recorder)
    url = f"redis://user:s3cret@{store.server.host}:{store.server.port}/1"
    client = store.module.Redis.from_url(url, retry=retry(store, 0))
    with pytest.raises(redis.RedisError):
        await done(client.get("key"))
    await close(client)
    (span,) = roots(recorder)
    assert span["attributes"]["db.response.status_code"] == "WRONGPASS"
    assert span["attributes"]["db.namespace"] == "1"
    assert "s3cret" not in repr(span)


@scenario
async def test_scripts(store: Store, recorder: Recorder) -> None:
    """A script has its digest as the procedure's name; loading it is a command of its own, as it is on the wire."""
    async with store.connected(recorder) as client:
        await done(client.script_flush())
        roots(recorder)
        script = client.register_script("return 1")
        assert await done(script(keys=["key"], args=["secret"])) == 1
    failed, loaded, evaluated = roots(recorder)
    text = f"EVALSHA {script.sha} 1 key ?"
    assert failed["attributes"]["db.response.status_code"] == "NOSCRIPT"
    assert loaded == store.span("SCRIPT LOAD", "SCRIPT LOAD ?")
    assert evaluated == store.span("EVALSHA", text, db__stored_procedure__name=script.sha)


@scenario
async def test_publish_and_subscribe(store: Store, recorder: Recorder) -> None:
    """To publish is a span; to subscribe and to wait for messages, however often, is none."""
    async with store.connected(recorder) as client:
        subscriber = client.pubsub()
        await done(subscriber.subscribe("channel"))
        assert (await done(subscriber.get_message(timeout=5)))["type"] == "subscribe"
        assert await done(subscriber.get_message(timeout=0.01)) is None
        assert await done(client.publish("channel", "secret")) == 1
        message = None
        while message is None:
            message = await done(subscriber.get_message(timeout=1))
        assert message["data"] == b"secret"
        await done(subscriber.unsubscribe())
        await done(subscriber.aclose() if hasattr(subscriber, "aclose") else subscriber.close())
    assert roots(recorder) == [store.span("PUBLISH", "PUBLISH channel ?")]


@scenario
async def test_retries(store: Store, recorder: Recorder) -> None:
    """A command that was tried several times is one span, without the errors between."""
    options = {"retry_on_timeout": True} if int(redis.__version__[0]) < 6 else {}
    async with store.connected(recorder, socket_timeout=0.1, retry=retry(store, 50), **options) as client:
        other = redis.Redis(host=store.server.host, port=store.server.port)
        other.client_pause(400, all=True)
        other.close()
        recorder.spans()
        assert await done(client.set("key", "value")) is True
    assert roots(recorder) == [store.span("SET", "SET key ?")]


@scenario
async def test_cancelled(store: Store, recorder: Recorder) -> None:
    """A command that was told to stop has ended and is no error."""
    if not store.asynchronous:
        pytest.skip("only a task can be cancelled")
    async with store.connected(recorder, socket_timeout=None) as client:
        task = asyncio.ensure_future(client.execute_command("BLPOP", "nothing", 30))
        other = redis.Redis(host=store.server.host, port=store.server.port)
        while other.info("clients")["blocked_clients"] == 0:
            await asyncio.sleep(0)
        other.close()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert roots(recorder) == [store.span("BLPOP", "BLPOP nothing ?")]


@scenario
async def test_subclasses(store: Store, recorder: Recorder) -> None:
    """A program's own client that adds to ``execute_command`` keeps its class, and a command is still one span."""

    class Own(store.module.Redis):  # type: ignore[misc,name-defined]
        commands = 0

        def execute_command(self, *args: Any, **options: Any) -> Any:
            self.commands += 1
            return super().execute_command(*args, **options)

    store.patch(recorder)
    client = Own(host=store.server.host, port=store.server.port)
    await done(client.ping())
    await close(client)
    assert (type(client), client.commands) == (Own, 1)
    assert roots(recorder) == [store.span("PING", "PING")]


@scenario
async def test_appearance(store: Store, recorder: Recorder) -> None:
    """What is cut looks as before, and is as before when tracing is switched off again."""
    client = store.module.Redis
    before = client.execute_command
    store.patch(recorder)
    after = client.execute_command
    assert after is not before
    assert inspect.signature(after) == inspect.signature(before)
    assert inspect.iscoroutinefunction(after) is store.asynchronous
    recorder.undo()
    assert client.execute_command is before


@scenario
async def test_pools(store: Store, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """user-pain row 31: a pool's peer is found once, not for each command, and nothing of ours keeps a pool alive."""
    asked = []
    peer_of = type(_redis_peer._peers).peer
    monkeypatch.setattr(type(_redis_peer._peers), "peer", lambda peers, *key: asked.append(key) or peer_of(peers, *key))
    store.patch(recorder)
    pool = store.module.BlockingConnectionPool(host=store.server.host, port=store.server.port, max_connections=1)
    client = store.module.Redis(connection_pool=pool)
    for _ in range(100):
        await done(client.ping())
    # For the pool, and for the one connection that it made.
    assert len(asked) == 2
    assert roots(recorder) == [store.span("PING", "PING")] * 100
    await close(client)
    gone = weakref.ref(pool)
    del client, pool
    gc.collect()
    assert gone() is None
