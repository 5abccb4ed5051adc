"""PostgreSQL, whatever the library: which database a connection goes to, and what its errors say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracing_agent.semconv.db import Peer, Peers
from tracing_agent.semconv.db import failed as db_failed

if TYPE_CHECKING:
    from tracing_agent.trace.span import Span

DEFAULT_PORT = 5432
ATTRIBUTES = {"db.system.name": "postgresql"}

_peers = Peers(DEFAULT_PORT)
_search_path = re.compile(r"(?:-c\s*|--)search_path\s*=\s*([^\s]+)")


def peer(host: str, port: int, database: str, options: str = "", search_path: str = "") -> Peer:
    """The peer of a connection. ``host`` is a name, an address, or the folder of a unix socket, as libpq has it.

    The namespace is ``database|schema`` where the first schema is named by the server (``search_path``, which it
    reports from version 18 on) or in the ``options`` of the connection, otherwise the database. It is that of the time
    at which the connection was made.
    """
    if host.startswith(("/", "@")):
        host, port = f"{host}/.s.PGSQL.{port or DEFAULT_PORT}", 0
    found = _search_path.search(options)
    schema = _first(search_path) or (_first(found[1]) if found else "")
    return _peers.peer(host, port, f"{database}|{schema}" if database and schema else database)


def _first(search_path: str) -> str:
    first = search_path.partition(",")[0].strip().strip('"')
    # Named after the user, and in effect only if it exists, which nobody says.
    return "" if first == "$user" else first


def failed(span: Span, error: BaseException) -> None:
    """The call raised: SQLSTATE, and the first line of the message; those below it quote statement and values."""
    try:
        text = str(error).partition("\n")[0]
    except Exception:
        text = ""
    db_failed(span, error, getattr(error, "sqlstate", None), text)
