"""Consistent probability: thresholds, the tracestate that tells of them, and which traces a ratio takes."""

from __future__ import annotations

from random import Random

import pytest
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased

from tracing_agent.propagation.remote import Remote
from tracing_agent.propagation.w3c import parse_tracestate
from tracing_agent.sampling.own import Own
from tracing_agent.sampling.probability import encoded, randomness, ratio_rule, threshold, with_threshold
from tracing_agent.trace.provider import TracerProvider

PARENT = 0x00F067AA0BA902B7


class Drawn(IdGenerator):
    """Ids drawn from a seed, the same in every run."""

    def __init__(self, seed: int) -> None:
        self.bits = Random(seed).getrandbits

    def generate_trace_id(self) -> int:
        return self.bits(128)

    def generate_span_id(self) -> int:
        return self.bits(64)

    def is_trace_id_random(self) -> bool:
        return True


def provider(ratio: float, parented: bool = False, seed: int = 7) -> TracerProvider:
    sampler = Own(ratio_rule(ratio), "ratio")
    return TracerProvider(
        sampler=ParentBased(sampler) if parented else sampler, id_generator=Drawn(seed), shutdown_on_exit=False
    )


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (1.0, "0"),
        (0.5, "8"),
        (0.25, "c"),
        (1 / 3, "aaab"),
        (0.1, "e666"),
        (0.01, "fd70a"),
        (0.001, "ffbe77"),
        (0.99, "028f"),
        (2.0**-56, "ffffffffffffff"),
    ],
)
def test_thresholds(ratio: float, said: str) -> None:
    """Thresholds are written as the specification's examples: four significant digits, zeros on the left kept."""
    assert encoded(threshold(ratio)) == said


def test_ratios_of_nothing() -> None:
    """A ratio that no threshold can say samples nothing."""
    for ratio in (0.0, 1e-18):
        assert ratio_rule(ratio).sampled is False


@pytest.mark.parametrize(
    ("state", "said", "result"),
    [
        ("", "8", "ot=th:8"),
        ("vendor=1,other=a:b", "8", "ot=th:8,vendor=1,other=a:b"),
        ("vendor=1,ot=rv:0123456789abcd;th:c;x:y,z=1", "8", "ot=th:8;rv:0123456789abcd;x:y,vendor=1,z=1"),
        ("vendor=1,ot=th:c", None, "vendor=1"),
        ("vendor=1,ot=th:c;rv:0123456789abcd", None, "ot=rv:0123456789abcd,vendor=1"),
        ("vendor=1,ot=rv:0123456789abcd", None, "vendor=1,ot=rv:0123456789abcd"),
        ("not=th:1", None, "not=th:1"),
        (f"ot=x:{'y' * 254}", "8", f"ot=x:{'y' * 254}"),
        (",".join(f"k{n}=1" for n in range(32)), "8", ",".join(f"k{n}=1" for n in range(32))),
    ],
)
def test_tracestate(state: str, said: str | None, result: str) -> None:
    """Setting or erasing th keeps what others, and other keys of OpenTelemetry, say, and never exceeds the limits."""
    assert with_threshold(state, said) == result
    assert parse_tracestate([result]) == result


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("", 0x34567890ABCDEF),
        ("ot=rv:00000000000001", 1),
        ("v=1,ot=th:8;rv:ffffffffffffff", 2**56 - 1),
        ("ot=rv:1", 0x34567890ABCDEF),
        ("ot=rv:FFFFFFFFFFFFFF", 0x34567890ABCDEF),
    ],
)
def test_randomness(state: str, expected: int) -> None:
    """The randomness is what rv says, where that is well-formed, and else the end of the trace id."""
    assert randomness(0x1234567890ABCDEF1234567890ABCDEF, state) == expected


@pytest.mark.parametrize("ratio", [0.01, 0.1, 0.25, 0.5, 0.9, 1.0])
def test_share(ratio: float) -> None:
    """Of ten thousand drawn traces the ratio's share is sampled, within four standard deviations."""
    engine = provider(ratio).engine
    traces = [engine.decide() for _ in range(10_000)]
    sampled = [trace for trace in traces if trace.recorded]
    assert abs(len(sampled) - 10_000 * ratio) <= 4 * (10_000 * ratio * (1 - ratio)) ** 0.5
    assert {trace.state for trace in sampled} == {f"ot=th:{encoded(threshold(ratio))}"}
    assert {trace.state for trace in traces if not trace.recorded} <= {""}
    assert all(trace.flags == 2 | trace.recorded for trace in traces)


def test_smaller_ratios_are_consistent() -> None:
    """Services that take a smaller ratio of the same traces take a part of what those with a larger one take."""
    taken = []
    for ratio in (0.05, 0.2, 0.7):
        engine = provider(ratio).engine
        taken.append({trace.id for trace in (engine.decide() for _ in range(5_000)) if trace.recorded})
    assert taken[0] < taken[1] < taken[2]


@pytest.mark.parametrize("flags", [2, 3])
def test_parents(flags: int) -> None:
    """Under a parent-based ratio the caller's decision and its whole tracestate are carried on."""
    engine, sampled = provider(0.5, parented=True).engine, 0
    for number in range(1, 100):
        trace = engine.trace_for(Remote(number << 48, PARENT, flags, "v=1,ot=th:4"))
        assert (trace.flags, trace.state) == (flags, "v=1,ot=th:4")
        sampled += trace.recorded
    assert sampled == (99 if flags & 1 else 0)


@pytest.mark.parametrize("flags", [2, 3])
def test_a_ratio_alone(flags: int) -> None:
    """Without a parent-based sampler a service decides for itself: th tells of its own probability, or is erased."""
    engine = provider(0.5).engine
    above, under = 0x80 << 48, 0x7F << 48
    assert engine.trace_for(Remote(above, PARENT, flags, "v=1,ot=th:4")).state == "ot=th:8,v=1"
    assert engine.trace_for(Remote(under, PARENT, flags, "v=1,ot=th:4")).state == "v=1"
    assert engine.trace_for(Remote(under, PARENT, flags, "ot=rv:ffffffffffffff")).flags == 3
    assert engine.trace_for(Remote(above, PARENT, flags, "ot=rv:00000000000000")).flags == 2


def test_the_programs_own_spans() -> None:
    """Spans of the program say the same of their probability as those of instrumentations, below them too."""
    tracer = provider(0.5).get_tracer("program")
    seen = set()
    for _ in range(50):
        with tracer.start_as_current_span("outer") as outer:
            inner = tracer.start_span("inner").get_span_context()
        context = outer.get_span_context()
        assert inner.trace_flags == context.trace_flags
        assert inner.trace_state.to_header() == context.trace_state.to_header()
        seen.add((int(context.trace_flags), context.trace_state.to_header()))
    assert seen == {(3, "ot=th:8"), (2, "")}


def test_elsewhere() -> None:
    """As a sampler of the SDK's own provider it decides the same, and says the same in the tracestate."""
    from opentelemetry.sdk.trace import TracerProvider as Theirs

    ours, theirs = provider(0.5), Theirs(sampler=provider(0.5).sampler, id_generator=Drawn(7), shutdown_on_exit=False)
    for _ in range(50):
        a = ours.get_tracer("a").start_span("work").get_span_context()
        b = theirs.get_tracer("b").start_span("work").get_span_context()
        assert (a.trace_id, a.trace_flags & 1, a.trace_state.to_header()) == (
            b.trace_id,
            b.trace_flags & 1,
            b.trace_state.to_header(),
        )
