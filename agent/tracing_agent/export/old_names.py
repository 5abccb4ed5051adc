"""Old attribute names beside the current ones, for backends that know only those: on the way out and nowhere else.

``OTEL_SEMCONV_STABILITY_OPT_IN=http/dup,database/dup`` asks for it. The current names are always sent, so
that a group without ``/dup`` changes nothing. Source: semantic conventions, "Migrating to stable conventions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tracing_agent.trace.span import Span

    Attributes = Mapping[str, Any]
    #: By current name: the old name, or names and values made from the value and the other attributes.
    Names = Mapping[str, "str | Callable[[Any, Attributes], Iterable[tuple[str, Any]]]"]


def _database_name(namespace: str, attributes: Attributes) -> Iterable[tuple[str, Any]]:
    yield "db.name", namespace.partition("|")[0]


def _database_index(namespace: str, attributes: Attributes) -> Iterable[tuple[str, Any]]:
    if namespace.isdigit():
        yield "db.redis.database_index", int(namespace)


_DATABASE: Names = {
    "db.system.name": "db.system",
    "db.namespace": _database_name,
    "db.query.text": "db.statement",
    "db.operation.name": "db.operation",
    "db.collection.name": "db.sql.table",
    "server.address": "net.peer.name",
    "server.port": "net.peer.port",
}
_REDIS: Names = {**_DATABASE, "db.namespace": _database_index}


def _method(method: str, attributes: Attributes) -> Iterable[tuple[str, Any]]:
    yield "http.method", attributes.get("http.request.method_original", method)


def _target(path: str, attributes: Attributes) -> Iterable[tuple[str, Any]]:
    query = attributes.get("url.query")
    yield "http.target", f"{path}?{query}" if query else path


def _flavor(version: str, attributes: Attributes) -> Iterable[tuple[str, Any]]:
    yield "http.flavor", version if "." in version else f"{version}.0"


_HTTP: Names = {
    "http.request.method": _method,
    "http.response.status_code": "http.status_code",
    "http.request.body.size": "http.request_content_length",
    "http.response.body.size": "http.response_content_length",
    "http.request.resend_count": "http.resend_count",
    "network.protocol.version": _flavor,
    "network.peer.address": "net.sock.peer.addr",
    "network.peer.port": "net.sock.peer.port",
    "user_agent.original": "http.user_agent",
}
_HTTP_CLIENT: Names = {
    **_HTTP,
    "url.full": "http.url",
    "server.address": "net.peer.name",
    "server.port": "net.peer.port",
}
_HTTP_SERVER: Names = {
    **_HTTP,
    "url.scheme": "http.scheme",
    "url.path": _target,
    "client.address": "http.client_ip",
    "server.address": "net.host.name",
    "server.port": "net.host.port",
}

#: By group: which spans it is about (kind, an attribute that they have, its value or None for any), and their names.
#: The first that fits a span is taken.
TABLES: dict[str, tuple[tuple[SpanKind, str, str | None, Names], ...]] = {
    "database": (
        (SpanKind.CLIENT, "db.system.name", "redis", _REDIS),
        (SpanKind.CLIENT, "db.system.name", None, _DATABASE),
    ),
    "http": (
        (SpanKind.SERVER, "http.request.method", None, _HTTP_SERVER),
        (SpanKind.CLIENT, "http.request.method", None, _HTTP_CLIENT),
    ),
}


class OldNames:
    """Adds old names to ended spans. ``opted`` are the parts of the variable's value."""

    def __init__(self, opted: Iterable[str]) -> None:
        self._tables = [table for group, tables in TABLES.items() if f"{group}/dup" in tuple(opted) for table in tables]

    def __bool__(self) -> bool:
        return bool(self._tables)

    def apply(self, spans: Sequence[Span]) -> None:
        """Add them to the values of each span; a name that the span has already stays as it is."""
        for span in spans:
            attributes = span._attributes
            names = self._names(span.origin.kind, attributes)
            for current, old in () if names is None else names.items():
                if current in attributes:
                    value = attributes[current]
                    for name, former in ((old, value),) if isinstance(old, str) else old(value, attributes):
                        if name not in attributes:
                            span.values[name] = former

    def _names(self, kind: SpanKind, attributes: Mapping[str, Any]) -> Names | None:
        for wanted, key, value, names in self._tables:
            if kind is wanted and key in attributes and value in (None, attributes[key]):
                return names
        return None
