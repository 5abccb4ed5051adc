"""Appends trace context to SQL text as a comment, for databases that log or store the text that they run.

Source: the sqlcommenter specification; semantic conventions 1.44, "Database client spans", context propagation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from tracing_agent.semconv.sql import LIMIT
from tracing_agent.semconv.sql_tokens import tokens

if TYPE_CHECKING:
    from collections.abc import Mapping


def append_comment(query: str, pairs: Mapping[str, str], *, percent_doubled: bool = False) -> str:
    """`query` with `pairs` behind it as ` /*key='value',…*/`, before the semicolons and whitespace at its end.

    Keys and values are URL-encoded, which leaves no quote to escape, and sorted. Where the driver reads `%` as the
    start of a placeholder (psycopg, whenever parameters are given) the caller asks for `percent_doubled`, or an
    encoded character would be refused as a malformed one.

    Unchanged are: a text that holds a comment already, of either form (a comment's mark inside a string or a quoted
    name is none); a text over `LIMIT` characters with a comment's mark anywhere, which is not read to tell; an empty
    one; and any where `pairs` is empty.
    """
    end = len(query.rstrip("; \t\n\r\f\v"))
    if not pairs or not end or _commented(query):
        return query
    items = sorted(f"{_encoded(key)}='{_encoded(value)}'" for key, value in pairs.items())
    comment = f" /*{','.join(items)}*/"
    if percent_doubled:
        comment = comment.replace("%", "%%")
    return query[:end] + comment + query[end:]


def _encoded(text: str) -> str:
    return quote(text, safe="", errors="replace")


def _commented(query: str) -> bool:
    if "--" not in query and "/*" not in query:
        return False
    return len(query) > LIMIT or any(token.startswith(("--", "/*")) for token in tokens(query))
