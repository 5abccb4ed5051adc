"""The text of psycopg's composed queries and template strings, without adapting a value or showing one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.semconv.sql import LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator


class Reader:
    """Reads queries that are no str, in at most about `LIMIT` characters.

    ``sql`` is psycopg's module of that name; ``template`` the class of template strings, None where there are none.
    Literals are shown as ``?``, parameters of a template as ``$1``, ``$2`` …
    """

    def __init__(self, sql: Any, template: type[Any] | None = None) -> None:
        self._composed: type[Any] = sql.Composed
        self._composable: type[Any] = sql.Composable
        self._identifier: type[Any] = sql.Identifier
        self._plain: tuple[type[Any], ...] = (sql.SQL, sql.Placeholder)
        self._template = template

    def __call__(self, query: Any) -> tuple[str, bool]:
        """The text, and whether values are in it: what psycopg will refuse has none."""
        if isinstance(query, str):
            return query, True
        if isinstance(query, bytes):
            return query.decode("utf-8", "replace"), True
        if isinstance(query, self._composable):
            return self._joined(self._pieces(query)), True
        if self._template is not None and isinstance(query, self._template):
            parameters: list[int] = []
            text = self._joined(self._template_pieces(query, parameters))
            return text, not parameters
        return "", True

    def _joined(self, pieces: Iterator[str]) -> str:
        parts, size = [], 0
        for piece in pieces:
            parts.append(piece)
            size += len(piece)
            if size > LIMIT:
                break
        return "".join(parts)

    def _pieces(self, part: Any) -> Iterator[str]:
        if isinstance(part, self._composed):
            for inner in part:
                yield from self._pieces(inner)
        elif isinstance(part, self._identifier):
            # Its own way asks the connection how to quote, and until 3.2 needs one.
            yield ".".join([_quoted(name) for name in part._obj])
        elif isinstance(part, self._plain):
            yield part.as_string(None)
        else:
            yield "?"

    def _template_pieces(self, template: Any, parameters: list[int]) -> Iterator[str]:
        for part in template:
            if isinstance(part, str):
                yield part
            elif self._template is not None and isinstance(part.value, self._template):
                yield from self._template_pieces(part.value, parameters)
            elif isinstance(part.value, self._composable):
                yield from self._pieces(part.value)
            elif part.format_spec == "i":
                yield _quoted(part.value) if isinstance(part.value, str) else "?"
            elif part.format_spec == "l":
                yield "?"
            else:
                parameters.append(len(parameters) + 1)
                yield f"${len(parameters)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
