"""Span processors that the application or another package adds: called in order, each unable to hurt the program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import SpanProcessor, SynchronousMultiSpanProcessor

from tracing_agent.faults import fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.trace.sdk import Context


class Processors(SynchronousMultiSpanProcessor):
    """The SDK's multi processor, in which one that raises does not keep the others from being called.

    ``on_added`` is called after each addition, also one that goes past the provider (``tracer.span_processor``).
    """

    def __init__(self, on_added: Callable[[], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.on_added = on_added

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        super().add_span_processor(span_processor)
        self.on_added()

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        for processor in self._span_processors:
            try:
                processor.on_start(span, parent_context=parent_context)
            except Exception as error:
                fault(f"{type(processor).__name__}.on_start", error)

    def _on_ending(self, span: Any) -> None:
        for processor in self._span_processors:
            try:
                # Processors that do not derive from the SDK's class, or from an older one, may lack it.
                ending = getattr(processor, "_on_ending", None)
                if ending is not None:
                    ending(span)
            except Exception as error:
                fault(f"{type(processor).__name__}._on_ending", error)

    def on_end(self, span: Any) -> None:
        for processor in self._span_processors:
            try:
                processor.on_end(span)
            except Exception as error:
                fault(f"{type(processor).__name__}.on_end", error)
