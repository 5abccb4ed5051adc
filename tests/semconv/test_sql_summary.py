"""Summaries of SQL: operations and what they work on, in the order of the text."""

from __future__ import annotations

import pytest

from tracing_agent.semconv.sql import SUMMARY_LIMIT, summarise

QUERIES = [
    ("SELECT 1", "SELECT"),
    ("sElEcT a FrOm Users", "sElEcT Users"),
    ("select a from users where b = 1", "select users"),
    ("SELECT a FROM shop.users u", "SELECT shop.users"),
    ('SELECT a FROM "song list" x, s."T" AS y', 'SELECT "song list" s."T"'),
    ("SELECT * FROM \"song list\", 'artists'", "SELECT \"song list\" 'artists'"),
    ("SELECT * FROM 'a' b, c", "SELECT 'a' c"),
    ("SELECT * FROM [dbo].[Order Details], `x y`", "SELECT [dbo].[Order Details] `x y`"),
    ("SELECT * FROM a, b AS c, ONLY d", "SELECT a b d"),
    ("SELECT * FROM a JOIN b ON a.x = b.x, c WHERE d IN (e, f)", "SELECT a b c"),
    ("SELECT * FROM a CROSS JOIN b NATURAL LEFT JOIN c FULL OUTER JOIN d USING (x)", "SELECT a b c d"),
    ("SELECT * FROM (a JOIN b ON true), (c)", "SELECT a b c"),
    ("SELECT a FROM (SELECT * FROM b JOIN c ON d = e) f, g", "SELECT SELECT b c g"),
    ("SELECT * FROM a, LATERAL (SELECT * FROM b) c", "SELECT a SELECT b"),
    ("SELECT (SELECT max(x) FROM b) FROM a WHERE EXISTS (SELECT 1 FROM c)", "SELECT SELECT b a SELECT c"),
    ("SELECT * FROM report(1, 'x') r, a", "SELECT report a"),
    ("SELECT * FROM (VALUES (1), (2)) v JOIN a ON true", "SELECT a"),
    ("SELECT a FROM b UNION ALL SELECT c FROM d", "SELECT b SELECT d"),
    ("(SELECT a FROM b) INTERSECT (SELECT c FROM d)", "SELECT b SELECT d"),
    ("SELECT EXTRACT(YEAR FROM b), substring(c FROM 2) FROM a", "SELECT a"),
    ("SELECT a FROM b WHERE c IS NOT DISTINCT FROM d", "SELECT b"),
    ("SELECT a FROM b WHERE c IS DISTINCT/**/-- d\n FROM 'd'", "SELECT b"),
    ("SELECT DISTINCT ON (a, b) c FROM d", "SELECT d"),
    ("SELECT a FROM b ORDER BY c, d FOR UPDATE OF e, f", "SELECT b"),
    ("SELECT update, insert FROM delete, begin", "SELECT delete begin"),
    ("SELECT * FROM a,\n\tb", "SELECT a b"),
    ("SELECT * FROM a WITH (NOLOCK), b", "SELECT a b"),
    ("SELECT * FROM a STRAIGHT_JOIN b", "SELECT a b"),
    ("SELECT * FROM a WHERE b > :from AND c < %(join)s AND d = %(into)s", "SELECT a"),
    ("SELECT a INTO b FROM c", "SELECT b c"),
    ("SELECT a /* FROM x */ FROM b -- JOIN y", "SELECT b"),
    ("INSERT INTO a VALUES (1, 2)", "INSERT a"),
    ("INSERT INTO a (update, b) SELECT c, d FROM e", "INSERT a SELECT e"),
    ("INSERT INTO a WITH b AS (SELECT * FROM c) SELECT * FROM b", "INSERT a SELECT c SELECT"),
    ("INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET c = 1, d = 2", "INSERT a"),
    ("INSERT INTO a SELECT * FROM b ON DUPLICATE KEY UPDATE c = 1, d = 2", "INSERT a SELECT b"),
    ("REPLACE INTO a VALUES (1)", "REPLACE a"),
    ("UPDATE ONLY a SET b = (SELECT c FROM d), e = 1 FROM f WHERE g = h", "UPDATE a SELECT d f"),
    ("DELETE FROM a USING b JOIN c USING (id) WHERE d = e", "DELETE a b c"),
    (
        """MERGE INTO a USING (SELECT * FROM b) c ON d = e WHEN MATCHED THEN UPDATE SET f = 1, g = 2
        WHEN NOT MATCHED THEN INSERT (h, i) VALUES (1, 2)""",
        "MERGE a SELECT b",
    ),
    (
        "WITH a AS (SELECT * FROM b), c (d, e) AS MATERIALIZED (SELECT * FROM a) SELECT * FROM c JOIN f ON true",
        "SELECT b SELECT SELECT f",
    ),
    (
        "WITH RECURSIVE a AS (SELECT * FROM b UNION SELECT * FROM b JOIN a ON true) SELECT * FROM A",
        "SELECT b SELECT b SELECT",
    ),
    ("WITH a AS (DELETE FROM b RETURNING *) INSERT INTO c SELECT * FROM a", "DELETE b INSERT c SELECT"),
    ("WITH a AS (SELECT 1) UPDATE b SET c = 1 FROM a", "SELECT UPDATE b"),
]
DEFINITIONS = [
    ("CREATE  TABLE IF NOT EXISTS a (b int, c int)", "CREATE TABLE a"),
    ("CREATE TABLE session (table int)", "CREATE TABLE session"),
    ("CREATE TABLE a (b int REFERENCES c ON DELETE CASCADE ON UPDATE CASCADE)", "CREATE TABLE a"),
    ("create temporary table a as with b as (select * from c) select * from b", "create table a select c select"),
    ("CREATE UNIQUE INDEX CONCURRENTLY a ON b (c)", "CREATE INDEX a"),
    ("CREATE INDEX ON b (c)", "CREATE INDEX b"),
    ("CREATE OR REPLACE VIEW a AS SELECT * FROM b", "CREATE VIEW a"),
    ("CREATE VIEW a AS SELECT * FROM b JOIN c ON d", "CREATE VIEW a"),
    ("CREATE RULE a AS ON INSERT TO b DO INSTEAD INSERT INTO c VALUES (1)", "CREATE RULE a"),
    ("CREATE MATERIALIZED VIEW a AS SELECT * FROM b", "CREATE MATERIALIZED VIEW a SELECT b"),
    ("REFRESH MATERIALIZED VIEW CONCURRENTLY a", "REFRESH MATERIALIZED VIEW a"),
    ("CREATE FUNCTION a() RETURNS int BEGIN ATOMIC SELECT 1; DELETE FROM b; END", "CREATE FUNCTION a"),
    ("CREATE TRIGGER a AFTER UPDATE ON b EXECUTE FUNCTION c()", "CREATE TRIGGER a"),
    ('CREATE EXTENSION IF NOT EXISTS "uuid-ossp"', 'CREATE EXTENSION "uuid-ossp"'),
    ("ALTER TABLE ONLY a ADD COLUMN b int, DROP COLUMN c", "ALTER TABLE a"),
    ("ALTER SEQUENCE a RESTART WITH 5", "ALTER SEQUENCE a"),
    ("DROP TABLE IF EXISTS a, b.c CASCADE", "DROP TABLE a b.c"),
    ("DROP FUNCTION a(int, text), b(int)", "DROP FUNCTION a b"),
    ("TRUNCATE TABLE a, b RESTART IDENTITY", "TRUNCATE TABLE a b"),
    ("TRUNCATE a", "TRUNCATE a"),
    ("TRUNCATE TABLE tables CASCADE", "TRUNCATE TABLE tables"),
    ("REINDEX (VERBOSE) INDEX a", "REINDEX INDEX a"),
    ("VACUUM (FULL, ANALYZE) a", "VACUUM a"),
    ("VACUUM", "VACUUM"),
    ("ANALYZE VERBOSE a", "ANALYZE a"),
    ("LOCK TABLE a, b IN SHARE MODE", "LOCK TABLE a b"),
    ("GRANT SELECT ON a TO b", "GRANT"),
    ("COMMENT ON TABLE a IS 'b'", "COMMENT"),
]
COMMANDS = [
    ("CALL s.a(1, 2)", "CALL s.a"),
    ("{call a}", "call a"),
    ("{? = call a(?)}", "call a"),
    ("EXEC a 'b', 1", "EXEC a"),
    ("EXEC 'a' b", "EXEC"),
    ("EXECUTE a(1)", "EXECUTE a"),
    ("COPY a (b, c) FROM STDIN", "COPY a"),
    ("COPY (SELECT b FROM a) TO STDOUT WITH (FORMAT csv)", "COPY SELECT a"),
    ("SET LOCAL statement_timeout = 5", "SET statement_timeout"),
    ("SET TIME ZONE 'UTC'", "SET TIME ZONE"),
    ("SHOW search_path", "SHOW search_path"),
    ("LISTEN a", "LISTEN a"),
    ("NOTIFY a, 'b'", "NOTIFY a"),
    ("EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM a", "EXPLAIN SELECT a"),
    ("EXPLAIN ANALYZE UPDATE a SET b = 1", "EXPLAIN UPDATE a"),
    ("DECLARE c7 NO SCROLL CURSOR WITH HOLD FOR SELECT * FROM a", "DECLARE SELECT a"),
    ("FETCH FORWARD 100 FROM c7", "FETCH"),
    ("CLOSE c7", "CLOSE"),
    ("PREPARE p (int) AS INSERT INTO a VALUES ($1)", "PREPARE INSERT a"),
    ("BEGIN", "BEGIN"),
    ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE", "START TRANSACTION"),
    ("COMMIT", "COMMIT"),
    ("PREPARE TRANSACTION 'b'", "PREPARE TRANSACTION"),
    ("COMMIT PREPARED 'b'", "COMMIT PREPARED"),
    ("SAVEPOINT s1", "SAVEPOINT"),
    ("ROLLBACK TO SAVEPOINT s1", "ROLLBACK TO SAVEPOINT"),
    ("RELEASE s1", "RELEASE"),
    ("VALUES (1, 2)", "VALUES"),
    ("TABLE a", "TABLE a"),
    ("DO $$ BEGIN DELETE FROM a; END $$", "DO"),
]
SEVERAL = [
    ("SELECT * FROM a; INSERT INTO b VALUES (1); COMMIT;", "SELECT a INSERT b COMMIT"),
    (";; SELECT 1 ;", "SELECT"),
    ("SELECT (1; SELECT * FROM a", "SELECT SELECT a"),
    ("SELECT (1; SELECT * FROM a), b", "SELECT SELECT a b"),
    ("WITH a AS (SELECT 1) SELECT * FROM a; SELECT * FROM a", "SELECT SELECT SELECT a"),
    ("and now call me", ""),
    ("and now for something different", ""),
    ("/* nothing */ -- at all", ""),
    ("", ""),
]


@pytest.mark.parametrize(("query", "summary"), QUERIES + DEFINITIONS + COMMANDS + SEVERAL)
def test_summary(query: str, summary: str) -> None:
    """A summary holds each operation with its tables, functions or objects, as written."""
    assert summarise(query) == summary


def test_is_cut_between_words() -> None:
    """A summary that would be too long ends with the last whole name that fits."""
    names = [f"table_number_{number}" for number in range(100)]
    summary = summarise(f"SELECT * FROM {', '.join(names)}")
    shown = summary.split(" ")[1:]
    assert shown == names[: len(shown)]
    assert SUMMARY_LIMIT - len(names[0]) - 2 < len(summary) <= SUMMARY_LIMIT


def test_leaves_out_a_name_that_is_too_long() -> None:
    """A name over the limit ends the summary before it, and a shorter one behind it does not follow."""
    assert summarise(f'SELECT * FROM "{"x " * 200}", a') == "SELECT"
