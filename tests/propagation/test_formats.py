"""B3, Jaeger, X-Ray and OpenTracing headers, row by row."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from propagation.headers import SPAN, TRACE, joined, received
from tracing_agent.propagation.jaeger import BAGGAGE as JAEGER_BAGGAGE
from tracing_agent.propagation.names import FORMATS
from tracing_agent.propagation.ottrace import BAGGAGE as OTTRACE_BAGGAGE
from tracing_agent.propagation.prefixed import Prefixed
from tracing_agent.propagation.remote import Format, Remote, Values

T, S = f"{TRACE:032x}", f"{SPAN:016x}"
LOW = TRACE & (1 << 64) - 1
SHORT = f"{LOW:016x}"
B3, MULTI, JAEGER, XRAY, OTTRACE = (FORMATS[name] for name in ("b3", "b3multi", "jaeger", "xray", "ottrace"))


def _written(format: Format, remote: Remote) -> dict[str, str]:
    headers: dict[str, str] = {}
    format.inject(remote, headers.__setitem__)
    assert set(headers) <= set(format.fields)
    return headers


@pytest.mark.parametrize("format", [B3, MULTI], ids=["b3", "b3multi"])
@pytest.mark.parametrize(
    ("value", "remote"),
    [
        (f"{T}-{S}-1", Remote(TRACE, SPAN, 1)),
        (f"{T}-{S}-0", Remote(TRACE, SPAN, 0)),
        (f"{T}-{S}-d", Remote(TRACE, SPAN, 1, debug=True)),
        (f"{T}-{S}", Remote(TRACE, SPAN, 0, deferred=True)),
        (f"{T}-{S}-1-{S}", Remote(TRACE, SPAN, 1)),
        (f"{SHORT}-{S}-1", Remote(LOW, SPAN, 1)),
        (f"{T.upper()}-{S}-1", Remote(TRACE, SPAN, 1)),
        (f" {T}-{S}-1\t", Remote(TRACE, SPAN, 1)),
        ("0", Remote(0, 0, 0)),
        ("1", Remote(0, 0, 1)),
        ("d", Remote(0, 0, 1, debug=True)),
        ("", None),
        ("2", None),
        ("D", None),
        (f"{T}-{S}-", None),
        (f"{T}-{S}-2", None),
        (f"{T}-{S}-true", None),
        (f"{T}-{S}-1-", None),
        (f"{T}-{S}-1-xyz", None),
        (f"{T}-{S}-1-{S}-1", None),
        (f"{T}", None),
        (f"{T}-", None),
        (f"{T}-1", None),
        (f"{T[:-1]}-{S}-1", None),
        (f"{T}-{S[:-1]}-1", None),
        (f"{'0' * 32}-{S}-1", None),
        (f"{T}-{'0' * 16}-1", None),
        (f"{T[:-1]}_-{S}-1", None),
    ],
)
def test_b3_single_header(format: Format, value: str, remote: Remote | None) -> None:
    """The single B3 header: short ids padded, parent ignored, debug kept, an absent decision deferred."""
    assert format.extract(received(("b3", value))) == remote


@pytest.mark.parametrize("format", [B3, MULTI], ids=["b3", "b3multi"])
@pytest.mark.parametrize(
    ("headers", "remote"),
    [
        ({"TraceId": T, "SpanId": S, "Sampled": "1"}, Remote(TRACE, SPAN, 1)),
        ({"TraceId": T, "SpanId": S, "Sampled": "0"}, Remote(TRACE, SPAN, 0)),
        ({"TraceId": T, "SpanId": S, "Sampled": "true"}, Remote(TRACE, SPAN, 1)),
        ({"TraceId": T, "SpanId": S, "Sampled": "False"}, Remote(TRACE, SPAN, 0)),
        ({"TraceId": T, "SpanId": S}, Remote(TRACE, SPAN, 0, deferred=True)),
        ({"TraceId": T, "SpanId": S, "Sampled": "maybe"}, Remote(TRACE, SPAN, 0, deferred=True)),
        ({"TraceId": T, "SpanId": S, "Flags": "1"}, Remote(TRACE, SPAN, 1, debug=True)),
        ({"TraceId": T, "SpanId": S, "Flags": "1", "Sampled": "0"}, Remote(TRACE, SPAN, 1, debug=True)),
        ({"TraceId": T, "SpanId": S, "Flags": "0", "Sampled": "1"}, Remote(TRACE, SPAN, 1)),
        ({"TraceId": T, "SpanId": S, "ParentSpanId": S, "Sampled": "1"}, Remote(TRACE, SPAN, 1)),
        ({"TraceId": SHORT, "SpanId": S, "Sampled": "1"}, Remote(LOW, SPAN, 1)),
        ({"Sampled": "0"}, Remote(0, 0, 0)),
        ({"Sampled": "1"}, Remote(0, 0, 1)),
        ({"Flags": "1"}, Remote(0, 0, 1, debug=True)),
        ({}, None),
        ({"Sampled": "maybe"}, None),
        ({"TraceId": T, "Sampled": "1"}, None),
        ({"SpanId": S, "Sampled": "1"}, None),
        ({"TraceId": T[:-2], "SpanId": S, "Sampled": "1"}, None),
        ({"TraceId": T, "SpanId": "0" * 16, "Sampled": "1"}, None),
    ],
)
def test_b3_several_headers(format: Format, headers: dict[str, str], remote: Remote | None) -> None:
    """The X-B3-* headers: lenient decision, debug over decision, an absent decision deferred, ids all or none."""
    assert format.extract(received(*((f"X-B3-{name}", value) for name, value in headers.items()))) == remote


@pytest.mark.parametrize("server", [received, joined])
def test_b3_first_value_wins(server: Callable[..., Values]) -> None:
    """Of a repeated X-B3-* header the first value counts, whether the server joins them or not."""
    headers = [
        ("x-b3-traceid", T),
        ("x-b3-traceid", "f" * 32),
        ("x-b3-spanid", S),
        ("x-b3-sampled", "1"),
        ("x-b3-sampled", "0"),
    ]
    assert MULTI.extract(server(*headers)) == Remote(TRACE, SPAN, 1)


def test_b3_single_header_wins() -> None:
    """The single header wins over the several ones, which are read when it is malformed."""
    several = [("x-b3-traceid", "f" * 32), ("x-b3-spanid", "f" * 16), ("x-b3-sampled", "0")]
    assert B3.extract(received(("b3", f"{T}-{S}-1"), *several)) == Remote(TRACE, SPAN, 1)
    assert B3.extract(received(("b3", "nonsense"), *several)) == Remote((1 << 128) - 1, (1 << 64) - 1, 0)


@pytest.mark.parametrize(
    ("remote", "single", "several"),
    [
        (Remote(TRACE, SPAN, 3, "a=1"), f"{T}-{S}-1", {"traceid": T, "spanid": S, "sampled": "1"}),
        (Remote(TRACE, SPAN, 2), f"{T}-{S}-0", {"traceid": T, "spanid": S, "sampled": "0"}),
        (Remote(TRACE, SPAN, 1, debug=True), f"{T}-{S}-d", {"traceid": T, "spanid": S, "flags": "1"}),
        (Remote(TRACE, SPAN, 0, deferred=True), f"{T}-{S}", {"traceid": T, "spanid": S}),
        (Remote(LOW, SPAN, 1), f"{'0' * 16}{SHORT}-{S}-1", {"traceid": "0" * 16 + SHORT, "spanid": S, "sampled": "1"}),
        (Remote(0, 0, 0), "0", {"sampled": "0"}),
        (Remote(0, 0, 1), "1", {"sampled": "1"}),
        (Remote(0, 0, 1, debug=True), "d", {"flags": "1"}),
    ],
)
def test_b3_written(remote: Remote, single: str, several: dict[str, str]) -> None:
    """B3 is written with 128-bit ids, debug in place of the decision, and never a parent id."""
    assert _written(B3, remote) == {"b3": single}
    assert _written(MULTI, remote) == {f"x-b3-{name}": value for name, value in several.items()}


@pytest.mark.parametrize(
    ("value", "remote"),
    [
        (f"{T}:{S}:0:1", Remote(TRACE, SPAN, 1)),
        (f"{T}:{S}:0:01", Remote(TRACE, SPAN, 1)),
        (f"{T}:{S}:0:0", Remote(TRACE, SPAN, 0)),
        (f"{T}:{S}:0:3", Remote(TRACE, SPAN, 1, debug=True)),
        (f"{T}:{S}:0:2", Remote(TRACE, SPAN, 0)),
        (f"{T}:{S}:0:9", Remote(TRACE, SPAN, 1)),
        (f"{T}:{S}:0:0B", Remote(TRACE, SPAN, 1, debug=True)),
        (f"{T}:{S}:{S}:1", Remote(TRACE, SPAN, 1)),
        (f"{T}:{S}::1", Remote(TRACE, SPAN, 1)),
        (f"{T}%3A{S}%3a0%3A1", Remote(TRACE, SPAN, 1)),
        ("a:b:0:1", Remote(0xA, 0xB, 1)),
        (f" {T}:{S}:0:1 ", Remote(TRACE, SPAN, 1)),
        ("", None),
        (f"{T}:{S}:0", None),
        (f"{T}:{S}:0:1:1", None),
        (f"{T}:{S}:0:", None),
        (f"{T}:{S}:0:001", None),
        (f"{T}:{S}:0:x", None),
        (f"0:{S}:0:1", None),
        (f"{T}:0:0:1", None),
        (f"1{T}:{S}:0:1", None),
        (f"{T}:1{S}:0:1", None),
        (f"{T}:-1:0:1", None),
    ],
)
def test_jaeger_read(value: str, remote: Remote | None) -> None:
    """uber-trace-id: short ids padded, parent ignored, debug read only from a sampled trace."""
    assert JAEGER.extract(received(("Uber-Trace-Id", value))) == remote


@pytest.mark.parametrize(
    ("remote", "value"),
    [
        (Remote(TRACE, SPAN, 1), f"{T}:{S}:0:01"),
        (Remote(TRACE, SPAN, 3), f"{T}:{S}:0:01"),
        (Remote(TRACE, SPAN, 2), f"{T}:{S}:0:00"),
        (Remote(TRACE, SPAN, 1, debug=True), f"{T}:{S}:0:03"),
        (Remote(TRACE, SPAN, 0, deferred=True), f"{T}:{S}:0:00"),
        (Remote(TRACE, SPAN, 0, debug=True), f"{T}:{S}:0:00"),
        (Remote(0xA, 0xB, 1), f"{0xA:032x}:{0xB:016x}:0:01"),
    ],
)
def test_jaeger_written(remote: Remote, value: str) -> None:
    """uber-trace-id is sent with parent 0, and debug neither for sampled nor for random but only for debug."""
    assert _written(JAEGER, remote) == {"uber-trace-id": value}


ROOT = f"1-{T[:8]}-{T[8:]}"


@pytest.mark.parametrize(
    ("value", "remote"),
    [
        (f"Root={ROOT};Parent={S};Sampled=1", Remote(TRACE, SPAN, 1)),
        (f"Root={ROOT};Parent={S};Sampled=0", Remote(TRACE, SPAN, 0)),
        (f"Sampled=1;Parent={S};Root={ROOT}", Remote(TRACE, SPAN, 1)),
        (f"Root={ROOT}; Parent={S}; Sampled=1", Remote(TRACE, SPAN, 1)),
        (f"Self=1-a-b;Root={ROOT};Parent={S};Sampled=1;Lineage=1:2|3:4", Remote(TRACE, SPAN, 1)),
        (f"Root={ROOT};Parent={S};Sampled=1;", Remote(TRACE, SPAN, 1)),
        (f"Root={ROOT};Parent={S};Sampled=?", Remote(TRACE, SPAN, 0, deferred=True)),
        (f"Root={ROOT};Parent={S}", Remote(TRACE, SPAN, 0, deferred=True)),
        ("", None),
        (f"Root={ROOT}", None),
        (f"Root={ROOT};Sampled=1", None),
        (f"Parent={S};Sampled=1", None),
        (f"Root=2{ROOT[1:]};Parent={S};Sampled=1", None),
        (f"Root={ROOT[:-1]};Parent={S};Sampled=1", None),
        (f"Root={ROOT[:10]}_{ROOT[11:]};Parent={S};Sampled=1", None),
        (f"Root={ROOT.replace('-', '_')};Parent={S};Sampled=1", None),
        (f"Root=1-{'0' * 8}-{'0' * 24};Parent={S};Sampled=1", None),
        (f"Root={ROOT};Parent={S[:-1]};Sampled=1", None),
        (f"Root={ROOT};Parent={'0' * 16};Sampled=1", None),
    ],
)
def test_xray_read(value: str, remote: Remote | None) -> None:
    """X-Amzn-Trace-Id: parts in any order, others ignored, an undecided or absent Sampled deferred."""
    assert XRAY.extract(received(("X-Amzn-Trace-Id", value))) == remote


def test_xray_written() -> None:
    """X-Amzn-Trace-Id is sent with the decision, or without while it is deferred."""
    assert _written(XRAY, Remote(TRACE, SPAN, 3)) == {"x-amzn-trace-id": f"Root={ROOT};Parent={S};Sampled=1"}
    assert _written(XRAY, Remote(TRACE, SPAN, 2)) == {"x-amzn-trace-id": f"Root={ROOT};Parent={S};Sampled=0"}
    assert _written(XRAY, Remote(TRACE, SPAN, 0, deferred=True)) == {"x-amzn-trace-id": f"Root={ROOT};Parent={S}"}


@pytest.mark.parametrize(
    ("headers", "remote"),
    [
        ({"traceid": SHORT, "spanid": S, "sampled": "true"}, Remote(LOW, SPAN, 1)),
        ({"traceid": T, "spanid": S, "sampled": "false"}, Remote(TRACE, SPAN, 0)),
        ({"traceid": "a", "spanid": "b", "sampled": "1"}, Remote(0xA, 0xB, 1)),
        ({"traceid": T, "spanid": S}, Remote(TRACE, SPAN, 0, deferred=True)),
        ({"traceid": T, "sampled": "true"}, None),
        ({"spanid": S, "sampled": "true"}, None),
        ({"traceid": "0", "spanid": S, "sampled": "true"}, None),
        ({"traceid": T + "1", "spanid": S, "sampled": "true"}, None),
        ({"traceid": "xyz", "spanid": S, "sampled": "true"}, None),
    ],
)
def test_ottrace_read(headers: dict[str, str], remote: Remote | None) -> None:
    """ot-tracer-*: ids of up to 128 and 64 bits, an absent decision deferred."""
    assert OTTRACE.extract(received(*((f"ot-tracer-{name}", value) for name, value in headers.items()))) == remote


def test_ottrace_written() -> None:
    """ot-tracer-* carries the low 64 bits of the trace id, which is all that such tracers can read."""
    ids = {"ot-tracer-traceid": SHORT, "ot-tracer-spanid": S}
    assert _written(OTTRACE, Remote(TRACE, SPAN, 3)) == {**ids, "ot-tracer-sampled": "true"}
    assert _written(OTTRACE, Remote(TRACE, SPAN, 0)) == {**ids, "ot-tracer-sampled": "false"}
    assert _written(OTTRACE, Remote(TRACE, SPAN, 0, deferred=True)) == ids


@pytest.mark.parametrize("name", ["jaeger", "xray", "ottrace"])
def test_no_ids_no_headers(name: str) -> None:
    """A decision without ids writes nothing in a format that cannot express it."""
    assert _written(FORMATS[name], Remote(0, 0, 1, debug=True)) == {}


def test_sampled_says_whether_there_is_a_decision() -> None:
    """Remote.sampled is True, False, or None for a decision that is the receiver's."""
    assert [Remote(1, 1, 3).sampled, Remote(1, 1, 2).sampled, Remote(1, 1, 0, deferred=True).sampled] == [
        True,
        False,
        None,
    ]


