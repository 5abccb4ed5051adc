"""The work of reading SQL is linear in its length, by counting."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, SupportsIndex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semconv.properties import untimed
from semconv.steps import Matcher
from tracing_agent.semconv import sql, sql_tokens
from tracing_agent.semconv.sql_reader import Reader

PARTS = r"""
    ' '' " "" ` `` [ ] ( ) , ; . .1 1 1e 1e- +1 - -- / /* */ * \ \' E' e'\ x' U&' U& '-- E''-- a a. a." a.` a.[ [a
    $ $1 $a $$ % %( %(a %s : :: @ # ? ?1 = é
"""
parts = st.sampled_from([*PARTS.split(), " ", "\n", "\r", "'\n", "' \n '", "'--\r'", "[a ", "-- \n"])


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
    assert steps(sql_tokens._TOKEN, thrice) <= 80 * len(thrice)


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
    ["a IN (", "a IN (1, ", "a IN (1, 2), ", "IN (IN (1))", "/**/", "1,", "/*/*", "$$ $$", "(", ")", "IN ( ,"],
)
@pytest.mark.parametrize("end", ["", ")" * 3000])
def test_reading_is_linear(repeated: str, end: str) -> None:
    """No text, nested lists of IN included, makes the reader touch its tokens more than a few times each."""
    tokens = _Counted(sql_tokens.tokens(repeated * 1000 + end))
    Reader(tokens).read()
    assert tokens.touched <= 5 * len(tokens)


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
