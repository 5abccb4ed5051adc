"""Tracers: their scope, which calls share one, and tracers that are switched off."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk import trace as sdk

from contract.probes import TRACE_ID, begin, below, identity
from contract.versions import CONFIGURATOR, DISABLED_PROPAGATES, PATIENT_CONFIGURATOR, SAME_TRACER

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import Tracer, TracerProvider

    from contract.conftest import ProviderFactory
    from contract.probes import Recorder


def scope(span: sdk.ReadableSpan) -> tuple[str, str | None, str | None, dict[str, Any]]:
    """The instrumentation scope as (name, version, schema URL, attributes)."""
    found = span.instrumentation_scope
    assert found is not None
    return found.name, found.version, found.schema_url, dict(found.attributes or {})


URL = "https://opentelemetry.io/schemas/1.42.0"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("orders",), ("orders", "", "", {})),
        (("orders", "1.2"), ("orders", "1.2", "", {})),
        (("orders", None, URL), ("orders", "", URL, {})),
        (("orders", "1.2", URL, {"a": 1, "b": ["x"]}), ("orders", "1.2", URL, {"a": 1, "b": ("x",)})),
        (("", "1.2"), ("", "1.2", "", {})),
        ((None,), ("", "", "", {})),
    ],
    ids=["name", "version", "schema", "all", "empty", "None"],
)
def test_scope(
    provider: TracerProvider, recorder: Recorder, given: tuple[Any, ...], expected: tuple[object, ...]
) -> None:
    """A span's scope is what get_tracer was given, the missing parts empty."""
    span = begin(provider.get_tracer(*given))
    span.end()
    assert scope(span) == scope(recorder.ended[0]) == expected


def test_by_keyword(provider: TracerProvider) -> None:
    """The arguments of get_tracer may be named."""
    tracer = provider.get_tracer(
        attributes={"a": 1}, schema_url=URL, instrumenting_library_version="1", instrumenting_module_name="orders"
    )
    assert scope(begin(tracer)) == ("orders", "1", URL, {"a": 1})


@pytest.mark.parametrize("name", ["", None])
def test_no_name(provider: TracerProvider, logged: Callable[[], list[str]], name: Any) -> None:
    """A missing name is logged as an error; the tracer works."""
    assert begin(provider.get_tracer(name)).is_recording()
    assert logged() == ["ERROR"]


def test_same_scope_same_tracer(provider: TracerProvider) -> None:
    """Equal scopes share a tracer since SDK 1.41."""
    one, two = (provider.get_tracer("orders", "1", URL, {"a": 1}) for _ in range(2))
    assert (one is two) == SAME_TRACER


def test_other_scope_other_tracer(provider: TracerProvider) -> None:
    """A scope that differs in any part has a tracer of its own."""
    given: list[tuple[Any, ...]] = [
        ("orders",),
        ("cart",),
        ("orders", "1"),
        ("orders", "", URL),
        ("orders", "", "", {"a": 1}),
        ("orders", "", "", {"a": 2}),
    ]
    tracers = [provider.get_tracer(*one) for one in given]
    assert len({id(tracer) for tracer in tracers}) == len(given)
    assert [scope(begin(tracer))[3] for tracer in tracers] == [{}, {}, {}, {}, {"a": 1}, {"a": 2}]


def test_the_given_attributes_are_copied(provider: TracerProvider) -> None:
    """A scope's attributes are not changed by what happens to the caller's mapping."""
    given = {"a": 1}
    tracer = provider.get_tracer("orders", attributes=given)
    given["a"] = 2
    assert scope(begin(tracer))[3] == {"a": 1}


def test_spans_of_a_tracer_share_their_scope(tracer: Tracer) -> None:
    """Spans of one tracer have equal scopes with equal hashes, as exporters that group by scope need."""
    one, two = begin(tracer).instrumentation_scope, begin(tracer).instrumentation_scope
    assert one == two
    assert hash(one) == hash(two)


def test_the_older_name_of_the_scope(tracer: Tracer, recorder: Recorder) -> None:
    """instrumentation_info still answers, with a DeprecationWarning."""
    span = begin(tracer)
    span.end()
    for readable in (span, recorder.ended[0]):
        with pytest.warns(DeprecationWarning, match="instrumentation_scope"):
            info = readable.instrumentation_info
        assert info is not None
        assert (info.name, info.version, info.schema_url) == ("orders", "1.2", "")


