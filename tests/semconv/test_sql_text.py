"""Sanitised SQL text: no literal stays, everything else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semconv.properties import untimed
from tracing_agent.semconv import sql
from tracing_agent.semconv.sql import analyse, sanitise
from tracing_agent.semconv.sql_tokens import tokens

MASKED = [
    ("SELECT 7, -7, +7", "SELECT ?, ?, ?"),
    ("SELECT 1.5, .5, -.5, 5., 0.25", "SELECT ?, ?, ?, ?, ?"),
    ("SELECT 1e9, 2.5E-10, -3e+4", "SELECT ?, ?, ?"),
    ("SELECT 40+2", "SELECT ??"),
    ("SELECT 40 + 2, a -1, a - 1, -a", "SELECT ? + ?, a ?, a - ?, -a"),
    ("SELECT 0xCAFE, 0b101, 0o17, 1_000_000", "SELECT ?, ?, ?, ?"),
    ("SELECT 'it''s', ''", "SELECT ?, ?"),
    ("SELECT 'two\nlines'", "SELECT ?"),
    (r"SELECT E'it\'s', e'a\\', E'a''b'", "SELECT ?, ?, ?"),
    ("SELECT E'a\\'b'\n'c\\'d' FROM t", "SELECT ? FROM t"),
    ("SELECT E'a' -- b\r--\n\n  'c\\'d' FROM t", "SELECT ? FROM t"),
    ("SELECT 'C:\\', x, 'b'", "SELECT ?, x, ?"),
    ("SELECT B'101', x'1F', N'n', U&'\\0061'", "SELECT ?, ?, ?, ?"),
    ("SELECT $$it's$$, $a$ $$ 'x' $b$ $a$", "SELECT ?, ?"),
    ("SELECT DATE '2026-01-02', INTERVAL '1 day', INTERVAL 1 DAY", "SELECT DATE ?, INTERVAL ?, INTERVAL ? DAY"),
    ("SELECT TRUE, false, NULL", "SELECT ?, ?, NULL"),
    ("SELECT { guid 'aaaa-bbbb' }", "SELECT { guid ? }"),
    ("SELECT a->>'k', a->1, a @> '{\"k\":1}', a[1:2]", "SELECT a->>?, a->?, a @> ?, a[?:?]"),
    ("SELECT * FROM t LIMIT 10 OFFSET 20", "SELECT * FROM t LIMIT ? OFFSET ?"),
    ("CREATE TABLE t (id int DEFAULT 5, name varchar(20))", "CREATE TABLE t (id int DEFAULT ?, name varchar(?))"),
    ("ALTER ROLE joe PASSWORD 'x'", "ALTER ROLE joe PASSWORD ?"),
]
KEPT = [
    "SELECT c3po, r2d2, x1y2z3 FROM covid19",
    'SELECT "col 1", s."T2" FROM "a ""b"" 3"',
    "SELECT `a 1` FROM [Order Details 2]",
    "SELECT %s, %(name)s, %(na.me-1)s, %b, $1, $23, ?, ?1, :name, @p1",
    "SELECT a::text, b::s.kind, c % d FROM t",
    "SELECT a$b$c FROM t$1",
    "SELECT a,\n\tb ,c FROM t,\r\n u",
    "SELECT größe, 名前1 FROM tabelle_ä",
    "SELECT a <> b, a || b, a ? b, a ~* b, a #> b, a @> b FROM t",
    "SELECT * FROM t WHERE a IN (%s, %s) AND b IN (SELECT c FROM u)",
    "",
    "   \n\t",
]
COMMENTED = [
    ("SELECT a -- one\nFROM /* two */ t", "SELECT a \nFROM  t"),
    ("SELECT a -- it's\rFROM t", "SELECT a \rFROM t"),
    ("SELECT /* a /* nested */ comment */ b", "SELECT  b"),
    ("SELECT '--', '/*' /* */ FROM t", "SELECT ?, ?  FROM t"),
    ("SELECT/**/a/*1*//*2*/,b", "SELECT a ,b"),
    ("/*+ hint */ SELECT a --", " SELECT a "),
]
LISTS = [
    ("a IN (1, 2,3)", "a IN (?)"),
    ("a NOT in ( 'x' ,\n 'y' )", "a NOT in (?)"),
    ("a IN(1)", "a IN(?)"),
    ("a IN (1, b)", "a IN (?, b)"),
    ("a IN ((1, 2), (3, 4))", "a IN ((?, ?), (?, ?))"),
    ("a IN (1, /* one */ 2)", "a IN (?)"),
    ("a IN ()", "a IN ()"),
    ("a IN (1, 2,", "a IN (?, ?,"),
    ("VALUES (1, 2), (3, 4)", "VALUES (?, ?), (?, ?)"),
]


@pytest.mark.parametrize(("query", "text"), MASKED + COMMENTED + LISTS)
def test_replaces(query: str, text: str) -> None:
    """Literals become question marks, comments go with the whitespace around them kept, lists of IN collapse."""
    assert sanitise(query) == text


@pytest.mark.parametrize("query", KEPT)
def test_keeps(query: str) -> None:
    """Names with digits, quoted names, placeholders, operators and casts stay as they are."""
    assert sanitise(query) == query


@pytest.mark.parametrize(
    "query",
    ["SELECT 'zq7", "SELECT E'a\\'zq7", "SELECT $$ 'zq7", "SELECT $t$ $$ zq7", "SELECT \"a, 'zq7'", "SELECT `a, 'zq7'"],
)
def test_masks_what_has_no_end(query: str) -> None:
    """A literal or quoted name without its closing quote goes whole, as the rest of it may be a literal."""
    assert sanitise(query) == "SELECT ?"


def test_where_clause_of_a_query_with_a_literal() -> None:
    """user-pain row 14: the value of a literal in a WHERE clause is not recorded."""
    assert sanitise("SELECT * FROM patients WHERE id=1818") == "SELECT * FROM patients WHERE id=?"


SECRET = "zq7secret7qz"
TEMPLATES = [
    "SELECT * FROM t WHERE a = {0} AND b IN ({1}, {2}, {0}) ORDER BY c",
    "SELECT {0}, f({1}::text, 5), x || {2} FROM (SELECT {0} AS y) q, u",
    "SELECT EXTRACT(YEAR FROM {0}), trim(both from {1}) FROM t WHERE a IS DISTINCT FROM {2}",
    "SELECT CASE WHEN a={0} THEN {1} ELSE {2} END FROM t JOIN u ON t.a = {0}",
    "INSERT INTO t (a, b) VALUES ({0}, {1}), ({2}, NULL) ON CONFLICT (a) DO UPDATE SET b = {0}, c = {1}",
    "UPDATE t SET a = {0}, b = ({1}) FROM u WHERE c = {2} RETURNING {0}",
    "DELETE FROM t USING u WHERE a BETWEEN {0} AND {1} OR b LIKE {2}",
    "WITH q AS (SELECT {0}) SELECT * FROM q, t LIMIT {1} OFFSET {2}",
    "CALL p({0}, {1}); EXEC q {2}; SET x = {0}; SET x TO {1}; NOTIFY c, {2}",
    "COMMENT ON TABLE t IS {0}; COPY t FROM {1}; DO {2}; ALTER ROLE r PASSWORD {0}",
    "MERGE INTO t USING u ON t.a = {0} WHEN MATCHED THEN UPDATE SET b = {1} WHEN NOT MATCHED THEN INSERT VALUES ({2})",
    "CREATE TABLE t AS SELECT {0}; PREPARE p AS SELECT {1}; EXPLAIN SELECT {2} /* {SECRET} */ -- 'x\n",
    'SELECT "a b"."c" || {0} -- it\'s {SECRET}\n, /* /* {SECRET} */ {SECRET} */ {1}',
]
pieces = st.sampled_from([*"ab1 '\"\\$/*-,()\n;%:?é", "--", "/*", "*/", "$$", "$t$"])
awkward = st.lists(pieces, max_size=8).map("".join)
contents = st.builds(lambda before, after: before + SECRET + after, awkward, awkward)


def _escaped(content: str) -> str:
    return "E'" + content.replace("\\", "\\\\").replace("'", "\\'") + "'"


literals = st.one_of(
    contents.map(lambda content: "'" + content.replace("'", "''") + "'"),
    contents.map(lambda content: "N'" + content.replace("'", "''") + "'"),
    contents.map(_escaped),
    contents.map(lambda content: _escaped(content).replace("\\'", "''")),
    contents.map(lambda content: f"$u${content}$u$" if "$u$" not in content else "0"),
)


@untimed
@given(st.sampled_from(TEMPLATES), st.tuples(literals, literals, literals))
def test_no_string_leaks(template: str, values: tuple[str, str, str]) -> None:
    """user-pain row 14: no string literal, whatever is in it and wherever it stands, shows in text or summary."""
    text, summary = analyse(template.format(*values, SECRET=SECRET))
    assert SECRET not in text
    assert SECRET not in summary


numbers = st.one_of(
    st.integers(10**8, 10**20).map(str),
    st.integers(10**8, 10**20).map(hex),
    st.floats(1e-9, 1e9).filter(lambda number: len(repr(number)) > 9).map(repr),
)


@untimed
@given(st.sampled_from(TEMPLATES), st.tuples(numbers, numbers, numbers), st.sampled_from(["", "-", "+"]))
def test_no_number_leaks(template: str, values: tuple[str, str, str], sign: str) -> None:
    """No numeric literal, of either sign and any form, shows in text or summary."""
    for shown in analyse(template.format(*(sign + value for value in values), SECRET="")):
        assert not any(value in shown or value[-6:] in shown for value in values)


@untimed
@given(st.sampled_from(TEMPLATES), st.tuples(literals, literals, literals), st.data())
def test_a_cut_text_leaks_nothing(template: str, values: tuple[str, str, str], data: st.DataObject) -> None:
    """A text that is cut anywhere, also inside a literal, shows no part of the literals before the cut."""
    query = template.format(*values, SECRET=SECRET)
    for shown in analyse(query[: data.draw(st.integers(0, len(query)))]):
        assert "zq7s" not in shown


def test_a_long_text_is_cut_first() -> None:
    """Of a text over the limit nothing behind the limit is read, and what stands across it is masked."""
    lead = "SELECT a FROM t WHERE b = '"
    text, summary = analyse(lead + "x" * (sql.LIMIT * 40) + "' AND c = 1")
    assert (text, summary) == ("SELECT a FROM t WHERE b = ?", "SELECT t")


WORDS = """
    SELECT FROM , ( ) ; ' " ` [ ] $ $$ $a$ /* */ -- \\ E' x' U&' IN DISTINCT JOIN INTO WITH AS UPDATE DELETE INSERT
    MERGE CREATE TABLE FUNCTION BEGIN END USING VALUES SET CALL COPY PREPARE a b.c 1 1e -1 . .. % %( %s : :: ? { } é
"""
fragments = st.sampled_from(WORDS.split())
queries = st.one_of(st.text(), st.lists(fragments).map("".join), st.lists(fragments).map(" ".join))


@untimed
@given(queries)
def test_never_raises(query: str) -> None:
    """Any text at all has a sanitised form and a summary."""
    text, summary = analyse(query)
    assert isinstance(text, str)
    assert len(summary) <= sql.SUMMARY_LIMIT


@untimed
@given(queries)
def test_tokens_are_the_whole_text(query: str) -> None:
    """The tokens of a text, put together, are that text."""
    assert "".join(tokens(query)) == query
