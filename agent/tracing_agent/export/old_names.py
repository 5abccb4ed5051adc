"""Old attribute names beside the current ones, for backends that know only those: on the way out and nowhere else.

``OTEL_SEMCONV_STABILITY_OPT_IN=database/dup`` (and other groups) asks for it. The current names are always sent, so
that a group without ``/dup`` changes nothing. Source: semantic conventions, "Migrating to stable conventions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tracing_agent.trace.span import Span

    #: By current name: the old name, or names and values made from the value.
    Names = Mapping[str, "str | Callable[[Any], Iterable[tuple[str, Any]]]"]


def _database_name(namespace: str) -> Iterable[tuple[str, Any]]:
    yield "db.name", namespace.partition("|")[0]


def _database_index(namespace: str) -> Iterable[tuple[str, Any]]:
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

#: By group: which spans it is about (kind, an attribute that they have, its value or None for any), and their names.
#: The first that fits a span is taken.
TABLES: dict[str, tuple[tuple[SpanKind, str, str | None, Names], ...]] = {
    "database": (
        (SpanKind.CLIENT, "db.system.name", "redis", _REDIS),
        (SpanKind.CLIENT, "db.system.name", None, _DATABASE),
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
                    for name, former in ((old, value),) if isinstance(old, str) else old(value):
                        if name not in attributes:
                            span.values[name] = former

    def _names(self, kind: SpanKind, attributes: Mapping[str, Any]) -> Names | None:
        for wanted, key, value, names in self._tables:
            if kind is wanted and key in attributes and value in (None, attributes[key]):
                return names
        return None