def test_jaeger_baggage() -> None:
    """uberctx-* headers carry percent-encoded entries, read whatever the case of the prefix."""
    carrier = {"UberCtx-a": "x%20y+z", "uberctx-b": " 1 ", "uberctx-": "none", "other": "1"}
    entries = JAEGER_BAGGAGE.parse(carrier, lambda name: [carrier[name]])
    assert entries == {"a": "x y+z", "b": "1"}
    written: dict[str, str] = {}
    JAEGER_BAGGAGE.format({**entries, "bad name": "1", "number": 5}, written.__setitem__)
    assert written == {"uberctx-a": "x%20y+z", "uberctx-b": "1", "uberctx-number": "5"}


def test_ottrace_baggage() -> None:
    """ot-baggage-* headers carry entries as they are, and not those that no header can carry."""
    carrier = {"ot-baggage-a": "x%20y"}
    assert OTTRACE_BAGGAGE.parse(carrier, lambda name: [carrier[name]]) == {"a": "x%20y"}
    written: dict[str, str] = {}
    OTTRACE_BAGGAGE.format({"a": "x y%", "b": "x\r\ny", "c": "\u00e9", "d e": "1"}, written.__setitem__)
    assert written == {"ot-baggage-a": "x y%"}


@pytest.mark.parametrize("baggage", [JAEGER_BAGGAGE, OTTRACE_BAGGAGE], ids=["jaeger", "ottrace"])
def test_prefixed_baggage_is_bounded(baggage: Prefixed) -> None:
    """Baggage in headers of its own is held to 64 entries and 8192 characters, read and written."""
    many = {f"{baggage.prefix}{index}": "v" for index in range(100)}
    assert list(baggage.parse(many, lambda name: [many[name]])) == [str(index) for index in range(64)]
    large = {f"{baggage.prefix}{index}": "v" * 4000 for index in range(4)}
    assert list(baggage.parse(large, lambda name: [large[name]])) == ["0", "1"]
    written: dict[str, str] = {}
    baggage.format({str(index): "v" for index in range(100)}, written.__setitem__)
    assert len(written) == 64
    written.clear()
    baggage.format({"a": "v" * 4000, "b": "v" * 9000, "c": "v" * 4000, "d": "v" * 500, "e": "v"}, written.__setitem__)
    assert [name[-1] for name in written] == ["a", "c", "e"]
