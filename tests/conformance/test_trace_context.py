"""Every case of the W3C's validation suite for Trace Context, Level 2, as services under the agent meet it."""

from __future__ import annotations

import pytest

from conformance.harness import GIVEN, PARENT, TRACE, Forwarded, Harness, Header

pytestmark = pytest.mark.process

#: The characters of a key, and of a value, each once.
KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
VALUE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")

STATES = [f"bar{number:02}={number:02}" for number in range(1, 34)]


def _parent(value: str, name: str = "traceparent") -> list[Header]:
    return [(name, value)]


def _with_states(*states: str, name: str = "tracestate") -> list[Header]:
    return [("traceparent", GIVEN[:-2] + "00"), *((name, state) for state in states)]


def _one(harness: Harness, headers: list[Header]) -> Forwarded:
    (forwarded,) = harness.forward(headers)
    assert forwarded.parent != PARENT
    return forwarded


CONTINUED = {
    "as it is": _parent(GIVEN),
    "name capitalised": _parent(GIVEN, "TraceParent"),
    "name in mixed case": _parent(GIVEN, "TrAcEpArEnT"),
    "name in capitals": _parent(GIVEN, "TRACEPARENT"),
    "space before": _parent(" " + GIVEN),
    "tab before": _parent("\t" + GIVEN),
    "space after": _parent(GIVEN + " "),
    "tab after": _parent(GIVEN + "\t"),
    "white space around": _parent(f"\t {GIVEN} \t"),
    "a later version": _parent("cc" + GIVEN[2:]),
    "a later and longer version": _parent("cc" + GIVEN[2:] + "-what-the-future-will-be-like"),
}
RESTARTED: dict[str, list[Header]] = {
    "none": [],
    "two": [*_parent(f"00-{TRACE[:-1]}1-{PARENT}-01"), *_parent(GIVEN)],
    "another name": _parent(GIVEN, "trace-parent"),
    "yet another name": _parent(GIVEN, "trace.parent"),
    "version 00 with a dot": _parent(GIVEN + "."),
    "version 00 and longer": _parent(GIVEN + "-what-the-future-will-be-like"),
    "a later version with a dot": _parent("cc" + GIVEN[2:] + ".what-the-future-will-be-like"),
    "version ff": _parent("ff" + GIVEN[2:]),
    "version .0": _parent(".0" + GIVEN[2:]),
    "version 0.": _parent("0." + GIVEN[2:]),
    "version 000": _parent("0" + GIVEN),
    "version 0000": _parent("00" + GIVEN),
    "version 0": _parent(GIVEN[1:]),
    "trace id of zeros": _parent(f"00-{'0' * 32}-{PARENT}-01"),
    "trace id .2...": _parent(f"00-.{TRACE[1:]}-{PARENT}-01"),
    "trace id ...1.": _parent(f"00-{TRACE[:-1]}.-{PARENT}-01"),
    "trace id too long": _parent(f"00-{TRACE}3-{PARENT}-01"),
    "trace id too short": _parent(f"00-{TRACE[:-1]}-{PARENT}-01"),
    "parent id of zeros": _parent(f"00-{TRACE}-{'0' * 16}-01"),
    "parent id .2...": _parent(f"00-{TRACE}-.{PARENT[1:]}-01"),
    "parent id ...5.": _parent(f"00-{TRACE}-{PARENT[:-1]}.-01"),
    "parent id too long": _parent(f"00-{TRACE}-{PARENT}7-01"),
    "parent id too short": _parent(f"00-{TRACE}-{PARENT[:-1]}-01"),
    "flags .0": _parent(f"00-{TRACE}-{PARENT}-.0"),
    "flags 0.": _parent(f"00-{TRACE}-{PARENT}-0."),
    "flags 001": _parent(f"00-{TRACE}-{PARENT}-001"),
    "flags 1": _parent(f"00-{TRACE}-{PARENT}-1"),
    "capitals": _parent(f"00-{'A' * 32}-{PARENT}-01"),
}
KEPT: dict[str, tuple[list[Header], list[str]]] = {
    "as it is": (_with_states("foo=1,bar=2"), ["foo=1", "bar=2"]),
    "name capitalised": (_with_states("foo=1", name="TraceState"), ["foo=1"]),
    "name in mixed case": (_with_states("foo=1", name="TrAcEsTaTe"), ["foo=1"]),
    "name in capitals": (_with_states("foo=1", name="TRACESTATE"), ["foo=1"]),
    "an empty header after": (_with_states("foo=1", ""), ["foo=1"]),
    "an empty header before": (_with_states("", "foo=1"), ["foo=1"]),
    "three headers": (
        _with_states("foo=1,bar=2", "rojo=1,congo=2", "baz=3"),
        ["foo=1", "bar=2", "rojo=1", "congo=2", "baz=3"],
    ),
    "all characters of a key": (_with_states(f"{KEY}={VALUE}"), [f"{KEY}={VALUE}"]),
    "all characters of a key with @": (_with_states(f"{KEY}@a-z0-9_-*/={VALUE}"), [f"{KEY}@a-z0-9_-*/={VALUE}"]),
    "blanks around members": (_with_states("foo=1 \t , \t bar=2, \t baz=3"), ["foo=1", "bar=2", "baz=3"]),
    "tabs around members": (_with_states("foo=1\t \t,\t \tbar=2,\t \tbaz=3"), ["foo=1", "bar=2", "baz=3"]),
    "space before": (_with_states(" foo=1"), ["foo=1"]),
    "tab before": (_with_states("\tfoo=1"), ["foo=1"]),
    "space after": (_with_states("foo=1 "), ["foo=1"]),
    "tab after": (_with_states("foo=1\t"), ["foo=1"]),
    "white space around": (_with_states("\t foo=1 \t"), ["foo=1"]),
    "@ at the end of a key": (_with_states("foo@=1,bar=2"), ["foo@=1", "bar=2"]),
    "@@ in a key": (_with_states("foo@@bar=1,bar=2"), ["foo@@bar=1", "bar=2"]),
    "two @ in a key": (_with_states("foo@bar@baz=1,bar=2"), ["foo@bar@baz=1", "bar=2"]),
    "32 members": (
        _with_states(*(",".join(STATES[start : min(start + 10, 32)]) for start in range(0, 32, 10))),
        STATES[:32],
    ),
    "key of 256": (_with_states("foo=1", "z" * 256 + "=1"), ["foo=1", "z" * 256 + "=1"]),
    "key of 241 and 14": (_with_states("foo=1", f"{'t' * 241}@{'v' * 14}=1"), ["foo=1", f"{'t' * 241}@{'v' * 14}=1"]),
    "key of 242 and 1": (_with_states("foo=1", f"{'t' * 242}@v=1"), ["foo=1", f"{'t' * 242}@v=1"]),
    "key of 1 and 15": (_with_states("foo=1", f"t@{'v' * 15}=1"), ["foo=1", f"t@{'v' * 15}=1"]),
}
DROPPED: dict[str, list[Header]] = {
    "empty": _with_states(""),
    "another name": _with_states("foo=1", name="trace-state"),
    "yet another name": _with_states("foo=1", name="trace.state"),
    "blank in a key": _with_states("foo =1"),
    "capital in a key": _with_states("FOO=1"),
    "dot in a key": _with_states("foo.bar=1"),
    "@ first in a key": _with_states("@foo=1,bar=2"),
    "33 members": _with_states(*(",".join(STATES[start : start + 10]) for start in range(0, 33, 10))),
    "key of 257": _with_states("foo=1", "z" * 257 + "=1"),
    "= in a value": _with_states("foo=bar=baz"),
    "empty value": _with_states("foo=,bar=3"),
}
DUPLICATES = {
    "same": ["foo=1,foo=1"],
    "different": ["foo=1,foo=2"],
    "same in two headers": ["foo=1", "foo=1"],
    "different in two headers": ["foo=1", "foo=2"],
}


