"""Where psycopg's connections go, and how they come about."""

from __future__ import annotations

import os
from functools import update_wrapper
from types import MethodType
from typing import TYPE_CHECKING, Any

from tracing_agent.semconv import db
from tracing_agent.semconv.db import PEER
from tracing_instrumentations import _postgresql

if TYPE_CHECKING:
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.semconv.db import Peer
    from tracing_agent.trace.engine import Engine

# libpq's number of a good connection.
_CONNECTED = 0


def peer_of(connection: Any) -> Peer:
    """Where a connection goes: asked once and held by it."""
    # Not by its __dict__: until Python 3.13 an object whose dictionary was asked for is slower ever after.
    known: Peer | None = getattr(connection, PEER, None)
    if known is not None:
        return known
    pgconn = connection.pgconn
    if pgconn.status != _CONNECTED:
        return _postgresql.peer("", 0, "")
    known = _postgresql.peer(
        _text(pgconn.host),
        int(pgconn.port or 0),
        _text(pgconn.db),
        _text(pgconn.options),
        _text(pgconn.parameter_status(b"search_path")),
    )
    object.__setattr__(connection, PEER, known)
    return known


def _text(value: bytes | None) -> str:
    return value.decode("utf-8", "replace") if value else ""


def peer_given(parse: Any, conninfo: Any, options: Any) -> Peer:
    """Where a connection will go, as far as its arguments and the environment tell.

    ``parse`` is psycopg's ``conninfo_to_dict``. Nothing but host, port and database is looked at.
    """
    try:
        given = {**parse(conninfo or ""), **options}
    except Exception:
        given = options  # psycopg will say what is wrong with it
    host, port, database = (
        str(given.get(name) or os.environ.get(variable) or "")
        for name, variable in (("host", "PGHOST"), ("port", "PGPORT"), ("dbname", "PGDATABASE"))
    )
    host = host or str(given.get("hostaddr") or os.environ.get("PGHOSTADDR") or "")
    if "," in host:
        host = ""  # nobody can say yet which of them it will be
    if host[:1] != "@":
        host = host.rpartition("@")[2]  # what is before it is the end of a password that holds an @
    return _postgresql.peer(host, int(port) if port.isdigit() else 0, database)


def connecting(parse: Any) -> Any:
    """The extractor of ``connect``, with `peer_given`."""

    def start(span: Any, cls: Any, conninfo: Any = "", *more: Any, **options: Any) -> None:
        peer = peer_given(parse, conninfo, options)
        span.values.update(peer.attributes)
        db.operation(span, "connect", peer.target)

    return start


def connected(span: Any, connection: Any) -> None:
    """The host that it is connected to is known."""
    values, peer = span.values, peer_of(connection)
    for name in ("db.namespace", "server.address", "server.port"):
        values.pop(name, None)
    peer.stamp(span)
    db.operation(span, "connect", peer.target)


def not_connected(span: Any, error: BaseException) -> None:
    """No connection came about. Messages about a malformed connection string quote it, password and all."""
    text = str(error).partition("\n")[0]
    quoting = type(error).__name__ == "ProgrammingError" or "@" in text
    db.failed(span, error, getattr(error, "sqlstate", None), "" if quoting else text)


def shared(wrap: Wrap) -> Wrap:
    """``wrap`` for a class method that also stands in the module, bound: one function for both, as without us."""
    made: dict[Any, Any] = {}

    def once(original: Any, engine: Engine) -> Any:
        function = getattr(original, "__func__", original)
        wrapper = made.get(function)
        if wrapper is None:
            wrapper = made[function] = update_wrapper(wrap(function, engine), function)
        return wrapper if original is function else MethodType(wrapper, original.__self__)

    return once
