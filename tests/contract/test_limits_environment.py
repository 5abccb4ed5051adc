"""Limits from the environment: OTEL_SPAN_*, OTEL_ATTRIBUTE_*, OTEL_EVENT_*, OTEL_LINK_*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import SpanLimits

from contract.probes import begin, crowd, identity, shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.conftest import ProviderFactory

COUNTS = {
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": [2, 4, 4, 4, 4],
    "OTEL_SPAN_EVENT_COUNT_LIMIT": [4, 2, 4, 4, 4],
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": [4, 4, 2, 4, 4],
    "OTEL_SPAN_LINK_COUNT_LIMIT": [4, 4, 4, 2, 4],
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": [4, 4, 4, 4, 2],
    "OTEL_ATTRIBUTE_COUNT_LIMIT": [2, 4, 2, 4, 2],
}
LENGTHS = {"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": ["ab", "abcd"], "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": ["ab", "ab"]}


def _counts(factory: ProviderFactory, number: int = 4, **given: Any) -> list[int]:
    tracer: Any = factory(**given).get_tracer("orders")
    return shape(crowd(tracer, number))


def _lengths(factory: ProviderFactory) -> list[object]:
    span = begin(factory().get_tracer("orders"), attributes={"a": "abcd"})
    span.add_event("e", {"a": "abcd"})
    span.add_link(identity(), {"a": "abcd"})
    assert span.events[0].attributes == span.links[0].attributes
    return [(found or {})["a"] for found in (span.attributes, span.events[0].attributes)]


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", ["2", " 2 "])
def test_count(name: str, value: str, provider_factory: ProviderFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable limits what it names, read when the provider is made."""
    monkeypatch.setenv(name, value)
    assert _counts(provider_factory) == COUNTS[name]


@pytest.mark.parametrize("name", LENGTHS)
def test_length(name: str, provider_factory: ProviderFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The length of values is limited for spans, or for everything."""
    monkeypatch.setenv(name, "2")
    assert _lengths(provider_factory) == LENGTHS[name]


def test_the_special_limit_beats_the_general(
    provider_factory: ProviderFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable for spans, events or links beats the one for attributes of anything."""
    monkeypatch.setenv("OTEL_ATTRIBUTE_COUNT_LIMIT", "3")
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1")
    monkeypatch.setenv("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "2")
    assert _counts(provider_factory) == [1, 4, 3, 4, 2]


def test_the_constructor_beats_the_environment(
    provider_factory: ProviderFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit given to SpanLimits is not looked up."""
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1")
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "1")
    assert _counts(provider_factory, span_limits=SpanLimits(max_span_attributes=2)) == [2, 1, 4, 4, 4]


def test_zero(provider_factory: ProviderFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """0 is a limit."""
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0")
    assert _counts(provider_factory) == [0, 4, 4, 4, 4]


@pytest.mark.parametrize("name", COUNTS)
def test_empty_count(
    name: str,
    provider_factory: ProviderFactory,
    monkeypatch: pytest.MonkeyPatch,
    deviates: Callable[[str], bool],
) -> None:
    """An empty variable is no limit to the SDK, and to us as if it were not set."""
    monkeypatch.setenv(name, "")
    limited = [count != 4 for count in COUNTS[name]]
    # For the general limit the SDK takes empty for absent, and comes to its default of 128.
    unlimited = 130 if name != "OTEL_ATTRIBUTE_COUNT_LIMIT" and not deviates("empty-limit-value") else 128
    assert _counts(provider_factory, 130) == [unlimited if one else 128 for one in limited]


@pytest.mark.parametrize("name", LENGTHS)
def test_empty_length(name: str, provider_factory: ProviderFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty length is no limit, which is the default too."""
    monkeypatch.setenv(name, "")
    assert _lengths(provider_factory) == ["abcd", "abcd"]


@pytest.mark.parametrize("value", ["many", "-1", "2.5"])
@pytest.mark.parametrize("name", COUNTS)
def test_bad_count(
    name: str,
    value: str,
    provider_factory: ProviderFactory,
    monkeypatch: pytest.MonkeyPatch,
    deviates: Callable[[str], bool],
) -> None:
    """A value that is no limit stops the SDK with a ValueError; ours takes the default."""
    monkeypatch.setenv(name, value)
    if deviates("bad-limit-value"):
        assert _counts(provider_factory, 130) == [128] * 5
    else:
        with pytest.raises(ValueError):  # the text differs between releases
            provider_factory()


@pytest.mark.parametrize("value", ["long", "-1"])
@pytest.mark.parametrize("name", LENGTHS)
def test_bad_length(
    name: str,
    value: str,
    provider_factory: ProviderFactory,
    monkeypatch: pytest.MonkeyPatch,
    deviates: Callable[[str], bool],
) -> None:
    """The same holds for lengths, whose default is none."""
    monkeypatch.setenv(name, value)
    if deviates("bad-limit-value"):
        assert _lengths(provider_factory) == ["abcd", "abcd"]
    else:
        with pytest.raises(ValueError):  # the text differs between releases
            provider_factory()
