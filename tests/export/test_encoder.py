"""The encoder: for arbitrary spans its bytes say what the official encoder's say."""

from __future__ import annotations

import enum
import math
import sys
from collections import UserDict
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, TraceState

from export.official import decoded, expected, without_differences
from export.spans import PROVIDER, RESOURCE, fast, finished, spans
from support.recorder import Recorder
from tracing_agent.export.otlp import Encoder
from tracing_agent.export.values import MESSAGES
from tracing_agent.operation import Operation
from tracing_agent.trace.begin import beginner

# Kept over the examples, so that what it remembers of one span meets the next.
ENCODER = Encoder()
MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@MANY
@given(st.lists(spans, min_size=1, max_size=3))
def test_same_message(batch: list[Any]) -> None:
    """For arbitrary spans, from the API and from instrumentations, our bytes decode to the official message."""
    assert without_differences(decoded(ENCODER.request(batch, RESOURCE))) == expected(batch)


@MANY
@given(finished(pairs=st.just({})), st.integers(0, 255))
def test_flags(span: Any, flags: int) -> None:
    """The flags hold the W3C trace flags in the low 8 bits, and whether the parent is remote, also for links."""
    span.trace.flags = flags | 1
    (found,) = _messages(ENCODER.request([span], RESOURCE))
    remote = span.parent is not None and span.parent.is_remote
    assert found.flags == flags | 1 | 0x100 | 0x200 * remote
    assert [link.flags for link in found.links] == [
        link.context.trace_flags | 0x100 | 0x200 * link.context.is_remote for link in span.links
    ]
    assert [link.trace_state for link in found.links] == [link.context.trace_state.to_header() for link in span.links]


#: Values that the wire cannot carry, or not as they are.
hostile_scalars = st.one_of(
    st.text(max_size=10),
    st.text(st.characters(categories=("Cs",)), min_size=1, max_size=5),
    st.integers(),
    st.integers(1 << 63, 1 << 80),
    st.floats(),
    st.binary(max_size=5),
    st.complex_numbers(),
    st.sampled_from((object, Decimal("1.5"), datetime(2026, 1, 1, tzinfo=timezone.utc), {1, 2}, range(3))),
    st.none(),
)
hostile_values = st.recursive(
    hostile_scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.text(max_size=5), st.integers()), inner, max_size=3)
    ),
    max_leaves=6,
)


@MANY
@given(
    fast(
        names=st.one_of(st.text(), st.none(), st.integers(), st.lists(st.integers())),
        pairs=st.dictionaries(st.one_of(st.text(max_size=5), st.integers()), hostile_values, max_size=6),
    )
)
def test_hostile(span: Any) -> None:
    """Whatever a span holds, there is no exception, and its ids and times arrive."""
    keys = {str(key).encode("utf-8", "replace").decode() for key in {**span.origin.attributes, **span.values}}
    (found,) = _messages(ENCODER.request([span], RESOURCE))
    assert (int.from_bytes(found.trace_id, "big"), int.from_bytes(found.span_id, "big")) == (
        span.trace.id,
        span.span_id,
    )
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (span._start_time, span._end_time)
    assert {pair.key for pair in found.attributes} == keys


class Colour(str, enum.Enum):
    """A text with a name of its own."""

    RED = "red"


class Unprintable:
    """Cannot be shown."""

    def __str__(self) -> str:
        raise ValueError("no")


class Torn(UserDict[str, Any]):
    """A mapping that cannot be read."""

    def items(self) -> Any:
        raise KeyError("no")


def nested(levels: int, wrap: Any) -> Any:
    """A value below so many levels."""
    value: Any = "deep"
    for _ in range(levels):
        value = wrap(value)
    return value


HUGE = 10**5000
#: Whether this Python refuses to write so many digits.
DIGITS = hasattr(sys, "get_int_max_str_digits")
CYCLE: list[Any] = ["a"]
CYCLE.append(CYCLE)

RULES: list[tuple[str, Any, AnyValue]] = [
    ("lone surrogate", "a\ud800b", AnyValue(string_value="a?b")),
    ("NUL", "a\0b", AnyValue(string_value="a\0b")),
    ("largest", (1 << 63) - 1, AnyValue(int_value=(1 << 63) - 1)),
    ("past 64 bits", 1 << 63, AnyValue(string_value=str(1 << 63))),
    ("past 64 bits, negative", -(1 << 63) - 1, AnyValue(string_value=str(-(1 << 63) - 1))),
    ("past Python's own limit", HUGE, AnyValue(string_value=hex(HUGE) if DIGITS else str(HUGE))),
    ("infinity", math.inf, AnyValue(double_value=math.inf)),
    ("none", None, AnyValue()),
    ("text with a type of its own", Colour.RED, AnyValue(string_value="red")),
    ("number with a type of its own", SpanKind.CLIENT, AnyValue(string_value="SpanKind.CLIENT")),
    ("integer with a type of its own", TraceFlags(3), AnyValue(int_value=3)),
    ("bytearray", bytearray(b"ab"), AnyValue(bytes_value=b"ab")),
    ("memoryview", memoryview(b"ab"), AnyValue(bytes_value=b"ab")),
    ("other object", Decimal("1.50"), AnyValue(string_value="1.50")),
    ("unprintable", Unprintable(), AnyValue(string_value="")),
    ("unreadable map", Torn(), AnyValue()),
]