@pytest.mark.parametrize("headers", CONTINUED.values(), ids=CONTINUED)
def test_trace_is_continued(harness: Harness, headers: list[Header]) -> None:
    """A traceparent that is valid goes on with its trace id and a parent id of ours."""
    forwarded = _one(harness, headers)
    assert forwarded.trace == TRACE
    assert forwarded.flags & 1


@pytest.mark.parametrize("headers", RESTARTED.values(), ids=RESTARTED)
def test_trace_is_restarted(harness: Harness, headers: list[Header]) -> None:
    """Where there is no valid traceparent, or more than one, there is a new trace; a tracestate is not taken along."""
    forwarded = _one(harness, [*headers, ("tracestate", "foo=1")])
    given = {part for _, value in headers for part in value.strip().split("-")}
    assert forwarded.trace not in {*given, TRACE, TRACE[1:] + "3", "0" * 32}
    assert forwarded.state == []


@pytest.mark.parametrize("state", ["foo=1", "foo=1,bar=2"])
def test_state_without_parent(harness: Harness, state: str) -> None:
    """A tracestate without a traceparent is discarded."""
    assert _one(harness, [("tracestate", state)]).state == []


@pytest.mark.parametrize(("headers", "expected"), KEPT.values(), ids=KEPT)
def test_state_is_kept(harness: Harness, headers: list[Header], expected: list[str]) -> None:
    """A valid tracestate, in however many headers, goes on whole and in order."""
    forwarded = _one(harness, headers)
    assert forwarded.trace == TRACE
    assert forwarded.state == expected


