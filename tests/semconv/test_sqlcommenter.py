"""Trace context appended to SQL as a comment."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semconv.properties import untimed
from tracing_agent.semconv.sql import LIMIT
from tracing_agent.semconv.sqlcommenter import append_comment

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PAIRS = {"tracestate": "congo=t61,rojo=0", "traceparent": PARENT}
COMMENT = f"/*traceparent='{PARENT}',tracestate='congo%3Dt61%2Crojo%3D0'*/"


@pytest.mark.parametrize(
    ("query", "commented"),
    [
        ("SELECT 1", f"SELECT 1 {COMMENT}"),
        ("SELECT 1;", f"SELECT 1 {COMMENT};"),
        ("SELECT 1 ; \n", f"SELECT 1 {COMMENT} ; \n"),
        ("SELECT '--', \"/*\", $$ -- $$", f"SELECT '--', \"/*\", $$ -- $$ {COMMENT}"),
        ("SELECT E'\\'--'", f"SELECT E'\\'--' {COMMENT}"),
    ],
)
def test_appends(query: str, commented: str) -> None:
    """The comment stands behind the statement and before its semicolon; a mark inside a literal is no comment."""
    assert append_comment(query, PAIRS) == commented


@pytest.mark.parametrize(
    "query",
    ["SELECT 1 -- a", "/* a */ SELECT 1", "SELECT 1 --", "", " ;\n", f"SELECT '--{'x' * LIMIT}'"],
)
def test_leaves_alone(query: str) -> None:
    """A statement with a comment, an empty one and one too long to look for a comment are not changed."""
    assert append_comment(query, PAIRS) == query


def test_leaves_alone_without_pairs() -> None:
    """Without anything to say no comment is made."""
    assert append_comment("SELECT 1", {}) == "SELECT 1"


def test_doubles_the_percent_sign() -> None:
    """For a driver that reads placeholders the encoded characters are no placeholders."""
    commented = append_comment("SELECT %s", {"a": "b=c"}, percent_doubled=True)
    assert commented == "SELECT %s /*a='b%%3Dc'*/"
    assert commented % ("x",) == "SELECT x /*a='b%3Dc'*/"


@untimed
@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1))
def test_no_value_ends_the_comment(pairs: dict[str, str]) -> None:
    """Whatever the keys and values hold, the comment is one comment, sorted, from which they can be read back."""
    comment = append_comment("SELECT 1", pairs).removeprefix("SELECT 1 /*").removesuffix("*/")
    assert "*/" not in comment
    assert comment.count("'") == 2 * len(pairs)
    items = comment.split(",")
    assert items == sorted(items)
    read = {unquote(key): unquote(value.strip("'")) for key, value in (item.split("=") for item in items)}
    assert read == {_kept(key): _kept(value) for key, value in pairs.items()}


def _kept(text: str) -> str:
    return text.encode(errors="replace").decode()