@pytest.mark.parametrize(("value", "wanted"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES])
def test_rule(recorder: Recorder, value: Any, wanted: AnyValue) -> None:
    """Each rule for a value that the wire cannot carry as it is (docs/compatibility.md, the same list)."""
    assert _value(recorder, value) == wanted


@pytest.mark.parametrize(
    ("wrap", "cost"), [(lambda value: {"k": value}, 3), (lambda value: [value], 2)], ids=["map", "list"]
)
def test_depth(recorder: Recorder, wrap: Any, cost: int) -> None:
    """As many levels as every decoder takes are kept; deeper ones are empty, and the batch is not lost."""
    most = MESSAGES // cost
    assert "deep" in str(_value(recorder, nested(most, wrap)))
    for levels in (most + 1, 64, 5000):
        assert "deep" not in str(_value(recorder, nested(levels, wrap)))


def test_endless(recorder: Recorder) -> None:
    """A value that holds itself ends at the depth; one that holds itself many times over at a number of values."""
    assert str(_value(recorder, CYCLE)).count("string_value") == MESSAGES // 2
    bomb: Any = "x"
    for _ in range(40):
        bomb = [bomb] * 2
    assert _value(recorder, bomb).array_value.values


def test_huge(recorder: Recorder) -> None:
    """A text of megabytes is carried whole."""
    assert len(_value(recorder, "x" * 5_000_000).string_value) == 5_000_000


@pytest.mark.parametrize("start", [None, 1.5e18, -1, 1 << 70, "soon"])
def test_odd_times(recorder: Recorder, start: Any) -> None:
    """A time that is no 64-bit integer is rounded, cut, or 0."""
    span = recorder.tracer.start_span("a", start_time=1)
    span.end()
    span._start_time = start
    (found,) = _messages(Encoder().request([span], recorder.provider.resource))
    wanted = {1.5e18: 1_500_000_000_000_000_000, 1 << 70: (1 << 64) - 1}
    assert found.start_time_unix_nano == wanted.get(start, 0)
    assert found.name == "a"


def test_odd_ids_and_kind(recorder: Recorder) -> None:
    """Ids of a custom generator that are too long lose their high bits; a kind that is none is unspecified."""
    span = recorder.tracer.start_span("a", kind="server")
    span.end()
    span.span_id = (1 << 64) + 5
    span.trace.id = (1 << 128) + 7
    (found,) = _messages(Encoder().request([span], recorder.provider.resource))
    assert (int.from_bytes(found.trace_id, "big"), int.from_bytes(found.span_id, "big"), found.kind) == (7, 5, 0)


def test_odd_events_and_links(recorder: Recorder) -> None:
    """An event without a time, and things in the lists that are no events, cost nothing else."""
    span = recorder.tracer.start_span(
        "a", links=[Link(SpanContext(1 << 130, 1 << 70, False, trace_state=TraceState()))]
    )
    span.add_event("one", {"k": "v"})
    span.events[0]._timestamp = None
    span.end()
    span._events.append("no event")
    (found,) = _messages(Encoder().request([span], recorder.provider.resource))
    assert [(event.name, event.time_unix_nano) for event in found.events] == [("one", 0)]


def test_changed_meanwhile(recorder: Recorder) -> None:
    """Attributes that another thread adds while they are encoded do not cost the span."""

    class Growing(dict[str, Any]):
        def items(self) -> Any:
            for key in super().items():
                self["more"] = 1
                yield key

    span = recorder.tracer.start_span("a")
    span.values = Growing({"k": "v", "l": "w"})
    span.end()
    (found,) = _messages(Encoder().request([span], recorder.provider.resource))
    assert found.name == "a" and {"k", "l"} <= {pair.key for pair in found.attributes}


def test_constant_overridden(recorder: Recorder) -> None:
    """A value under the key of a constant of its operation stands for it: no key is sent twice."""
    begin = beginner(recorder.engine, Operation("redis", "GET", SpanKind.CLIENT, {"db.system.name": "redis", "k": 1}))
    span: Any = begin()
    span.values["k"] = 2
    span.origin.finish(span)
    (found,) = _messages(Encoder().request([span], recorder.provider.resource))
    assert [(pair.key, pair.value.int_value) for pair in found.attributes] == [("db.system.name", 0), ("k", 2)]


def test_equal_scopes(recorder: Recorder) -> None:
    """Spans of equal scopes are one group, though the program asks for a tracer each time."""
    batch = []
    for name in ("a", "b", "a"):
        span = recorder.provider.get_tracer(name, "1").start_span(name)
        span.end()
        batch.append(span)
    (resource,) = decoded(Encoder().request(batch, RESOURCE)).resource_spans
    assert [(scope.scope.name, len(scope.spans)) for scope in resource.scope_spans] == [("a", 2), ("b", 1)]


def _messages(body: bytes) -> list[Any]:
    (resource,) = decoded(body).resource_spans
    return [span for scope in resource.scope_spans for span in scope.spans]


def _value(recorder: Recorder, value: Any) -> Any:
    """The value of an attribute that an instrumentation wrote, with an ordinary one behind it, on the wire."""
    span = recorder.tracer.start_span("a")
    span.values["odd"], span.values["plain"] = value, "here"
    span.end()
    (found,) = _messages(Encoder().request([span], PROVIDER.resource))
    odd, plain = found.attributes
    assert plain.value.string_value == "here"
    return odd.value
