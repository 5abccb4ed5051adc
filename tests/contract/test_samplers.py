"""The SDK's own samplers, the default one, and the one that the environment names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)

from contract.probes import TRACE_ID, Counting, Decider, below, identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.conftest import ProviderFactory


def test_default(provider_factory: ProviderFactory) -> None:
    """Without a word roots are sampled and children follow."""
    assert provider_factory().sampler is DEFAULT_ON


def test_given(provider_factory: ProviderFactory) -> None:
    """The provider has the sampler that it was given."""
    sampler = Decider()
    assert provider_factory(sampler=sampler).sampler is sampler


def _flags(tracer: trace.Tracer, parent: trace.SpanContext | None) -> int:
    span = tracer.start_span("work", context=None if parent is None else below(parent))
    return int(span.get_span_context().trace_flags) & 1


PARENTS = {
    "root": None,
    "remote sampled": identity(remote=True, flags=1),
    "remote unsampled": identity(remote=True, flags=0),
    "local sampled": identity(remote=False, flags=1),
    "local unsampled": identity(remote=False, flags=0),
}


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        (ALWAYS_ON, [1, 1, 1, 1, 1]),
        (ALWAYS_OFF, [0, 0, 0, 0, 0]),
        (DEFAULT_ON, [1, 1, 0, 1, 0]),
        (DEFAULT_OFF, [0, 1, 0, 1, 0]),
        (ParentBased(TraceIdRatioBased(0)), [0, 1, 0, 1, 0]),
        (ParentBased(ALWAYS_OFF, remote_parent_sampled=ALWAYS_OFF), [0, 0, 0, 1, 0]),
        (ParentBased(ALWAYS_OFF, remote_parent_not_sampled=ALWAYS_ON), [0, 1, 1, 1, 0]),
        (ParentBased(ALWAYS_OFF, local_parent_sampled=ALWAYS_OFF), [0, 1, 0, 0, 0]),
        (ParentBased(ALWAYS_OFF, local_parent_not_sampled=ALWAYS_ON), [0, 1, 0, 1, 1]),
        (ParentBased(ParentBased(ALWAYS_ON)), [1, 1, 0, 1, 0]),
    ],
    ids=["on", "off", "parent on", "parent off", "parent ratio", "r+", "r-", "l+", "l-", "nested"],
)
def test_the_sdks_samplers(sampled_by: Callable[..., trace.Tracer], sampler: Sampler, expected: list[int]) -> None:
    """The built-in samplers decide by the parent's flag and remoteness as configured."""
    tracer = sampled_by(sampler)
    assert [_flags(tracer, parent) for parent in PARENTS.values()] == expected


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("family", [TraceIdRatioBased, ParentBasedTraceIdRatio])
def test_ratio(sampled_by: Callable[..., trace.Tracer], rate: float, family: Callable[[float], Sampler]) -> None:
    """The low 64 bits of the trace id decide: sampled below the ratio's bound."""
    bound = round(rate * 2**64)

    class Given(Counting):
        def generate_trace_id(self) -> int:
            return (0xABC << 64) + next(ids)

    low = [number for number in (1, bound - 1, bound, bound + 1, 2**64 - 1) if 0 < number < 2**64]
    ids = iter(low)
    tracer = sampled_by(family(rate), id_generator=Given())
    assert [_flags(tracer, None) for _ in low] == [int(number < bound) for number in low]


def test_ratio_ignores_the_parent(sampled_by: Callable[..., trace.Tracer]) -> None:
    """TraceIdRatioBased alone looks at the trace id of a child, too."""
    parent = identity(trace_id=TRACE_ID, flags=1)
    assert _flags(sampled_by(TraceIdRatioBased(0)), parent) == 0
    assert _flags(sampled_by(TraceIdRatioBased(1)), identity(flags=0)) == 1


def test_a_sampler_derived_from_the_sdks(sampled_by: Callable[..., trace.Tracer]) -> None:
    """A subclass of a built-in sampler is asked, not taken for its base."""

    class Never(ParentBased):
        def should_sample(self, *given: Any, **named: Any) -> Any:
            return ALWAYS_OFF.should_sample(*given, **named)

    tracer = sampled_by(Never(ALWAYS_ON))
    assert [_flags(tracer, parent) for parent in PARENTS.values()] == [0] * 5


def test_a_sampler_set_afterwards(provider_factory: ProviderFactory) -> None:
    """Tracers made before keep their sampler when the provider gets another, tracers made later have the new one."""
    provider = provider_factory(sampler=ALWAYS_ON)
    before = provider.get_tracer("before")
    provider.sampler = ALWAYS_OFF
    assert [_flags(tracer, None) for tracer in (before, provider.get_tracer("after"))] == [1, 0]


def _text(sampler: Any) -> str:
    text: str = sampler.get_description()
    return text


@pytest.mark.parametrize(
    ("name", "argument", "description"),
    [
        ("always_on", None, _text(ALWAYS_ON)),
        ("always_off", None, _text(ALWAYS_OFF)),
        ("parentbased_always_on", None, _text(DEFAULT_ON)),
        ("parentbased_always_off", None, _text(DEFAULT_OFF)),
        ("traceidratio", "0.25", "TraceIdRatioBased{0.25}"),
        ("traceidratio", None, "TraceIdRatioBased{1.0}"),
        ("traceidratio", "half", "TraceIdRatioBased{1.0}"),
        ("parentbased_traceidratio", "0.5", _text(ParentBasedTraceIdRatio(0.5))),
        ("TraceIdRatio", "0", "TraceIdRatioBased{0.0}"),
        ("unheard_of", None, _text(DEFAULT_ON)),
    ],
)
def test_environment(
    provider_factory: ProviderFactory,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    argument: str | None,
    description: str,
) -> None:
    """OTEL_TRACES_SAMPLER and its argument choose the sampler when none is given."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    if argument is not None:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    assert provider_factory().sampler.get_description() == description


def test_the_constructor_beats_the_environment(
    provider_factory: ProviderFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A given sampler is not overridden by the environment."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    assert provider_factory(sampler=ALWAYS_ON).sampler is ALWAYS_ON