@pytest.mark.parametrize("headers", DROPPED.values(), ids=DROPPED)
def test_state_is_dropped(harness: Harness, headers: list[Header]) -> None:
    """An invalid tracestate is discarded whole; the trace goes on."""
    forwarded = _one(harness, headers)
    assert forwarded.trace == TRACE
    assert forwarded.state == []


@pytest.mark.parametrize("states", DUPLICATES.values(), ids=DUPLICATES)
def test_state_with_a_key_twice(harness: Harness, states: list[str]) -> None:
    """A key that occurs twice loses neither the list nor both of its members."""
    forwarded = _one(harness, _with_states(*states))
    assert forwarded.trace == TRACE
    assert {"foo=1", "foo=2"} & set(forwarded.state)


@pytest.mark.parametrize(
    ("headers", "trace"),
    [
        (_parent(GIVEN), TRACE),
        ([], None),
        (_parent(f"00-{'0' * 32}-{PARENT}-01"), None),
    ],
    ids=["valid", "none", "invalid"],
)
def test_several_requests(harness: Harness, headers: list[Header], trace: str | None) -> None:
    """Requests made while one is served share its trace, each under a parent id of its own."""
    forwarded = harness.forward(headers, calls=3)
    assert len({one.trace for one in forwarded}) == 1
    assert len({one.parent for one in forwarded}) == 3
    assert forwarded[0].trace == (trace or forwarded[0].trace) != "0" * 32


@pytest.mark.parametrize("flags", ["00", "01", "02", "03"])
def test_flags(harness: Harness, flags: str) -> None:
    """Both flags of Level 2, sampled and random, go on as they came."""
    forwarded = _one(harness, _parent(GIVEN[:-2] + flags))
    assert forwarded.trace == TRACE
    assert forwarded.flags == int(flags, 16)


def test_flags_of_the_future(harness: Harness) -> None:
    """Flags that Level 2 does not define are not sent on."""
    assert _one(harness, _parent(GIVEN[:-2] + "ff")).flags == 3


def test_flags_of_a_new_trace(harness: Harness) -> None:
    """A trace that begins here is sampled, and its id is random and says so."""
    assert _one(harness, []).flags == 3
