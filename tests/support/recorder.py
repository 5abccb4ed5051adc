"""The in-process recorder: our provider with counted ids and clock, and spans as plain values to compare whole."""

from __future__ import annotations

import importlib
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import sampling
from opentelemetry.sdk.trace.id_generator import IdGenerator

from tracing_agent.patching.targets import Patch, apply
from tracing_agent.trace.carrier import Carrier
from tracing_agent.trace.provider import TracerProvider
from tracing_agent.trace.span import Span


class CountedIds(IdGenerator):
    """Trace ids 1, 2, 3 … and span ids 1, 2, 3 …"""

    def __init__(self) -> None:
        self.traces = self.spans = 0

    def generate_trace_id(self) -> int:
        self.traces += 1
        return self.traces

    def generate_span_id(self) -> int:
        self.spans += 1
        return self.spans

    def is_trace_id_random(self) -> bool:
        return False


class CountedClock:
    """One second later each time it is read."""

    def __init__(self) -> None:
        self.seconds = 0

    def __call__(self) -> int:
        self.seconds += 1
        return self.seconds * 1_000_000_000


class Intake:
    """Takes sketches as they are."""

    def __init__(self) -> None:
        self.queue: list[Any] = []
        self.act_at = 1 << 30

    def admit(self, sketch: Any, length: int) -> None:
        """Never."""
        raise AssertionError


class Recorder:
    """Records what libraries do while it is in force; `patch` applies an instrumentation to an imported library."""

    def __init__(
        self,
        sampler: sampling.Sampler = sampling.DEFAULT_ON,
        propagators: tuple[str, ...] = ("tracecontext", "baggage"),
        **given: Any,
    ) -> None:
        self.finished: list[Span] = []
        self.provider = TracerProvider(
            sampler=sampler,
            resource=Resource({"service.name": "test"}),
            shutdown_on_exit=False,
            id_generator=CountedIds(),
            clock=CountedClock(),
            carrier=Carrier(propagators),
            **given,
        )
        self.engine = self.provider.engine
        self.engine.deliver(self.finished.append)
        self.patches: list[Patch] = []

    def patch(self, library: str, trigger: str | None = None) -> None:
        """Apply ``tracing_instrumentations.<library>``; ``trigger`` is the library's module (by default its name)."""
        trigger = trigger or library
        module = importlib.import_module(trigger)
        described = importlib.import_module(f"tracing_instrumentations.{library}")
        self.patches += apply(described.targets(module)[trigger], self.engine)

    def undo(self) -> None:
        """Put everything back."""
        while self.patches:
            self.patches.pop().undo()

    @property
    def tracer(self) -> Any:
        """A tracer for manual spans."""
        return self.provider.get_tracer("test")

    def spans(self) -> list[dict[str, Any]]:
        """What was recorded so far, each span whole, in the order in which they ended; then forgets it."""
        found = [whole(span) for span in self.finished]
        self.finished.clear()
        return found


def whole(span: Span) -> dict[str, Any]:
    """A span as a plain value. Times are left out (the clock counts reads); ids are those of `CountedIds`."""
    parent = span.parent
    value: dict[str, Any] = {
        "name": span.name,
        "kind": span.kind.name,
        "trace": span.trace.id,
        "id": span.span_id,
        "parent": None if parent is None else parent.span_id,
        "scope": span.instrumentation_scope.name,
        "attributes": dict(span.attributes or {}),
        "status": span.status.status_code.name
        if span.status.description is None
        else (span.status.status_code.name, span.status.description),
    }
    if span.events:
        value["events"] = [(event.name, dict(event.attributes or {})) for event in span.events]
    if span.links:
        value["links"] = [
            (link.context.trace_id, link.context.span_id, dict(link.attributes or {})) for link in span.links
        ]
    return value
