"""The provider under contract: the SDK's and ours behind one fixture, in a clean environment and context."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator

import pytest
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Tracer, TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler

from contract.deviations import DEVIATIONS
from contract.probes import Recorder
from contract.versions import RANDOM_FLAG
from tracing_agent.faults import LINES

MODULES = {"sdk": "opentelemetry.sdk.trace", "ours": "tracing_agent.trace.provider"}

ProviderFactory = Callable[..., TracerProvider]


@pytest.fixture(params=["sdk", "ours"])
def implementation(request: pytest.FixtureRequest) -> str:
    """Whose provider this test runs against: ``sdk`` or ``ours``."""
    name: str = request.param
    return name


@pytest.fixture
def module(implementation: str) -> str:
    """The module that ``TracerProvider`` is imported from, for tests in a process of their own."""
    return MODULES[implementation]


@pytest.fixture
def provider_factory(module: str) -> Iterator[ProviderFactory]:
    """Makes providers, with a small resource and no exit handler unless told otherwise; shuts them down afterwards."""
    made: list[TracerProvider] = []
    constructor: type[TracerProvider] = importlib.import_module(module).TracerProvider

    def make(**given: object) -> TracerProvider:
        defaults: dict[str, object] = {"resource": Resource({"service.name": "shop"}), "shutdown_on_exit": False}
        provider = constructor(**{**defaults, **given})  # type: ignore[arg-type]  # a test's arguments vary
        made.append(provider)
        return provider

    yield make
    while made:
        made.pop().shutdown()


@pytest.fixture
def provider(provider_factory: ProviderFactory, recorder: Recorder) -> TracerProvider:
    """A provider with the defaults, watched by ``recorder``."""
    made = provider_factory()
    made.add_span_processor(recorder)
    return made


@pytest.fixture
def recorder() -> Recorder:
    """The span processor of ``provider``."""
    return Recorder()


@pytest.fixture
def tracer(provider: TracerProvider) -> Tracer:
    """A tracer of ``provider``, with the scope ``orders`` 1.2."""
    made = provider.get_tracer("orders", "1.2")
    assert isinstance(made, Tracer)
    return made


@pytest.fixture
def sampled_by(provider_factory: ProviderFactory, recorder: Recorder) -> Callable[..., trace.Tracer]:
    """A tracer with this sampler, watched by ``recorder``."""

    def make(sampler: Sampler, **given: object) -> trace.Tracer:
        provider = provider_factory(sampler=sampler, **given)
        provider.add_span_processor(recorder)
        return provider.get_tracer("orders")

    return make


@pytest.fixture
def random_flag(deviates: Callable[[str], bool]) -> bool:
    """Whether spans carry the flag of a random trace id: the SDK's since 1.42, ours always."""
    return RANDOM_FLAG or deviates("random-flag")


@pytest.fixture
def deviates(implementation: str) -> Callable[[str], bool]:
    """Whether the provider under test differs from the SDK in this, on purpose."""

    def ask(name: str) -> bool:
        assert name in DEVIATIONS
        return implementation == "ours"

    return ask


@pytest.fixture
def as_in_production(implementation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults of ours are reported, not raised."""
    if implementation == "ours":
        monkeypatch.setattr(LINES, "strict", False)
        monkeypatch.setattr(LINES, "repeats", {})


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The levels of what has been logged, from WARNING on."""
    return lambda: [record.levelname for record in caplog.records if record.levelno >= 30]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    token = context_api.attach(context_api.Context())
    yield
    context_api.detach(token)
