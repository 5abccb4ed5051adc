"""What the reserved words and the punctuation of SQL do to a reader of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracing_agent.semconv import sql_words as words

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.semconv.sql_reader import Reader

# What a reader expects. These four pass over plain words.
IDLE, TABLES, IGNORED, MORE = range(4)
# These do not; from COMMAND on it stands in a command's own phrase.
START, SEEK, WITHS, TABLE, INTO, WITH, OBJECT, COMMAND, NAMED, PHRASE = range(4, 14)

# Expected inside parentheses (IDLE where not named), and after a name or the parentheses (the same where not named).
INSIDE = {TABLE: TABLE, IGNORED: IGNORED, START: START, WITHS: START}
AFTER = {TABLE: TABLES, INTO: IDLE, START: IDLE}

_READING = frozenset(("SELECT", "UPDATE", "DELETE"))
_WRITING = frozenset(("INSERT", "MERGE", "REPLACE", "SELECT"))


def _select(reader: Reader, token: str, _at: int) -> None:
    # In a phrase it is a privilege: GRANT SELECT.
    if reader.clause not in (PHRASE, IGNORED):
        reader.parts.append(token)
        reader.clause, reader.verb = IDLE, "SELECT"


def _from(reader: Reader, _token: str, at: int) -> None:
    # Neither IS DISTINCT FROM nor EXTRACT(… FROM …), which stands in parentheses of its own, names a table.
    if reader.verb in _READING and (reader.distinct_at < 0 or reader.before(at) != reader.distinct_at):
        reader.clause = TABLE


def _join(reader: Reader, _token: str, _at: int) -> None:
    if reader.verb in _READING:
        reader.clause = TABLE


def _into(reader: Reader, _token: str, _at: int) -> None:
    if reader.verb in _WRITING:
        reader.clause = INTO


def _using(reader: Reader, _token: str, _at: int) -> None:
    if reader.verb in ("DELETE", "MERGE"):
        # From here on it reads like a SELECT, and USING belongs to a JOIN.
        reader.clause, reader.verb = TABLE, "SELECT"


def _with(reader: Reader, _token: str, _at: int) -> None:
    clause = reader.clause
    if clause in (START, SEEK, TABLE) or (clause == IDLE and reader.verb in ("", "INSERT")):
        reader.clause = WITH


def _clause(reader: Reader, token: str, _at: int) -> None:
    if reader.clause in (TABLES, TABLE, INTO):
        reader.clause = IDLE
    elif reader.clause > MORE:
        reader.name(token)


def _begin(reader: Reader, token: str, _at: int) -> None:
    if reader.verb == "ROUTINE":
        reader.routine = True
    elif reader.clause > MORE:
        reader.name(token)


def _distinct(reader: Reader, _token: str, at: int) -> None:
    reader.distinct_at = at


def _in(reader: Reader, _token: str, at: int) -> None:
    reader.in_at = at


def _boolean(reader: Reader, token: str, at: int) -> None:
    reader.tokens[at] = reader.tokens[at][: -len(token)] + "?"


def _semicolon(reader: Reader, _token: str, _at: int) -> None:
    # Semicolons separate statements inside a routine's body too.
    if not reader.routine:
        reader.outer.clear()
        reader.withs.clear()
        reader.clause, reader.verb = START, ""


_BY_WORD: dict[str, Callable[[Reader, str, int], None]] = dict.fromkeys(words.CLAUSES, _clause) | {
    "SELECT": _select,
    "FROM": _from,
    "JOIN": _join,
    "STRAIGHT_JOIN": _join,
    "INTO": _into,
    "USING": _using,
    "WITH": _with,
    "BEGIN": _begin,
    "DISTINCT": _distinct,
    "IN": _in,
    "TRUE": _boolean,
    "FALSE": _boolean,
}
ACTIONS = _BY_WORD | {word.lower(): action for word, action in _BY_WORD.items()} | {";": _semicolon}
