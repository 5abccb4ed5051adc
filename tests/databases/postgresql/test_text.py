"""The text of composed queries and template strings: read without adapting a value, and without showing one."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from psycopg import sql

from tracing_agent.semconv.sql import LIMIT
from tracing_instrumentations._psycopg_text import Reader


class Interpolation:
    """What `string.templatelib` of Python 3.14 makes of ``{value:format}``."""

    def __init__(self, value: Any, format_spec: str = "") -> None:
        self.value = value
        self.format_spec = format_spec


class Template(tuple[Any, ...]):
    """What it makes of a template string: text and interpolations in turn."""

    __slots__ = ()


class Unadaptable:
    """A value that says nothing of itself."""

    def __repr__(self) -> str:
        raise AssertionError

    __str__ = __bytes__ = __repr__


TABLE = sql.Identifier("own", 'of "all"')


@pytest.mark.parametrize(
    ("query", "text", "bare"),
    [
        ("SELECT 1", "SELECT 1", True),
        (b"SELECT '\xff'", "SELECT '\ufffd'", True),
        (sql.SQL("SELECT * FROM {}").format(TABLE), 'SELECT * FROM "own"."of ""all"""', True),
        (sql.Literal(Unadaptable()), "?", True),
        (sql.Composed([sql.SQL("a"), sql.Composed([sql.Placeholder("b")])]), "a%(b)s", True),
        (None, "", True),
        (5, "", True),
        (Template(["SELECT ", Interpolation(Unadaptable())]), "SELECT $1", False),
        (Template([Interpolation(1), " ", Interpolation(2, "b"), Interpolation(3, "l")]), "$1 $2?", False),
        (Template(["SELECT ", Interpolation('a"b', "i"), Interpolation(5, "i")]), 'SELECT "a""b"?', True),
        (Template([Interpolation(TABLE, "i"), Interpolation(sql.SQL("x"), "q")]), '"own"."of ""all"""x', True),
        (Template(["a ", Interpolation(Template(["b ", Interpolation(1)]), "q"), Interpolation(2)]), "a b $1$2", False),
    ],
)
def test_text(query: Any, text: str, bare: bool) -> None:
    """Names and text are shown, values are not; a template with parameters has its values apart."""
    assert Reader(sql, Template)(query) == (text, bare)


def test_templates_of_this_python() -> None:
    """Where the interpreter has no template strings, none are looked for."""
    assert Reader(sql)(Template(["SELECT 1"])) == ("", True)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="template strings came with Python 3.14")
def test_real_template() -> None:
    """The interpreter's own template strings are read."""
    from string import templatelib

    template = templatelib.Template("SELECT ", templatelib.Interpolation(1, "x", None, ""))
    assert Reader(sql, templatelib.Template)(template) == ("SELECT $1", False)


def test_long_queries_are_not_read_to_the_end() -> None:
    """A query composed of very many parts is read up to the length that is recorded."""
    read = []

    class Part(sql.SQL):
        def as_string(self, context: Any = None) -> str:
            read.append(self)
            return super().as_string(context)

    text, _ = Reader(sql)(sql.Composed([Part("x" * 1000)] * 1000))
    assert LIMIT < len(text) < LIMIT + 1001
    assert len(read) < 20
