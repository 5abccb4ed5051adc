"""What no header can do to the parsers: make them raise, take memory, or change on a round trip."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracing_agent
from propagation.headers import NASTY, PARENT, SPAN, TRACE
from tracing_agent.propagation.baggage import (
    LONGEST_BAGGAGE,
    MOST_ENTRIES,
    TOKEN,
    Value,
    format_baggage,
    parse_baggage,
    percent_decoded,
    percent_encoded,
)
from tracing_agent.propagation.jaeger import BAGGAGE as JAEGER_BAGGAGE
from tracing_agent.propagation.names import FORMATS
from tracing_agent.propagation.ottrace import BAGGAGE as OTTRACE_BAGGAGE
from tracing_agent.propagation.remote import Format, Remote
from tracing_agent.propagation.w3c import (
    LONGEST_TRACESTATE,
    MOST_MEMBERS,
    parse_traceparent,
    parse_tracestate,
    traceparent,
    valid_member,
)

# More examples than usual, and none fails for being slow.
thorough = settings(deadline=None, max_examples=300)

T, S = f"{TRACE:032x}", f"{SPAN:016x}"
_ORDINARY = (
    PARENT,
    "a=1,b=2;p=%20",
    f"{T}-{S}-1",
    f"{T}:{S}:0:1",
    f"Root=1-{T[:8]}-{T[8:]};Parent={S};Sampled=1",
    T,
    S,
    "1",
)
# Ordinary headers with a few characters put in, taken out or changed, besides anything at all.
mangled = st.builds(
    lambda value, at, what, length: value[:at] + what + value[at + length :],
    st.sampled_from(_ORDINARY),
    st.integers(0, 80),
    st.text(max_size=4) | st.text("0123456789abcdefABCDEF-:;=,%._ \t@", max_size=4),
    st.integers(0, 4),
)
header = st.text() | st.text("0123456789abcdef-,;=:% \t@_*/+") | mangled | st.sampled_from(NASTY)
ids = st.integers(1, (1 << 128) - 1), st.integers(1, (1 << 64) - 1)
every_format = pytest.mark.parametrize("name", FORMATS)


def _check(remote: Remote | None) -> None:
    """Whatever was read is what a Remote says it is."""
    if remote is None:
        return
    assert 0 <= remote.trace_id < 1 << 128
    assert 0 <= remote.span_id < 1 << 64
    assert bool(remote.trace_id) == bool(remote.span_id)
    assert 0 <= remote.flags <= 3
    assert not (remote.deferred and remote.flags & 1)
    assert not (remote.debug and not remote.flags & 1)
    assert len(remote.state) <= LONGEST_TRACESTATE


def _sendable(value: str) -> bool:
    return value.isascii() and value.replace("\t", " ").isprintable()


@thorough
@given(header)
def test_traceparent(value: str) -> None:
    """No text makes parse_traceparent() raise, and what it accepts can be written and read again."""
    parsed = parse_traceparent(value)
    if parsed is not None:
        assert parse_traceparent(traceparent(*parsed)) == parsed
        assert f"{parsed[0]:032x}-{parsed[1]:016x}" in value


@thorough
@given(*ids, st.integers(0, 255))
def test_traceparent_round_trip(trace_id: int, span_id: int, flags: int) -> None:
    """What is written is read as it was."""
    written = traceparent(trace_id, span_id, flags)
    assert len(written) == 55
    assert parse_traceparent(written) == (trace_id, span_id, flags & 3)


@thorough
@given(st.lists(header, max_size=4))
def test_tracestate(values: list[str]) -> None:
    """No headers make parse_tracestate() raise; its result is a valid list that it leaves as it is."""
    state = parse_tracestate(values)
    assert parse_tracestate([state]) == state
    assert len(state) <= LONGEST_TRACESTATE
    if state:
        members = [member.split("=") for member in state.split(",")]
        assert len(members) <= MOST_MEMBERS
        assert len({key for key, _ in members}) == len(members)
        assert all(valid_member(*member) for member in members)


_KEYS = st.from_regex(r"[a-z0-9][a-z0-9_\-*/@]{0,20}", fullmatch=True)
_VALUES = st.from_regex(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,40}[\x21-\x2b\x2d-\x3c\x3e-\x7e]", fullmatch=True)


@thorough
@given(st.dictionaries(_KEYS, _VALUES, max_size=32), st.integers(0, 32), st.text(" \t", max_size=3))
def test_tracestate_round_trip(members: dict[str, str], cut: int, blank: str) -> None:
    """A valid list comes through unchanged, however it is spread over headers and padded."""
    pairs = [f"{key}={value}" for key, value in members.items()]
    state = ",".join(pairs)
    assert parse_tracestate([state]) == state
    headers = [f"{blank},{blank}".join(part) for part in (pairs[:cut], pairs[cut:])]
    assert parse_tracestate(headers) == state


@thorough
@given(st.lists(header, max_size=4))
def test_baggage(values: list[str]) -> None:
    """No headers make parse_baggage() raise; what it reads can be sent, and is then read as it was."""
    entries = parse_baggage(values)
    assert len(entries) <= MOST_ENTRIES
    written = format_baggage(entries)
    assert _sendable(written)
    assert len(written) <= LONGEST_BAGGAGE
    again = parse_baggage([written])
    assert again.items() <= entries.items()
    if sum(len(name) + 3 * len(value.encode()) + 1 for name, value in entries.items()) < 2000:
        assert list(again.items()) == list(entries.items())
        assert [getattr(value, "metadata", "") for value in again.values()] == [
            getattr(value, "metadata", "") for value in entries.values()
        ]


@thorough
@given(
    st.dictionaries(
        st.text(max_size=8) | st.text(TOKEN, max_size=8),
        st.text() | st.builds(Value, st.text(), st.text()) | st.integers() | st.binary() | st.none(),
        max_size=80,
    )
)
def test_baggage_of_the_application(entries: dict[str, object]) -> None:
    """Whatever an application puts into baggage, no header breaks, and names and values arrive."""
    written = format_baggage(entries)
    assert _sendable(written)
    assert len(written) <= LONGEST_BAGGAGE
    for name, value in parse_baggage([written]).items():
        assert value == str(entries[name]).encode("utf-8", "replace").decode()
    for baggage in (JAEGER_BAGGAGE, OTTRACE_BAGGAGE):
        headers: dict[str, str] = {}
        baggage.format(entries, headers.__setitem__)
        assert len(headers) <= MOST_ENTRIES
        assert all(_sendable(name) and " " not in name and _sendable(value) for name, value in headers.items())


@thorough
@given(st.text())
def test_percent_encoding(text: str) -> None:
    """Encoded text is plain ASCII and decodes to what it was; decoding anything gives text that can be sent on."""
    encoded = percent_encoded(text)
    assert _sendable(encoded)
    assert not set(encoded) & set(' ",;\\')
    assert percent_decoded(encoded) == text.encode("utf-8", "replace").decode()
    percent_encoded(percent_decoded(text)).encode("ascii")


@every_format
@thorough
@given(data=st.data())
def test_formats(name: str, data: st.DataObject) -> None:
    """No headers make a format raise, and what it reads it writes and reads as it was."""
    format = FORMATS[name]
    headers = {field: data.draw(st.lists(header, max_size=2)) for field in (*format.fields, "b3")}
    remote = format.extract(lambda field: headers.get(field, []))
    _check(remote)
    if remote is not None:
        _round_trip(format, remote)


@every_format
@thorough
@given(
    *ids,
    st.integers(0, 1),
    st.booleans(),
    st.sampled_from(["", "a=1"]),
)
def test_formats_round_trip(name: str, trace_id: int, span_id: int, flags: int, deferred: bool, state: str) -> None:
    """Any span context is written in plain ASCII and read as it was, as far as the format can say it."""
    format = FORMATS[name]
    remote = Remote(trace_id, span_id, flags, debug=bool(flags) and not trace_id & 1)
    if name == "tracecontext":
        remote.debug = False
        remote.state = state
    elif name in ("xray", "ottrace"):
        remote.debug = False
    if deferred and not remote.debug and name in ("b3", "b3multi", "xray", "ottrace"):
        remote.flags, remote.deferred = 0, True
    if name == "ottrace":
        remote.trace_id = trace_id & (1 << 64) - 1 or 1
    _round_trip(format, remote)


def _round_trip(format: Format, remote: Remote) -> None:
    headers: dict[str, str] = {}
    format.inject(remote, headers.__setitem__)
    assert set(headers) <= set(format.fields)
    assert all(_sendable(value) for value in headers.values())
    if format.name == "ottrace" and remote.trace_id >> 64:
        return
    assert format.extract(lambda field: [headers[field]] if field in headers else []) == remote


@pytest.mark.parametrize("index", range(len(NASTY)))
def test_nasty_headers(index: int) -> None:
    """The fixed corpus: each nasty value in each header of each format, once, twice, and beside a good one."""
    value = NASTY[index]
    for headers in ([value], [value, value], [value, PARENT], ["a=1", value]):
        state = parse_tracestate(headers)
        assert _sendable(state)
        assert parse_tracestate([state]) == state
        written = format_baggage(parse_baggage(headers))
        assert _sendable(written)
        assert "x-injected: 1" not in written
        for format in FORMATS.values():
            _check(format.extract(lambda field, headers=headers: headers))  # type: ignore[misc]
            for field in format.fields:
                _check(format.extract(lambda name, field=field, headers=headers: headers if name == field else [T]))  # type: ignore[misc]
    assert parse_traceparent(value) is None
    for baggage in (JAEGER_BAGGAGE, OTTRACE_BAGGAGE):
        baggage.parse([value, baggage.prefix + value], lambda name: [value])


def _baggage_headers(values: Sequence[str]) -> object:
    return JAEGER_BAGGAGE.parse(["uberctx-a"] * len(values), lambda name: values)


READERS: dict[str, Callable[[Sequence[str]], object]] = {
    "traceparent": lambda values: parse_traceparent(values[0]),
    "tracestate": parse_tracestate,
    "baggage": parse_baggage,
    "baggage headers": _baggage_headers,
    **{
        name: (lambda values, format=format: format.extract(lambda field: values))  # type: ignore[misc]
        for name, format in FORMATS.items()
    },
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "unit", ["a", ",", " ", "a=1,", "a=1;", "%41", "-", ":", ";", "=", "0", "\u20ac", "a=%e2%82%ac,"]
)
def test_memory_is_bounded(reader: str, unit: str) -> None:
    """Headers of megabytes, one or many, make no parser take more than 200 kB."""
    read = READERS[reader]
    large = unit * (4_000_000 // len(unit))
    for values in ([large], [large[: 1 << 16]] * 64, ["a=" + large], ["a=1", large]):
        tracemalloc.start()
        try:
            read(values)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 200_000, (reader, unit, peak)


@pytest.mark.process
def test_the_core_needs_no_opentelemetry() -> None:
    """The parsers and writers import the standard library's plainest modules only, and nothing of OpenTelemetry."""
    agent = Path(tracing_agent.__file__).parents[1]
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import collections.abc, typing; before = set(sys.modules);"
        "import tracing_agent.propagation.names, tracing_agent.propagation.prefixed;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(agent)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["tracing_agent"]
