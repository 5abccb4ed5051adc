"""traceparent and tracestate, row by row of the specification and of the W3C's validation suite."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from propagation.headers import PARENT, SPAN, TRACE, joined, received
from tracing_agent.propagation.remote import Remote, Values
from tracing_agent.propagation.w3c import (
    LONGEST_TRACESTATE,
    TAILS,
    TraceContext,
    head,
    parse_traceparent,
    parse_tracestate,
    traceparent,
)

REST = "12345678901234567890123456789012-1234567890123456"


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        (PARENT, 1),
        (f"00-{REST}-00", 0),
        (f"00-{REST}-02", 2),
        (f"00-{REST}-03", 3),
        (f"00-{REST}-ff", 3),
        (f"00-{REST}-fc", 0),
        (f"00-{REST}-05", 1),
        (f" {PARENT}", 1),
        (f"\t{PARENT}", 1),
        (f"{PARENT} ", 1),
        (f"{PARENT}\t", 1),
        (f"\t {PARENT} \t", 1),
        (f"01-{REST}-01", 1),
        (f"cc-{REST}-01", 1),
        (f"fe-{REST}-03", 3),
        (f"cc-{REST}-01-what-the-future-will-be-like", 1),
        (f"cc-{REST}-01-", 1),
        (f" cc-{REST}-02-x ", 2),
    ],
)
def test_valid_traceparent(value: str, flags: int) -> None:
    """A valid traceparent gives its ids and the two flags that Level 2 defines, whatever its version."""
    assert parse_traceparent(value) == (TRACE, SPAN, flags)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "00",
        f"00-{REST}",
        f"00-{REST}-",
        f"00-{REST}-1",
        f"00-{REST}-001",
        f"00-{REST}-.0",
        f"00-{REST}-0.",
        f"00-{REST}-0A",
        f"00-{REST}-01.",
        f"00-{REST}-01-",
        f"00-{REST}-01-what-the-future-will-be-like",
        f"cc-{REST}-01.what-the-future-will-be-like",
        f"cc-{REST}-011",
        f"cc-{REST}-01x",
        f"ff-{REST}-01",
        f"ff-{REST}-01-x",
        f".0-{REST}-01",
        f"0.-{REST}-01",
        f"CC-{REST}-01",
        f"000-{REST}-01",
        f"0000-{REST}-01",
        f"0-{REST}-01",
        f"-{REST}-01",
        "00-00000000000000000000000000000000-1234567890123456-01",
        "00-12345678901234567890123456789012-0000000000000000-01",
        "00-.2345678901234567890123456789012-1234567890123456-01",
        "00-1234567890123456789012345678901.-1234567890123456-01",
        "00-1234567890123456789012345678901A-1234567890123456-01",
        "00-123456789012345678901234567890123-1234567890123456-01",
        "00-1234567890123456789012345678901-1234567890123456-01",
        "00-12345678901234567890123456789012-.234567890123456-01",
        "00-12345678901234567890123456789012-123456789012345.-01",
        "00-12345678901234567890123456789012-123456789012345F-01",
        "00-12345678901234567890123456789012-12345678901234567-01",
        "00-12345678901234567890123456789012-123456789012345-01",
        "00-1234567890123456789012345678901-12345678901234567-01",
        "00-123456789012345678901234567890123-123456789012345-01",
        "00_12345678901234567890123456789012_1234567890123456_01",
        "00-1234567890123456-12345678901234567890123456789012-01",
        "00-12345678901234567890123456789 12-1234567890123456-01",
        "00-123456789012345678901234567890 12-123456789012345-01",
        "00-12345678901234567890123456789_12-1234567890123456-01",
        "00-123456789012345678901234567890-12 34 567890123456-01",
        "00-12 34 567890123456789012345678901 2-12345678901234-01",
        "00-12 34 5678901234567890123456789012-12345678901234-01",
        f"{PARENT},{PARENT}",
        f"cc-{REST}-01-x,{PARENT}",
        f"{PARENT}\n",
        f"\xa0{PARENT}",
        "cc-" + REST + "-01-" + "x" * 1000,
        " " * 1000 + PARENT,
    ],
)
def test_invalid_traceparent(value: str) -> None:
    """Anything but a valid traceparent restarts the trace."""
    assert parse_traceparent(value) is None


@pytest.mark.parametrize("flags", range(256))
def test_written_traceparent(flags: int) -> None:
    """A written traceparent is version 00, padded, with unknown flags cleared, and reads back as it was."""
    written = traceparent(0xAB, 0xC, flags)
    assert written == f"00-000000000000000000000000000000ab-000000000000000c-0{flags & 3}"
    assert parse_traceparent(written) == (0xAB, 0xC, flags & 3)
    assert f"{head(0xAB)}{0xC:016x}{TAILS[flags & 3]}" == written


def _members(count: int) -> str:
    return ",".join(f"bar{index:02}={index:02}" for index in range(1, count + 1))


_ALL_KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
_ALL_VALUE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ((), ""),
        (("",), ""),
        ((" \t",), ""),
        ((" , ,\t,",), ""),
        (("foo=1",), "foo=1"),
        (("foo=1,bar=2",), "foo=1,bar=2"),
        (("foo=1", ""), "foo=1"),
        (("", "foo=1"), "foo=1"),
        (("foo=1,bar=2", "rojo=1,congo=2", "baz=3"), "foo=1,bar=2,rojo=1,congo=2,baz=3"),
        (("foo=1,foo=1",), "foo=1"),
        (("foo=1,foo=2",), "foo=1"),
        (("foo=1", "foo=1"), "foo=1"),
        (("foo=1", "bar=0,foo=2"), "foo=1,bar=0"),
        ((f"{_ALL_KEY}={_ALL_VALUE}",), f"{_ALL_KEY}={_ALL_VALUE}"),
        ((f"{_ALL_KEY}@a-z0-9_-*/={_ALL_VALUE}",), f"{_ALL_KEY}@a-z0-9_-*/={_ALL_VALUE}"),
        (("foo=1 \t , \t bar=2, \t baz=3",), "foo=1,bar=2,baz=3"),
        (("foo=1\t \t,\t \tbar=2,\t \tbaz=3",), "foo=1,bar=2,baz=3"),
        ((" foo=1",), "foo=1"),
        (("\tfoo=1",), "foo=1"),
        (("foo=1 ",), "foo=1"),
        (("foo=1\t",), "foo=1"),
        (("\t foo=1 \t",), "foo=1"),
        (("foo=  1",), "foo=  1"),
        (("1a=1",), "1a=1"),
        (("foo@=1,bar=2",), "foo@=1,bar=2"),
        (("foo@@bar=1,bar=2",), "foo@@bar=1,bar=2"),
        (("foo@bar@baz=1,bar=2",), "foo@bar@baz=1,bar=2"),
        ((_members(32),), _members(32)),
        ((_members(31), "x=1"), _members(31) + ",x=1"),
        ((_members(32) + ",,, ,",), _members(32)),
        (("foo=1", "z" * 256 + "=1"), "foo=1," + "z" * 256 + "=1"),
        (("foo=1", "t" * 241 + "@" + "v" * 14 + "=1"), "foo=1," + "t" * 241 + "@" + "v" * 14 + "=1"),
        (("foo=1", "t" * 242 + "@v=1"), "foo=1," + "t" * 242 + "@v=1"),
        (("foo=1", "t@" + "v" * 15 + "=1"), "foo=1,t@" + "v" * 15 + "=1"),
        (("foo=" + "v" * 256,), "foo=" + "v" * 256),
        (("ot=th:c;rv:00000000000001,dd=s:1;p:0",), "ot=th:c;rv:00000000000001,dd=s:1;p:0"),
    ],
)
def test_valid_tracestate(values: tuple[str, ...], state: str) -> None:
    """A tracestate of Level 2 is carried on as one header: order kept, blanks dropped, the first of equal keys kept."""
    assert parse_tracestate(values) == state


@pytest.mark.parametrize(
    "values",
    [
        ("foo =1",),
        ("FOO=1",),
        ("foo.bar=1",),
        ("@foo=1,bar=2",),
        ("_foo=1",),
        ("-foo=1",),
        ("=1",),
        ("foo",),
        ("foo=bar=baz",),
        ("foo=,bar=3",),
        ("foo= ,bar=3",),
        ("bar=3", "foo="),
        ("foo=a\tb",),
        ("foo=\x7f",),
        ("foo=\u00e9",),
        ("f\u00f6o=1",),
        ("foo=1\r\n",),
        ("foo=1", "z" * 257 + "=1"),
        ("z" * 256 + "=" + "v" * 257,),
        ("foo=" + "v" * 257,),
        (_members(33),),
        (_members(32), "bar33=33"),
        (_members(32), "bar01=01"),
        (" " * 20_000 + "foo=1",),
    ],
)
def test_invalid_tracestate(values: tuple[str, ...]) -> None:
    """One malformed member, a 33rd member or a list padded beyond any valid one discards the whole list."""
    assert parse_tracestate(values) == ""


def test_at_least_512_characters_are_carried() -> None:
    """What the specification asks every service to carry, 512 characters, is carried whole."""
    state = ",".join(f"k{index}=" + "v" * 123 for index in range(4)) + ","
    state += "k=" + "v" * (512 - len(state) - 2)
    assert len(state) == 512
    assert parse_tracestate([state]) == state


def test_large_members_are_dropped_first() -> None:
    """Over the limit, members of more than 128 characters go first, the last of them before the others."""
    large = [f"large{index:02}=" + "v" * 250 for index in range(16)]
    small = [f"small{index:02}=" + "v" * 20 for index in range(16)]
    both = [member for pair in zip(small, large, strict=True) for member in pair]
    kept = parse_tracestate([",".join(both)]).split(",")
    dropped = [member for member in both if member not in kept]
    assert 0 < len(dropped) < 16
    assert dropped == large[-len(dropped) :]
    assert kept == [member for member in both if member in kept]
    assert LONGEST_TRACESTATE - 259 < len(",".join(kept)) <= LONGEST_TRACESTATE


def test_then_members_are_dropped_from_the_end() -> None:
    """When no large member is left, whole members go from the end; nothing is ever cut."""
    members = [f"small{index:02}=" + "v" * 120 for index in range(32)]
    members.insert(10, "large=" + "v" * 250)
    members.pop()
    kept = parse_tracestate([",".join(members)])
    without = [member for member in members if not member.startswith("large")]
    assert kept == ",".join(without[: kept.count(",") + 1])
    assert LONGEST_TRACESTATE - 129 < len(kept) <= LONGEST_TRACESTATE


class TestFormat:
    """The format `tracecontext`."""

    def test_both_headers(self) -> None:
        """traceparent and tracestate give one Remote, and writing it gives them back."""
        remote = TraceContext().extract(received(("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")))
        assert remote == Remote(TRACE, SPAN, 1, "a=1,b=2")
        written: dict[str, str] = {}
        TraceContext().inject(remote, written.__setitem__)
        assert written == {"traceparent": PARENT, "tracestate": "a=1,b=2"}

    def test_empty_tracestate_is_not_sent(self) -> None:
        """An empty tracestate is accepted and not sent."""
        remote = TraceContext().extract(received(("traceparent", PARENT), ("tracestate", "")))
        assert remote == Remote(TRACE, SPAN, 1)
        written: dict[str, str] = {}
        TraceContext().inject(remote, written.__setitem__)
        assert written == {"traceparent": PARENT}

    def test_bad_tracestate_leaves_the_parent(self) -> None:
        """A malformed tracestate does not affect traceparent."""
        values = received(("traceparent", PARENT), ("tracestate", "FOO=1"))
        assert TraceContext().extract(values) == Remote(TRACE, SPAN, 1)

    @pytest.mark.parametrize("server", [received, joined])
    def test_two_parents_restart(self, server: Callable[..., Values]) -> None:
        """Two traceparent headers restart the trace, even equal ones, whether the server joins them or not."""
        assert TraceContext().extract(server(("traceparent", PARENT), ("traceparent", PARENT))) is None
        other = PARENT.replace("9012", "9011")
        assert TraceContext().extract(server(("traceparent", other), ("traceparent", PARENT))) is None
        later = f"cc-{REST}-01-x"
        assert TraceContext().extract(server(("traceparent", later), ("traceparent", PARENT))) is None

    @pytest.mark.parametrize(
        "headers",
        [
            [("tracestate", "foo=1")],
            [("trace-parent", PARENT)],
            [("trace.parent", PARENT), ("tracestate", "foo=1")],
            [("traceparent", f"00-{REST}-1"), ("tracestate", "foo=1")],
        ],
    )
    def test_nothing_without_a_parent(self, headers: list[tuple[str, str]]) -> None:
        """Without a valid traceparent there is no remote parent, and tracestate is discarded."""
        assert TraceContext().extract(received(*headers)) is None

    def test_no_ids_no_headers(self) -> None:
        """A decision without ids, which the format cannot express, writes nothing."""
        written: dict[str, str] = {}
        TraceContext().inject(Remote(0, 0, 1), written.__setitem__)
        assert written == {}