def test_no_warning_in_ordinary_use(provider: TracerProvider) -> None:
    """Making tracers and spans raises no warning, though warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with provider.get_tracer("orders", "9.9").start_as_current_span("work", attributes={"a": 1}) as span:
            span.add_event("e")


def test_tracers_of_two_providers(provider_factory: ProviderFactory) -> None:
    """Two providers share no tracers."""
    one, two = (provider_factory().get_tracer("orders") for _ in range(2))
    assert one is not two


# -- switched off -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "disabled"), [("true", True), (" TRUE ", True), ("false", False), ("1", False), ("", False)]
)
def test_sdk_disabled(
    provider_factory: ProviderFactory, monkeypatch: pytest.MonkeyPatch, value: str, disabled: bool
) -> None:
    """OTEL_SDK_DISABLED=true gives tracers that do nothing; any other value does not."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", value)
    tracer = provider_factory().get_tracer("orders")
    assert isinstance(tracer, trace.NoOpTracer) == disabled
    assert tracer.start_span("work").is_recording() != disabled


def test_sdk_disabled_later(provider_factory: ProviderFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is read when the provider is made."""
    provider = provider_factory()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert provider.get_tracer("orders").start_span("work").is_recording()


def test_what_is_propagated_when_disabled(provider_factory: ProviderFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disabled SDK passes the parent's identity on; an invalid one before API 1.40."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    span = provider_factory().get_tracer("orders").start_span("work", context=below(identity()))
    assert span.get_span_context() == (identity() if DISABLED_PROPAGATES else trace.INVALID_SPAN_CONTEXT)


def _switch(provider: TracerProvider, **enabled: bool) -> None:
    def configure(scope: Any) -> Any:
        return sdk._TracerConfig(is_enabled=enabled.get(scope.name, True))

    provider._set_tracer_configurator(tracer_configurator=configure)


needs_configurator = pytest.mark.skipif(not CONFIGURATOR, reason="tracers can be switched off since SDK 1.40")


@needs_configurator
def test_switched_off(provider: TracerProvider, recorder: Recorder) -> None:
    """A tracer that the configurator switches off, made before or after, records nothing; others do."""
    before = provider.get_tracer("orders")
    _switch(provider, orders=False)
    tracers = [before, provider.get_tracer("orders", "2"), provider.get_tracer("cart")]
    spans = [tracer.start_span("work") for tracer in tracers]
    assert [span.is_recording() for span in spans] == [False, False, True]
    assert recorder.started == [spans[2]]


@needs_configurator
def test_switched_on_again(provider: TracerProvider) -> None:
    """A tracer follows the configurator back."""
    tracer = provider.get_tracer("orders")
    _switch(provider, orders=False)
    assert not tracer.start_span("work").is_recording()
    _switch(provider)
    assert tracer.start_span("work").is_recording()


@needs_configurator
def test_what_a_tracer_that_is_off_gives(provider: TracerProvider) -> None:
    """It gives its caller the parent's very identity, or an invalid one, and its children join the parent's trace."""
    _switch(provider, orders=False)
    tracer = provider.get_tracer("orders")
    root, child = tracer.start_span("work"), tracer.start_span("work", context=below(identity()))
    assert [type(span) for span in (root, child)] == [trace.NonRecordingSpan] * 2
    assert (root.get_span_context(), child.get_span_context()) == (trace.INVALID_SPAN_CONTEXT, identity())
    with trace.use_span(child):
        below_it = begin(provider.get_tracer("cart"))
    assert (below_it.parent, below_it.context.trace_id) == (identity(), TRACE_ID)


@pytest.mark.skipif(not PATIENT_CONFIGURATOR, reason="since SDK 1.41")
def test_a_configurator_that_fails(provider: TracerProvider, logged: Callable[[], list[str]]) -> None:
    """A configurator's exception is logged, and the tracer is on."""

    def configure(scope: Any) -> Any:
        raise RuntimeError("no configuration")

    provider._set_tracer_configurator(tracer_configurator=configure)
    assert provider.get_tracer("orders").start_span("work").is_recording()
    assert logged() == ["ERROR"]


@needs_configurator
def test_configurator_of_the_constructor(provider_factory: ProviderFactory) -> None:
    """The constructor takes a configurator, as the SDK's own start-up code gives it one."""
    provider = provider_factory(_tracer_configurator=lambda scope: sdk._TracerConfig(is_enabled=scope.name == "cart"))
    recording = [provider.get_tracer(name).start_span("work").is_recording() for name in ("orders", "cart")]
    assert recording == [False, True]
