"""Connecting, and what spans say of where a connection goes."""

from __future__ import annotations

import asyncio
import gc
import inspect
import socket
import weakref
from typing import Any

import psycopg
import pytest

from databases.postgresql.kinds import VERSION, Database, done, roots, scenario
from services.daemon import free_port
from support.recorder import Recorder
from tracing_agent.semconv import db


def connecting(database: Database, namespace: str, **peer: Any) -> dict[str, Any]:
    """The whole span of a connection that was made."""
    span = database.span(f"connect {namespace}", db__operation__name="connect", db__namespace=namespace)
    for name in ("server.address", "server.port"):
        span["attributes"].pop(name, None)
    span["attributes"].update({name.replace("__", "."): value for name, value in peer.items()})
    return span


def asked_for(connection: Any) -> dict[str, Any]:
    """The peer's attributes of what is done on a connection."""
    return {
        name: value
        for name, value in connection.items()
        if name in ("db.system.name", "db.namespace", "server.address", "server.port")
    }


@scenario
async def test_connect(database: Database, recorder: Recorder) -> None:
    """Making a connection is a span of its own; statements on it have the same peer."""
    recorder.patch("psycopg")
    connection = await done(database.connection.connect(database.server.dsn, autocommit=True))
    assert type(connection) is database.connection
    await done(connection.execute("SELECT 1"))
    await done(connection.close())
    name = f"connect {database.server.dbname}"
    assert roots(recorder) == [
        database.span(name, db__operation__name="connect"),
        database.span("SELECT", "SELECT ?"),
    ]


@scenario
async def test_unix_socket(database: Database, recorder: Recorder) -> None:
    """The address of a unix socket is its path, and there is no port."""
    if database.server.socket is None:
        pytest.skip("the server was given from outside")
    recorder.patch("psycopg")
    connection = await done(database.connection.connect(database.dsn(host=database.server.socket), autocommit=True))
    await done(connection.execute("SELECT 1"))
    await done(connection.close())
    path = f"{database.server.socket}/.s.PGSQL.{database.server.port}"
    connected, asked = roots(recorder)
    assert connected == connecting(database, database.server.dbname, server__address=path)
    assert asked["attributes"] == {
        **asked_for(connected["attributes"]),
        "db.query.text": "SELECT ?",
        "db.query.summary": "SELECT",
    }


@scenario
async def test_several_hosts(database: Database, recorder: Recorder) -> None:
    """Of several hosts the address is that of the one that the connection was made to."""
    recorder.patch("psycopg")
    dsn = database.dsn(host=f"127.0.0.1,{database.server.host}", port=f"{free_port()},{database.server.port}")
    connection = await done(database.connection.connect(dsn))
    await done(connection.close())
    name = f"connect {database.server.dbname}"
    assert roots(recorder) == [database.span(name, db__operation__name="connect")]
    with pytest.raises(psycopg.OperationalError):
        await done(database.connection.connect(f"host=127.0.0.1,127.0.0.1 port={free_port()},{free_port()}"))
    assert "server.address" not in roots(recorder)[0]["attributes"]


@scenario
async def test_address_instead_of_a_name(database: Database, recorder: Recorder) -> None:
    """A connection by ``hostaddr`` alone has that address, whether it comes about or not."""
    recorder.patch("psycopg")
    connection = await done(database.connection.connect(f"hostaddr=127.0.0.1 {database.dsn(host=None)}"))
    await done(connection.close())
    with pytest.raises(psycopg.OperationalError):
        await done(database.connection.connect(f"hostaddr=127.0.0.1 port={free_port()}"))
    assert [span["attributes"]["server.address"] for span in roots(recorder)] == ["127.0.0.1"] * 2


@pytest.mark.parametrize("arguments", [("", "", ""), (5,), (None, None)])
@scenario
async def test_wrong_arguments(database: Database, recorder: Recorder, arguments: tuple[Any, ...]) -> None:
    """A call that psycopg refuses raises what it raises untraced, and is no fault of ours."""
    raised = []
    recorder.patch("psycopg")
    for _ in range(2):
        with pytest.raises(Exception) as caught:
            await done(database.connection.connect(*arguments, connect_timeout="x"))
        raised.append((type(caught.value), str(caught.value)))
        recorder.undo()
    assert raised[0] == raised[1]


@pytest.mark.parametrize(
    ("options", "schema"),
    [
        ("-c search_path=information_schema,public", "|information_schema"),
        ("--search_path=public -c statement_timeout=1000", "|public"),
        ('-c search_path="$user",public', ""),
        ("-c statement_timeout=1000", ""),
    ],
)
@scenario
async def test_schema(database: Database, recorder: Recorder, options: str, schema: str) -> None:
    """The namespace has the schema that the connection was made with, where the connection names one."""
    recorder.patch("psycopg")
    connection = await done(database.connection.connect(database.server.dsn, options=options))
    await done(connection.close())
    (span,) = roots(recorder)
    assert span["attributes"]["db.namespace"] == f"{database.server.dbname}{schema}"


@scenario
async def test_nobody_listens(database: Database, recorder: Recorder) -> None:
    """A connection that cannot be made is a span with an error, and says where it was to go."""
    recorder.patch("psycopg")
    port = free_port()
    with pytest.raises(psycopg.OperationalError):
        await done(database.connection.connect(f"host=127.0.0.1 port={port} dbname=shop user=me password=hunter2"))
    (span,) = roots(recorder)
    code, description = span["status"]
    span["status"] = code
    assert span == {
        **connecting(database, "shop", server__address="127.0.0.1", server__port=port),
        "status": "ERROR",
        "attributes": {
            "db.system.name": "postgresql",
            "db.operation.name": "connect",
            "db.namespace": "shop",
            "server.address": "127.0.0.1",
            "server.port": port,
            "error.type": "psycopg.OperationalError",
        },
    }
    assert "Connection refused" in description


