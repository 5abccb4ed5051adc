"""Sanitises SQL text and summarises it: the values of `db.query.text` and `db.query.summary`.

Source: semantic conventions 1.44, "Database client spans": sanitization of `db.query.text`, generating a summary of
the query.

Text. Every literal becomes `?`: strings (doubled quotes, `E''`, `B''`, `X''`, `N''`, `U&''`, dollar quotes), numbers
with the sign before them (exponents, hexadecimal, digit separators) and booleans; of dates and intervals the string
or number. Comments are removed, the whitespace around them stays. `IN (?, ?, ?)` becomes `IN (?)`. Names, quoted
names, placeholders, `NULL` and casts stay. Text is cut to `LIMIT` characters first; a literal, comment or quoted name
without an end goes whole.

Summary. Operations and what they work on, as written, in the order of the text, separated by one space, whole words
in at most `SUMMARY_LIMIT` characters. Every SELECT counts, also in parentheses and after UNION. Worked on are:
tables, views and functions after FROM, JOIN, INTO, UPDATE, USING and a comma among these; the object of a CREATE,
ALTER or DROP; the procedure of a CALL; the channel of a LISTEN, the parameter of a SET. Not counted are names of
common table expressions, which are no tables, and of cursors, savepoints and prepared transactions, which are made
per session; and the body of a view or routine, which its definition does not run. The summaries of several statements
follow one another. A text that starts with no known command has an empty summary.
"""

from __future__ import annotations

from tracing_agent.semconv.sql_reader import Reader
from tracing_agent.semconv.sql_tokens import tokens

LIMIT = 16_384
SUMMARY_LIMIT = 255

_CACHED_TEXTS = 512
_CACHED_CHARACTERS = 131_072


def analyse(query: str) -> tuple[str, str]:
    """The sanitised text and the summary of `query`; never raises, in time linear in the length up to `LIMIT`."""
    reader = Reader(tokens(query[:LIMIT]))
    reader.read()
    return "".join(reader.tokens), _bounded(reader.parts)


def _bounded(parts: list[str]) -> str:
    summary = " ".join(parts)
    if len(summary) <= SUMMARY_LIMIT:
        return summary
    size, kept = -1, 0
    for part in parts:
        size += len(part) + 1
        if size > SUMMARY_LIMIT:
            break
        kept += 1
    return " ".join(parts[:kept])


class _Known:
    """Results by text in two generations: a full one replaces the one before it, what is asked for moves up."""

    __slots__ = ("characters", "earlier", "recent")

    def __init__(self) -> None:
        self.recent: dict[str, tuple[str, str]] = {}
        self.earlier: dict[str, tuple[str, str]] = {}
        self.characters = 0

    def add(self, query: str, result: tuple[str, str]) -> None:
        characters = self.characters + len(query) + len(result[0])
        if characters > _CACHED_CHARACTERS or len(self.recent) >= _CACHED_TEXTS:
            self.earlier, self.recent = self.recent, {}
            characters = len(query) + len(result[0])
        self.recent[query] = result
        self.characters = characters


#: Results of `analysed`, by query.
SANITISED, AS_GIVEN = _Known(), _Known()


def analysed(query: str, sanitise: bool) -> tuple[str, str]:
    """The text to record and the summary of `query`, from a bounded cache where it is known.

    The text is sanitised, or for `sanitise` false (parameterised text) as given, in either case at most `LIMIT`
    characters: texts that agree up to there share an entry. Either way two generations are held, each of at most
    `_CACHED_TEXTS` texts and `_CACHED_CHARACTERS` characters of query and result.
    """
    if len(query) > LIMIT:
        query = query[:LIMIT]
    known = SANITISED if sanitise else AS_GIVEN
    result = known.recent.get(query)
    if result is None:
        result = known.earlier.get(query)
        if result is None:
            text, summary = analyse(query)
            result = (text if sanitise else query, summary)
        known.add(query, result)
    return result


def sanitise(query: str) -> str:
    """`query` with every literal replaced by `?` and comments removed."""
    return analyse(query)[0]


def summarise(query: str) -> str:
    """The operations of `query` and what they work on, such as `INSERT archive SELECT orders`."""
    return analyse(query)[1]
