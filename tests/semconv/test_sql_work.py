"""The work of reading SQL is linear in its length, by counting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, SupportsIndex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semconv.properties import untimed
from semconv.steps import Matcher
from tracing_agent.semconv import sql, sql_kinds, sql_tokens
from tracing_agent.semconv.sql_reader import Reader

PARTS = r"""
    ' '' " "" ` `` [ ] ( ) , ; . .1 1 1e 1e- +1 - -- / /* */ * \ \' E' e'\ x' U&' U& '-- E''-- a a. a." a.` a.[ [a
    $ $1 $a $$ % %( %(a %s : :: @ # ? ?1 = é
"""
parts = st.sampled_from([*PARTS.split(), " ", "\n", "\r", "'\n", "' \n '", "'--\r'", "[a ", "-- \n"])
names = st.sampled_from(
    [" SELECT", " From", " INTO", " with", " update", " DELETE", " create", " TABLE", " in", " true", " distinct"]
    + [" JOIN", " values", " ,", " (", " )", " ab.c", ' "q"']
)
_AT_FIRST = frozenset(sql_kinds.KNOWN)


def steps(pattern: re.Pattern[str], text: str) -> int:
    matcher = Matcher(pattern)
    assert matcher.tokens(text) == pattern.findall(text)
    return matcher.steps


@untimed
@given(st.lists(parts, max_size=3).map("".join), st.lists(parts, min_size=1, max_size=5).map("".join))
def test_matching_is_linear(lead: str, repeated: str) -> None:
    """Three times the text takes three times the matcher's steps, and no character more than a bounded number."""
    once, thrice = lead + repeated * 12, lead + repeated * 36
    assert steps(sql_tokens._TOKEN, thrice) <= 3.5 * steps(sql_tokens._TOKEN, once)
    assert steps(sql_tokens._TOKEN, thrice) <= 100 * len(thrice)


def test_a_pattern_that_is_not_linear_shows() -> None:
    """The count is one that a pattern which looks at characters again and again would fail."""
    pattern = re.compile("'[^']*'|'")
    assert steps(pattern, "'" + "''" * 36) <= 3.5 * steps(pattern, "'" + "''" * 12)
    again = re.compile("a*b|a")
    assert steps(again, "a" * 36) > 6 * steps(again, "a" * 12)


class _Counted(list[str]):
    """A list that counts what is read and written of it by index."""

    touched = 0

    def __getitem__(self, index: Any) -> Any:
        self.touched += len(range(*index.indices(len(self)))) if isinstance(index, slice) else 1
        return super().__getitem__(index)

    def __setitem__(self, index: SupportsIndex | slice, value: Any) -> None:
        self.touched += len(value) if isinstance(index, slice) else 1
        super().__setitem__(index, value)


@pytest.mark.parametrize(
    "repeated",
    ["a IN (", "a IN (1, ", "a IN (1, 2), ", "IN (IN (1))", "/**/", "1,", "/*/*", "$$ $$", "(", ")", "IN ( ,"]
    + ["IN (1, IN (", "IN ("],
)
@pytest.mark.parametrize("end", ["", ")" * 3000, "1" + " )" * 3000])
def test_reading_is_linear(repeated: str, end: str) -> None:
    """No text, nested lists of IN included, makes the reader touch its tokens more than a few times each."""
    tokens = _Counted(sql_tokens.tokens(repeated * 1000 + end))
    Reader(tokens).read()
    assert tokens.touched <= 5 * len(tokens)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("SELECT a, b.c ,d FROM t", 7),
        ('WHERE a=1 AND b = \'x\' OR "c"."d" > %s AND e<$1', 12),
        ("VALUES (1, 2),(?, 'x')", 9),
        ("\n  AND\n  a", 2),
    ],
)
def test_tokens_are_few(query: str, count: int) -> None:
    """A name, literal or placeholder is one token with the gap and the comma before it, as each token costs time."""
    assert len(sql_tokens.tokens(query)) == count


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The tokens that were learned, of none to begin with."""
    before = dict(sql_kinds.KNOWN)
    learned: list[str] = []
    learn = Reader.learn

    def noted(reader: Reader, at: int, kind: int) -> None:
        learned.append(reader.tokens[at])
        learn(reader, at, kind)

    monkeypatch.setattr(Reader, "learn", noted)
    for token in sql_kinds.KNOWN.keys() - _AT_FIRST:
        del sql_kinds.KNOWN[token]
    yield learned
    sql_kinds.KNOWN.clear()
    sql_kinds.KNOWN.update(before)


def test_a_name_is_told_once(known: list[str]) -> None:
    """A name that was read before is looked up, whatever literals stand around it."""
    for number in range(20):
        sql.analyse(f"SELECT total FROM orders WHERE customer = {number} AND \"big total\" > 'x{number}'")
    assert [token for token in known if known.count(token) > 1] == []
    assert " customer" in known


def test_no_literal_is_learned(known: list[str]) -> None:
    """What is remembered of a statement are names and gaps, and no literal, with an end or without."""
    literals = ["'zq7'", "E'zq7'", "N'zq7'", "77", "-77", "7e7", "$a$ zq7 $a$", "'zq7", '"zq7', "/* zq7 */ 1"]
    for literal in literals:
        sql.analyse(f"SELECT total FROM orders WHERE a = {literal}")
        sql.analyse(f"SELECT total FROM orders WHERE a={literal}")
    assert known
    assert not [token for token in known if "7" in token]


def test_what_is_learned_is_bounded(known: list[str]) -> None:
    """Neither many names nor long ones are remembered beyond the bounds."""
    for number in range(5_000):
        sql.analyse(f"SELECT name{number}, {'x' * 1_000}{number} FROM t")
    assert len(sql_kinds.KNOWN) == sql_kinds.KNOWN_MOST
    assert max(map(len, sql_kinds.KNOWN)) <= sql_kinds.KNOWN_LENGTH


@untimed
@given(st.lists(parts | names, max_size=20).map("".join))
def test_what_is_learned_changes_nothing(query: str) -> None:
    """A text reads the same whether its names were read before or not."""
    for token in sql_kinds.KNOWN.keys() - _AT_FIRST:
        del sql_kinds.KNOWN[token]
    first = sql.analyse(query)
    assert sql.analyse(query) == first


@pytest.mark.parametrize("repeated", ["/*", "/*/", "*/", "/**/", "$$", "$a$", "$a$ $b$ ", "$", "$a "])
def test_nested_text_is_read_once(repeated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where comments nest or dollars quote, each end is searched for once, from where its token starts."""
    searched: list[tuple[int, int]] = []

    def noted(name: str) -> None:
        search = getattr(sql_tokens, name)

        def search_and_note(text: str, start: int) -> Any:
            end = search(text, start)
            searched.append((start, start if end is None else end))
            return end

        monkeypatch.setattr(sql_tokens, name, search_and_note)

    noted("_comment_end")
    noted("_dollar_quote_end")
    text = repeated * 500 + "/* /* */ */ $$ $$"
    assert "".join(sql_tokens.tokens(text)) == text
    assert searched
    assert all(end <= start for (_, end), (start, _) in pairwise(searched))


def test_a_long_text_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of megabytes is read only as far as the limit."""
    read: list[int] = []
    monkeypatch.setattr(sql, "tokens", lambda text: read.append(len(text)) or [])
    sql.analyse("SELECT 1," * 1_000_000)
    assert read == [sql.LIMIT]
