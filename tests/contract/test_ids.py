"""Ids: custom generators, the default one, and the flag that says whether a trace id is random."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator

from contract.probes import TRACE_ID, Counting, begin, below, identity
from contract.versions import RANDOM_FLAG

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import Tracer, TracerProvider

    from contract.conftest import ProviderFactory

FIRST_TRACE = TRACE_ID >> 64 << 64


class Declared(Counting):
    """A generator that says whether its trace ids are random."""

    def __init__(self, random: bool) -> None:
        super().__init__()
        self.random = random

    def is_trace_id_random(self) -> bool:
        return self.random


def test_custom_generator(provider_factory: ProviderFactory) -> None:
    """A root takes a trace id and a span id, a child only a span id."""
    ids: IdGenerator = Counting()
    provider = provider_factory(id_generator=ids)
    assert provider.id_generator is ids
    tracer = provider.get_tracer("orders")
    with tracer.start_as_current_span("root") as root:
        child = begin(tracer)
    other = begin(tracer)
    spans = [span.get_span_context() for span in (root, child, other)]
    assert [(span.trace_id - FIRST_TRACE, span.span_id) for span in spans] == [(1, 1), (1, 2), (2, 3)]


def test_default_generator(provider: TracerProvider) -> None:
    """Ids are valid, of full size, and do not repeat."""
    assert isinstance(provider.id_generator, IdGenerator)
    assert isinstance(provider.id_generator, RandomIdGenerator)
    contexts = [begin(provider.get_tracer("orders")).context for _ in range(200)]
    assert all(context.is_valid for context in contexts)
    assert len({context.trace_id for context in contexts}) == len({context.span_id for context in contexts}) == 200
    assert max(context.trace_id for context in contexts).bit_length() > 120
    assert max(context.span_id for context in contexts).bit_length() > 56


def test_default_generator_itself(provider: TracerProvider) -> None:
    """The provider's generator can be asked by the application."""
    ids = provider.id_generator
    assert 0 < ids.generate_trace_id() < 1 << 128
    assert 0 < ids.generate_span_id() < 1 << 64


@pytest.mark.skipif(not RANDOM_FLAG, reason="the flag came with SDK 1.42")
@pytest.mark.parametrize(
    ("ids", "flags"),
    [(None, 3), (RandomIdGenerator(), 3), (Counting(), 1), (Declared(True), 3), (Declared(False), 1)],
    ids=["default", "random", "silent", "declared random", "declared not"],
)
def test_random_flag_of_a_root(provider_factory: ProviderFactory, ids: IdGenerator | None, flags: int) -> None:
    """A root has the random flag if its generator says so; one that does not say is not random."""
    tracer = provider_factory(id_generator=ids).get_tracer("orders")
    assert begin(tracer).context.trace_flags == flags


@pytest.mark.skipif(RANDOM_FLAG, reason="the flag came with SDK 1.42")
def test_no_random_flag(tracer: Tracer, deviates: Callable[[str], bool]) -> None:
    """Before the flag a sampled root has the sampled flag alone."""
    assert begin(tracer).context.trace_flags == (3 if deviates("random-flag") else 1)


@pytest.mark.parametrize("random", [False, True])
@pytest.mark.parametrize("flags", [1, 3])
def test_random_flag_of_a_child(provider_factory: ProviderFactory, random: bool, flags: int, random_flag: bool) -> None:
    """A child has its parent's random flag, whatever the generator says."""
    tracer = provider_factory(id_generator=Declared(random)).get_tracer("orders")
    child = begin(tracer, context=below(identity(flags=flags)))
    assert child.context.trace_flags == (flags if random_flag else 1)


def test_a_generator_that_fails(provider_factory: ProviderFactory) -> None:
    """A generator's exception is the caller's."""

    class Failing(Counting):
        def generate_span_id(self) -> int:
            raise RuntimeError("no ids")

    with pytest.raises(RuntimeError, match="no ids"):
        provider_factory(id_generator=Failing()).get_tracer("orders").start_span("work")
