"""W3C Baggage, row by row."""

from __future__ import annotations

import copy
import pickle

import pytest

from tracing_agent.propagation.baggage import Value, format_baggage, parse_baggage


@pytest.mark.parametrize(
    ("values", "entries"),
    [
        ((), {}),
        (("",), {}),
        ((" , ,",), {}),
        (("a=1",), {"a": "1"}),
        (("a=1,b=2",), {"a": "1", "b": "2"}),
        (("a=1", "b=2,c=3"), {"a": "1", "b": "2", "c": "3"}),
        ((" a \t= 1 ,\tb=2\t",), {"a": "1", "b": "2"}),
        (("a=",), {"a": ""}),
        (("a=b=c",), {"a": "b=c"}),
        (("a==",), {"a": "="}),
        (("a=x+y",), {"a": "x+y"}),
        (("a=x%20y",), {"a": "x y"}),
        (("a=x%2By",), {"a": "x+y"}),
        (("a=Am%C3%A9lie",), {"a": "Am\u00e9lie"}),
        (("a=%e2%82%ac",), {"a": "\u20ac"}),
        (("a=%ff%41",), {"a": "\ufffdA"}),
        (("a=%zz%4",), {"a": "%zz%4"}),
        (("a=100%",), {"a": "100%"}),
        (("%41=1",), {"%41": "1"}),
        (("A=1,a=2",), {"A": "1", "a": "2"}),
        (("a=1,a=2",), {"a": "2"}),
        (("a=1", "b=1", "a=2"), {"a": "2", "b": "1"}),
        (("!#$%&'*+-.^_`|~1=v",), {"!#$%&'*+-.^_`|~1": "v"}),
        (("a=!#$&'()*+-./:<=>?@[]^_`{|}~",), {"a": "!#$&'()*+-./:<=>?@[]^_`{|}~"}),
        (("SomeKey \t = \t SomeValue=equals \t ",), {"SomeKey": "SomeValue=equals"}),
        (("a=%09%20%22%27%3B%3Dasdf%21%40%23%24%25%5E%26%2A%28%29",), {"a": "\t \"';=asdf!@#$%^&*()"}),
        # A malformed entry costs only itself.
        (("a,b=2",), {"b": "2"}),
        (("=1,b=2",), {"b": "2"}),
        (("a b=1,b=2",), {"b": "2"}),
        (("a=x y,b=2",), {"b": "2"}),
        (('a="1",b=2',), {"b": "2"}),
        (("a=x\\y,b=2",), {"b": "2"}),
        (("a=\u00e9,b=2",), {"b": "2"}),
        (("a\u00e9=1,b=2",), {"b": "2"}),
        (("a=1;m=\u00e9,b=2",), {"b": "2"}),
        (("a=1\r\n,b=2",), {"b": "2"}),
        (("a=1;x\r\ny,b=2",), {"b": "2"}),
    ],
)
def test_read(values: tuple[str, ...], entries: dict[str, str]) -> None:
    """Baggage headers are one list; values are percent-decoded, names and `+` literal, malformed entries left out."""
    assert parse_baggage(values) == entries


@pytest.mark.parametrize(
    ("header", "value", "metadata", "again"),
    [
        ("a=1;p", "1", "p", "a=1;p"),
        ("a=1;p=x", "1", "p=x", "a=1;p=x"),
        ("a = 1 ; p = x ; q ", "1", "p = x ; q", "a=1;p = x ; q"),
        ("a=%20;p=%20;p=%20", " ", "p=%20;p=%20", "a=%20;p=%20;p=%20"),
        ("a=;p", "", "p", "a=;p"),
    ],
)
def test_metadata(header: str, value: str, metadata: str, again: str) -> None:
    """Metadata is kept beside the value as it was sent, and sent again."""
    entries = parse_baggage([header])
    found = entries["a"]
    assert isinstance(found, Value)
    assert (str(found), found.metadata) == (value, metadata)
    assert found == value
    assert format_baggage(entries) == again


