"""What a database client span says, whatever the database: which one, what was asked, how it ended.

A library's module describes a call by these steps: `Peer.stamp` (where it goes), then `query` or `operation`, `batch`
where several operations go in one message, `returned_rows`, and `failed` in place of `semconv.errors.failed`.
Source: semantic conventions 1.44, "Database client spans".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace.status import Status, StatusCode

from tracing_agent.semconv.db_settings import DatabaseSettings
from tracing_agent.semconv.errors import error_type, interrupted, message
from tracing_agent.semconv.sql import SUMMARY_LIMIT, analysed

if TYPE_CHECKING:
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.identity import Origin
    from tracing_agent.trace.span import Span

#: The attribute of what connections are made by, or of a connection itself, that holds its peer.
PEER = "_tracing_agent_peer"
# Peers remembered by one instrumentation; past it they are forgotten and learned anew.
_PEERS_MAX = 256


def settings_of(engine: Engine) -> DatabaseSettings:
    """The database settings under ``engine``."""
    return engine.database or DatabaseSettings()


class Peer:
    """One database on one server: what all spans of the connections to it share, held and encoded once.

    ``attributes`` are theirs in common; ``target`` names the database in a span's name where nothing better does.
    """

    __slots__ = ("attributes", "origin", "target")

    def __init__(self, attributes: dict[str, Any], target: str) -> None:
        self.attributes = attributes
        self.target = target
        #: That of the spans stamped last; None before the first, and when more is known.
        self.origin: Origin | None = None

    def reached(self, address: str, port: int) -> None:
        """A connection was made, to this IP address: spans stamped from now on tell it."""
        network = {"network.peer.address": address, "network.peer.port": port}
        if self.attributes.get("network.peer.address") != address or self.attributes.get("network.peer.port") != port:
            self.attributes = {**self.attributes, **network}
            self.origin = None

    def stamp(self, span: Span) -> None:
        """Let ``span`` have the attributes of this peer: those that it has in common with the spans to it.

        May be done again when more is known of the peer; not with one peer after another.
        """
        base, origin = span.origin, self.origin
        span.origin = origin if origin is not None and origin.engine is base.engine else self.joined(base)

    def joined(self, base: Origin) -> Origin:
        """What spans to this peer share, if others share ``base``."""
        attributes = {**base.attributes, **self.attributes}
        self.origin = origin = base.engine.origin(base.scope, base.kind, attributes, base.suppresses)
        return origin


class Peers:
    """The peers of one instrumentation, whose operations have one scope, kind, key and constant attributes.

    A connection computes its peer once and holds it; connections to one database share it.
    """

    __slots__ = ("_default_port", "_known")

    def __init__(self, default_port: int) -> None:
        self._default_port = default_port
        self._known: dict[tuple[str, int, str], Peer] = {}

    def peer(self, address: str, port: int, namespace: str) -> Peer:
        """The peer at ``address``: a name, an IP address or the path of a unix socket; "" where it is not known.

        ``port`` is 0 where there is none; the default port is not told. ``namespace`` is "" where it is not known.
        """
        key = (address, port, namespace)
        peer = self._known.get(key)
        if peer is None:
            if len(self._known) >= _PEERS_MAX:
                self._known.clear()
            peer = self._known[key] = self._make(address, port, namespace)
        return peer

    def _make(self, address: str, port: int, namespace: str) -> Peer:
        attributes: dict[str, Any] = {}
        if namespace:
            attributes["db.namespace"] = namespace
        if address:
            attributes["server.address"] = address
            if port and port != self._default_port:
                attributes["server.port"] = port
        return Peer(attributes, namespace or (f"{address}:{port}" if address and port else address))


def query(span: Span, peer: Peer, text: str, sanitise: bool) -> None:
    """SQL text goes to ``peer``: sanitised, or as given where its values travel apart from it. Names the span."""
    peer.stamp(span)
    name, values = described((text, sanitise, peer.target))
    span._name = name or span._name
    span.values.update(values)


def described(said: tuple[str, bool, str]) -> tuple[str, dict[str, Any]]:
    """Name and attributes of a query, by (text, whether to sanitise it, the peer's target)."""
    text, sanitise, target = said
    text, summary = analysed(text, sanitise)
    if summary:
        return summary, {"db.query.text": text, "db.query.summary": summary}
    return target, {"db.query.text": text}


def operation(span: Span, name: str, target: str = "") -> None:
    """A command that is no query text, named as the library or the protocol names it. Names the span."""
    span.values["db.operation.name"] = name
    span._name = f"{name} {target}" if target else name


def batch(span: Span, size: int, same: str = "", word: str = "BATCH") -> str:
    """``size`` operations in one message; ``same`` is the summary or name that they have in common, "" if none.

    Gives the span's new name, which is also its summary or operation name. One operation is no batch.
    """
    if size == 1:
        name = same or span._name
    else:
        span.values["db.operation.batch.size"] = size
        name = f"{word} {same}" if same else word
        name = name if len(name) <= SUMMARY_LIMIT else word
    span._name = name
    return name


def returned_rows(span: Span, count: int) -> None:
    """The database gave so many rows."""
    span.values["db.response.returned_rows"] = count


def failed(span: Span, error: BaseException, code: str | None = None, text: str | None = None) -> None:
    """The call raised; ``code`` is the database's own status code, ``text`` the message if not the exception's.

    An operation that was told to stop (a cancelled task, a closed generator) has no error.
    """
    if interrupted(error):
        return
    values = span.values
    if code:
        values["db.response.status_code"] = values["error.type"] = code
    else:
        values["error.type"] = error_type(error)
    span._status = Status(StatusCode.ERROR, (message(error) if text is None else text) or None)