@pytest.mark.parametrize(
    "conninfo",
    [
        "postgres//me:hunter2@127.0.0.1/shop",
        "host=127.0.0.1 port={port} password='hunter2",
        "host=127.0.0.1 port={port} hunter2",
        "postgresql://me:a@hunter2@127.0.0.1:{port}/shop",
        "postgresql://me:hunter2@127.0.0.1:{port}/shop?nothing=hunter2",
        "postgresql://me:hunter2@127.0.0.1:{port}/shop",
    ],
)
@scenario
async def test_secrets(database: Database, recorder: Recorder, conninfo: str) -> None:
    """user-pain row 14: no part of a password leaves, however the connection string is misspelt."""
    recorder.patch("psycopg")
    with pytest.raises(psycopg.Error):
        await done(database.connection.connect(conninfo.format(port=free_port())))
    (span,) = roots(recorder)
    assert span["name"].startswith("connect")
    assert "hunter2" not in str(span)
    assert "error.type" in span["attributes"]


@scenario
async def test_environment(database: Database, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """libpq's variables count where the connection string is silent."""
    port = free_port()
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(port))
    monkeypatch.setenv("PGDATABASE", "shop")
    recorder.patch("psycopg")
    with pytest.raises(psycopg.OperationalError):
        await done(database.connection.connect())
    (span,) = roots(recorder)
    assert span["name"] == "connect shop"
    assert (span["attributes"]["server.address"], span["attributes"]["server.port"]) == ("127.0.0.1", port)


@pytest.mark.skipif(VERSION < (3, 3, 6), reason="connecting can be cancelled since psycopg 3.3.6")
@pytest.mark.parametrize("database", ["async"], indirect=True)
@scenario
async def test_cancelled_connect(database: Database, recorder: Recorder) -> None:
    """A task that is cancelled while it connects is no error."""
    recorder.patch("psycopg")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        port = silent.getsockname()[1]
        task = asyncio.create_task(psycopg.AsyncConnection.connect(f"host=127.0.0.1 port={port} dbname=shop"))
        asking, _ = await asyncio.get_running_loop().sock_accept(silent)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        asking.close()
    assert roots(recorder) == [connecting(database, "shop", server__address="127.0.0.1", server__port=port)]


@scenario
async def test_the_module_s_connect(database: Database, recorder: Recorder) -> None:
    """`psycopg.connect` stays the bound method of `Connection`, and is traced like it."""
    before = psycopg.connect
    recorder.patch("psycopg")
    assert inspect.ismethod(psycopg.connect)
    assert psycopg.connect == psycopg.Connection.connect
    assert (psycopg.connect.__name__, psycopg.connect.__doc__) == (before.__name__, before.__doc__)
    assert inspect.signature(psycopg.connect) == inspect.signature(before)
    psycopg.connect(database.server.dsn).close()
    recorder.undo()
    assert psycopg.connect == before == psycopg.Connection.connect
    assert [span["name"] for span in roots(recorder)] == [f"connect {database.server.dbname}"]


@scenario
async def test_subclass_of_connection(database: Database, recorder: Recorder) -> None:
    """A connection class of the program's own stays, and its `connect` is one span."""

    class Own(database.connection):  # type: ignore[name-defined,misc]
        pass

    recorder.patch("psycopg")
    connection = await done(Own.connect(database.server.dsn))
    assert type(connection) is Own
    await done(connection.close())
    assert [span["name"] for span in roots(recorder)] == [f"connect {database.server.dbname}"]


@scenario
async def test_connections_are_let_go(database: Database, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """user-pain row 31: connections to one database share one peer, and nothing of ours keeps a connection alive."""
    made = []
    make = db.Peers._make
    monkeypatch.setattr(db.Peers, "_make", lambda *args: made.append(args[1:]) or make(*args))
    recorder.patch("psycopg")
    kept = []
    for _ in range(20):
        connection = await done(database.connection.connect(database.server.dsn, options="-c search_path=own"))
        cursor = await done(connection.execute("SELECT 1"))
        kept += [weakref.ref(connection), weakref.ref(cursor)]
        await done(connection.close())
        del connection, cursor
    gc.collect()
    assert [reference() for reference in kept] == [None] * 40
    namespace = f"{database.server.dbname}|own"
    assert len([arguments for arguments in made if arguments[2] == namespace]) <= 1


def test_peers_are_bounded() -> None:
    """user-pain row 31: a program that goes to ever new databases fills no memory."""
    peers = db.Peers(5432)
    first = peers.peer("host", 5432, "first")
    assert peers.peer("host", 5432, "first") is first
    for number in range(10_000):
        peers.peer("host", 5432, f"database-{number}")
    assert len(peers._known) <= 256


@pytest.mark.parametrize(
    ("arguments", "attributes", "target"),
    [
        (("host", 5432, "shop"), {"db.namespace": "shop", "server.address": "host"}, "shop"),
        (("host", 5433, ""), {"server.address": "host", "server.port": 5433}, "host:5433"),
        (("::1", 0, ""), {"server.address": "::1"}, "::1"),
        (("", 5433, "shop"), {"db.namespace": "shop"}, "shop"),
        (("", 0, ""), {}, ""),
    ],
)
def test_what_a_peer_says(arguments: tuple[str, int, str], attributes: dict[str, Any], target: str) -> None:
    """The default port is not told, nor a port without an address."""
    peer = db.Peers(5432).peer(*arguments)
    assert (peer.attributes, peer.target) == (attributes, target)
