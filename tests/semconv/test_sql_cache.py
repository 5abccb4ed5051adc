"""The cache of analysed SQL: what is known is not read again, and what it holds is bounded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tracing_agent.semconv import sql


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The texts that were read, with an empty cache."""
    texts: list[str] = []
    analyse = sql.analyse

    def noted(query: str) -> tuple[str, str]:
        texts.append(query)
        return analyse(query)

    monkeypatch.setattr(sql, "analyse", noted)
    monkeypatch.setattr(sql, "SANITISED", sql._Known())
    monkeypatch.setattr(sql, "AS_GIVEN", sql._Known())
    yield texts


def test_text_is_sanitised_or_as_given(read: list[str]) -> None:
    """A text without parameters is sanitised; a parameterised one stays, with a summary all the same."""
    query = "SELECT * FROM t WHERE a = 1 /* b */ AND c = %s"
    assert sql.analysed(query, True) == ("SELECT * FROM t WHERE a = ?  AND c = %s", "SELECT t")
    assert sql.analysed(query, False) == (query, "SELECT t")


def test_a_known_text_is_not_read_again(read: list[str]) -> None:
    """A text that was analysed is looked up."""
    first = sql.analysed("SELECT 1", True)
    assert sql.analysed("SELECT " + "1", True) is first
    assert read == ["SELECT 1"]


@pytest.mark.parametrize("sanitise", [True, False])
@pytest.mark.parametrize("length", [100, 5_000, 100_000])
def test_is_bounded(read: list[str], sanitise: bool, length: int) -> None:
    """Neither many texts nor long ones make the cache grow beyond its bounds."""
    for number in range(2_000 if length < 1_000 else 100):
        sql.analysed(f"SELECT {number} FROM t WHERE a = {'a' * length}", sanitise)
        for known in (sql.SANITISED, sql.AS_GIVEN):
            for held in (known.recent, known.earlier):
                assert len(held) <= sql._CACHED_TEXTS
                assert sum(len(query) + len(result[0]) for query, result in held.items()) <= sql._CACHED_CHARACTERS


def test_texts_in_use_stay(read: list[str]) -> None:
    """A text that is asked for again and again is read once, however many others pass by."""
    for number in range(5_000):
        sql.analysed("SELECT * FROM busy", False)
        sql.analysed(f"SELECT {number}", False)
    assert read.count("SELECT * FROM busy") == 1


def test_texts_that_fit_stay(read: list[str]) -> None:
    """As long as the texts are within the bounds each is read once."""
    queries = [f"SELECT * FROM t WHERE a = {number}" for number in range(sql._CACHED_TEXTS)]
    for query in queries * 3:
        sql.analysed(query, True)
    assert read == queries


def test_a_long_text_is_known_by_what_is_read_of_it(read: list[str]) -> None:
    """Of a text over the limit only the part that is read is kept and given back."""
    long = "SELECT a FROM t WHERE b = c " + "AND b = c " * 10_000
    assert sql.analysed(long, False) == (long[: sql.LIMIT], "SELECT t")
    assert sql.analysed(long + "AND d = e", False) == (long[: sql.LIMIT], "SELECT t")
    assert len(read) == 1
