"""Where Redis commands go: one peer for each server and database, remembered by the pools of connections."""

from __future__ import annotations

from typing import Any

from tracing_agent.operation import DATABASE
from tracing_agent.semconv.db import PEER, Peer, Peers
from tracing_agent.trace.sdk import SPAN_KEY, current
from tracing_agent.trace.span import Span

DEFAULT_PORT = 6379
_CONTACTED = "redis_peer"

_peers = Peers(DEFAULT_PORT)


def peer_of(pool: Any) -> Peer:
    """Where the connections of ``pool`` go, held by it. Nothing of its arguments but host, port, path, db is read.

    The database is the one that connections select when they are made.
    """
    # Not by its __dict__: until Python 3.13 an object whose dictionary was asked for is slower ever after.
    known: Peer | None = getattr(pool, PEER, None)
    if known is not None:
        return known
    options = pool.connection_kwargs
    database = str(options.get("db") or 0)
    if hasattr(pool, "service_name"):
        # Sentinels say where, for each connection anew: `connected` tells.
        return _peers.peer("", 0, database)
    path = options.get("path")
    if path:
        known = _peers.peer(str(path), 0, database)
    else:
        known = _peers.peer(str(options.get("host") or "localhost"), int(options.get("port") or DEFAULT_PORT), database)
    setattr(pool, PEER, known)
    return known


def connected(connection: Any, socket: Any) -> None:
    """A TCP connection was made; ``socket`` is None where it is asynchronous."""
    peer = _peers.peer(str(connection.host), int(connection.port), str(connection.db or 0))
    name = _reached(connection, socket)
    if name:
        peer.reached(name[0], name[1])
    pool = getattr(connection, "connection_pool", None)
    if pool is not None:
        # A connection that a sentinel manages knows its pool, or since redis-py 5 a stand-in that refers to it.
        refer = getattr(pool, "connection_pool_ref", None)
        pool = pool if refer is None else refer()
        if pool is not None:
            setattr(pool, PEER, peer)


def _reached(connection: Any, socket: Any) -> Any:
    try:
        return connection._writer.get_extra_info("peername") if socket is None else socket.getpeername()
    except OSError:
        return None  # closed by the other side already: the command will say so


def contacted(node: Any, *args: Any, **options: Any) -> None:
    """The cluster client turns to ``node``: the current span, if it is a command's, goes there."""
    span = current().get(SPAN_KEY)
    if type(span) is Span and span.origin.suppresses & DATABASE:
        pool = getattr(node, "connection_pool", None)
        goes_to(span, node_of(node) if pool is None else peer_of(pool))


def node_of(node: Any) -> Peer:
    """What has ``host`` and ``port``: a node of a cluster, or a connection to one."""
    return _peers.peer(str(node.host), int(node.port), "0")


def goes_to(span: Span, peer: Peer) -> None:
    """A command goes to ``peer`` now; it may go elsewhere later."""
    span.__dict__[_CONTACTED] = peer


def last_contacted(span: Span) -> Peer | None:
    """Where a command went last, if that is known."""
    found: Peer | None = span.__dict__.pop(_CONTACTED, None)
    return found
