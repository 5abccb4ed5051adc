"""SQL comments in psycopg's statements, with ``OTEL_PYTHON_SQLCOMMENTER=true``.

The rule: every comment makes another text, and psycopg prepares on the server a text that it has seen
``prepare_threshold`` times (5 by default). So `execute` puts a comment into a statement that many times on one
connection; from then on the statement goes out as it is, and is prepared as it would be untraced, later by so many
runs. Statements that are never prepared always have one: with ``prepare_threshold=None`` or ``prepare=False``, on
client cursors and server-side cursors, in `stream` and `copy`. Statements that are prepared at once never have one:
with ``prepare=True`` and in `executemany`. Template strings are left alone, and so is what holds a comment already. In
a pipeline the comment names the parent of the pipeline's span.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_instrumentations._dbapi import comment_of, commented

if TYPE_CHECKING:
    from types import ModuleType

    from tracing_agent.trace.carrier import Carrier
    from tracing_instrumentations._psycopg_text import Reader

_KEY = "_tracing_agent_comments"
# Texts of one connection whose comments are counted; past it the counting starts anew.
_TEXTS_MAX = 256


class Commenter:
    """Puts comments into the arguments of psycopg's calls, in the two ways that `drivers.rewritten` can be given."""

    __slots__ = ("_client_cursors", "_composable", "_composed", "_read", "_sql")

    def __init__(self, psycopg: ModuleType, read: Reader) -> None:
        self._client_cursors = (psycopg.ClientCursor, psycopg.AsyncClientCursor)
        self._composable: type[Any] = psycopg.sql.Composable
        self._composed: type[Any] = psycopg.sql.Composed
        self._sql: type[Any] = psycopg.sql.SQL
        self._read = read

    def always(self, carrier: Carrier, identity: Any, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """A comment for a statement that is not prepared."""
        if len(args) < 2:
            return args
        cursor, statement, *rest = args
        with_parameters = (rest[0] if rest else kwargs.get("params")) is not None
        return (cursor, self._commented(statement, comment_of(carrier, identity), with_parameters), *rest)

    def until_prepared(self, carrier: Carrier, identity: Any, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """A comment for a statement that may be prepared some time."""
        if len(args) < 2 or kwargs.get("prepare"):
            return args
        cursor, statement = args[:2]
        connection = cursor.connection
        threshold = connection.prepare_threshold
        if not (kwargs.get("prepare") is False or threshold is None or isinstance(cursor, self._client_cursors)):
            counts: dict[str, int] | None = getattr(connection, _KEY, None)
            if counts is None:
                counts = {}
                object.__setattr__(connection, _KEY, counts)
            text, _ = self._read(statement)
            count = counts.get(text, 0)
            if count >= threshold:
                return args
            if len(counts) >= _TEXTS_MAX:
                counts.clear()
            counts[text] = count + 1
        return self.always(carrier, identity, *args, **kwargs)

    def _commented(self, statement: Any, pairs: dict[str, str], with_parameters: bool) -> Any:
        if not isinstance(statement, self._composable):
            return commented(statement, pairs, with_parameters)
        text, _ = self._read(statement)
        longer: str = commented(text, pairs, with_parameters)
        # Where something has to stay behind the comment, a composed statement cannot be cut open.
        if longer == text or not longer.startswith(text):
            return statement
        return self._composed([statement, self._sql(longer[len(text) :])])
