"""Span processors that raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract.probes import Recorder, begin
from contract.versions import ON_ENDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span, TracerProvider

    from contract.conftest import ProviderFactory


class Broken(Recorder):
    """A processor that raises in one of its methods."""

    def __init__(self, method: str, error: BaseException) -> None:
        super().__init__()
        self.method = method
        self.error = error

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self._break("on_start")

    def _on_ending(self, span: Span) -> None:
        self._break("_on_ending")

    def on_end(self, span: ReadableSpan) -> None:
        self._break("on_end")

    def _break(self, method: str) -> None:
        if method == self.method:
            raise self.error


METHODS = ["on_start", "on_end", *(["_on_ending"] if ON_ENDING else [])]


@pytest.mark.usefixtures("as_in_production")
@pytest.mark.parametrize("method", METHODS)
def test_a_processor_that_fails(
    provider: TracerProvider,
    recorder: Recorder,
    method: str,
    deviates: Callable[[str], bool],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A processor's exception is the caller's in the SDK; ours reports it once and goes on."""
    provider.add_span_processor(Broken(method, RuntimeError("broken")))
    tracer = provider.get_tracer("orders")

    def life() -> None:
        tracer.start_span("work").end()

    if deviates("processor-exception"):
        life()
        life()
        assert [call for _, call in recorder.log] == ["on_start", "on_end"] * 2
        assert capsys.readouterr().err.count("broken") == 1
    else:
        with pytest.raises(RuntimeError, match="broken"):
            life()


@pytest.mark.usefixtures("as_in_production")
@pytest.mark.parametrize("method", METHODS)
def test_the_processors_after_one_that_fails(
    provider_factory: ProviderFactory, method: str, deviates: Callable[[str], bool]
) -> None:
    """In the SDK the processors after a failing one miss the call; with ours they are called."""
    last = Recorder()
    provider = provider_factory()
    provider.add_span_processor(Broken(method, RuntimeError("broken")))
    provider.add_span_processor(last)
    try:
        begin(provider.get_tracer("orders")).end()
    except RuntimeError:
        assert not deviates("processor-exception")
    else:
        assert deviates("processor-exception")
        assert [call for _, call in last.log] == ["on_start", "on_end"]


@pytest.mark.parametrize("method", METHODS)
def test_a_processor_that_is_interrupted(provider: TracerProvider, method: str) -> None:
    """What is no Exception (Ctrl-C inside a processor) is the caller's with both."""
    provider.add_span_processor(Broken(method, KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        provider.get_tracer("orders").start_span("work").end()
