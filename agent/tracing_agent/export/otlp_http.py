"""The OTLP/HTTP exporter: waits for its export thread to make what it sends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracing_agent.faults import WARN, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.resources import Resource

    from tracing_agent.config_export import Otlp
    from tracing_agent.export.pace import Pace
    from tracing_agent.export.sender import Sender
    from tracing_agent.trace.span import Span


class OtlpHttpExporter:
    """Sends batches as ``http/protobuf`` or ``http/json``, as ``settings.protocol`` says."""

    def __init__(self, settings: Otlp) -> None:
        self.settings = settings
        self.sketches = settings.protocol == "http/protobuf"
        self._sender: Sender | None = None
        self._unusable = ""

    def prepare(self) -> None:
        """Make the sender, and import what it needs; a setting that cannot work is said here, once."""
        from tracing_agent.export.endpoint import Unusable
        from tracing_agent.export.sender import Sender

        try:
            self._sender = Sender(self.settings)
        except Unusable as unusable:
            self._unusable = str(unusable)
            say(WARN, f"{self.settings.items} are not exported: {unusable}")

    def export(self, spans: Sequence[Span], resource: Resource, pace: Pace) -> None:
        if self._sender is None:
            self.prepare()
        if self._sender is None:
            pace.health.told = self._unusable
            pace.health.fail(len(spans), "settings", self._unusable)
        else:
            self._sender.export(spans, resource, pace)

    def flush(self, closing: bool) -> None:
        if closing and self._sender is not None:
            self._sender.transport.close()

    def forget(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.transport.forget()