@pytest.mark.parametrize("header", ["a=1;", "a=1; \t"])
def test_empty_metadata(header: str) -> None:
    """A semicolon with nothing behind it is no metadata."""
    (value,) = parse_baggage([header]).values()
    assert value == "1"
    assert not isinstance(value, Value)


def test_value_copies() -> None:
    """A value with metadata survives copying and pickling, as other strings do."""
    value = Value("1", "p=x")
    for other in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert (other, other.metadata, type(other)) == ("1", "p=x", Value)


@pytest.mark.parametrize(
    ("entries", "header"),
    [
        ({}, ""),
        ({"a": "1", "b": "2"}, "a=1,b=2"),
        ({"a": ""}, "a="),
        ({"a": "x y"}, "a=x%20y"),
        ({"a": "x+y"}, "a=x+y"),
        ({"a": "100%"}, "a=100%25"),
        ({"a": "Am\u00e9lie"}, "a=Am%C3%A9lie"),
        ({"a": '",;\\'}, "a=%22%2C%3B%5C"),
        ({"a": "b=c"}, "a=b=c"),
        ({"a": "\r\nx: 1"}, "a=%0D%0Ax:%201"),
        ({"a": "\x00\x7f"}, "a=%00%7F"),
        ({"a": "\ud800"}, "a=?"),
        ({"a": 5, "b": 2.5, "c": None, "d": True}, "a=5,b=2.5,c=None,d=True"),
        ({"": "1", "b c": "1", "d,": "1", "\u00e9": "1", "e\r\n": "1", "f": "1"}, "f=1"),
        ({"a": Value("1", "x,y=2")}, "a=1"),
        ({"a": Value("1", "x\r\ny")}, "a=1"),
        ({"a": Value("1", "\u00e9")}, "a=1"),
        ({"a": Value("1", "")}, "a=1"),
    ],
)
def test_written(entries: dict[str, object], header: str) -> None:
    """Values are percent-encoded; what a header cannot express, or would be broken by, is left out."""
    assert format_baggage(entries) == header


def test_64_entries_are_carried() -> None:
    """Sixty-four entries are carried, read and written; more are left out whole."""
    entries = {f"key{index}": "value" for index in range(64)}
    header = format_baggage(entries)
    assert parse_baggage([header]) == entries
    assert parse_baggage([header, "key0=changed,more=1"]) == {**entries, "key0": "changed"}
    assert format_baggage({**entries, "more": "1"}) == header


def test_8192_bytes_are_carried() -> None:
    """8192 bytes are carried, over all headers; what exceeds them is left out as whole entries."""
    value = "0123456789" * 819
    assert parse_baggage([f"a={value}"]) == {"a": value}
    assert format_baggage({"a": value}) == f"a={value}"
    assert format_baggage({"a": value + "0"}) == ""
    assert parse_baggage([f"a={value}0"]) == {}
    half = "v" * 4092
    assert format_baggage({"aa": half, "bb": half + "v"}) == f"aa={half},bb={half}v"
    assert format_baggage({"aa": half, "bb": half + "vv"}) == f"aa={half}"
    assert format_baggage({"a": half, "b": half, "c": "1"}) == f"a={half},b={half}"
    assert parse_baggage([f"a={half},b={half}", "c=1"]) == {"a": half, "b": half}
    assert parse_baggage([f"a={half}", f"b={half}", "c=1"]) == {"a": half, "b": half}
    assert parse_baggage(["a=1", "b=" + "v" * 9000]) == {"a": "1"}


def test_a_large_entry_does_not_crowd_out_the_small() -> None:
    """An entry that does not fit is left out and the ones behind it are still sent."""
    assert format_baggage({"a": "1", "b": "v" * 9000, "c": "\u00e9" * 4000, "d": "2"}) == "a=1,d=2"


def test_encoding_a_large_value_costs_nothing() -> None:
    """A value that cannot fit is not even converted to its encoded form."""

    class Huge(str):
        def encode(self, *arguments: str) -> bytes:
            raise AssertionError("encoded")

    assert format_baggage({"a": Huge(" " * 9000)}) == ""
