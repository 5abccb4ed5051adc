"""The OTLP/HTTP exporter: encodes a batch, sends it, and counts what became of every span."""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING

from tracing_agent.faults import WARN, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from tracing_agent.config import Settings
    from tracing_agent.export.notices import Outage
    from tracing_agent.export.otlp import Encoder
    from tracing_agent.export.otlp_json import JsonEncoder
    from tracing_agent.export.pace import Pace
    from tracing_agent.trace.span import Span

    Messages = Sequence[tuple[InstrumentationScope, bytes]]

#: Largest request in bytes before compression (OTLP specification, "OTLP/HTTP Request").
REQUEST_MAX = 64 * 1024 * 1024
# Spans encoded before the application's threads get a chance to run: encoding holds the interpreter's lock.
_CHUNK = 64
_TOO_LARGE = "413"


class OtlpHttpExporter:
    """Sends batches as ``http/protobuf`` or ``http/json``, as ``settings.protocol`` says."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._sender: Sender | None = None
        self._unusable = ""

    def prepare(self) -> None:
        """Make the sender, and import what it needs; a setting that cannot work is said here, once."""
        from tracing_agent.export.endpoint import Unusable

        try:
            self._sender = Sender(self.settings)
        except Unusable as unusable:
            self._unusable = str(unusable)
            say(WARN, f"spans are not exported: {unusable}")

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


class Sender:
    """Encoder and transport of one process. `Unusable` where the settings cannot work."""

    def __init__(self, settings: Settings) -> None:
        from tracing_agent.export.http import Transport

        self.json = settings.protocol == "http/json"
        self.encoder = self._encoder()
        self.transport = Transport(settings, "application/json" if self.json else "application/x-protobuf")
        self._outage: Outage | None = None

    def _encoder(self) -> Encoder | JsonEncoder:
        if self.json:
            from tracing_agent.export.otlp_json import JsonEncoder

            return JsonEncoder()
        from tracing_agent.export.otlp import Encoder

        return Encoder()

    def export(self, spans: Sequence[Span], resource: Resource, pace: Pace) -> None:
        """Encode and send one batch."""
        messages: list[tuple[InstrumentationScope, bytes]] = []
        for start in range(0, len(spans), _CHUNK):
            if start:
                sleep(0)
            messages += self.encoder.span_messages(spans[start : start + _CHUNK])
        if len(messages) < len(spans):
            pace.health.fail(len(spans) - len(messages), "not encodable", "spans that cannot be encoded")
        if messages:
            self._send(messages, resource, pace)

    def _send(self, messages: Messages, resource: Resource, pace: Pace) -> None:
        from tracing_agent.export.refusals import Refused

        body = self.encoder.wrap(messages, resource)
        try:
            if len(body) > REQUEST_MAX:
                raise Refused(_TOO_LARGE, f"a request must not be larger than {REQUEST_MAX} bytes")
            answer = self.transport.send(body, pace, self._outages(pace))
        except Refused as refused:
            if refused.reason != _TOO_LARGE:
                pace.health.fail(len(messages), refused.reason, str(refused))
            elif len(messages) > 1:
                half = len(messages) // 2
                self._send(messages[:half], resource, pace)
                self._send(messages[half:], resource, pace)
            else:
                pace.health.fail(1, "too large", str(refused))
                say(WARN, f"a span of {len(body)} bytes was dropped: {refused}", key="too large")
        else:
            self._taken(answer, len(messages), len(body), pace)

    def _taken(self, answer: bytes, count: int, size: int, pace: Pace) -> None:
        from tracing_agent.export.partial import from_json, from_protobuf

        rejected, message = (from_json if self.json else from_protobuf)(answer)
        rejected = min(rejected, count)
        where = self.transport.endpoint.shown
        if rejected:
            reason = message or "no reason given"
            pace.health.fail(rejected, "rejected", f"{where} rejected spans: {reason}")
            say(WARN, f"{where} rejected {rejected} of {count} spans: {reason}", key="rejected")
        elif message:
            say(WARN, f"{where} took all spans, with a warning: {message}", key="warning")
        pace.health.succeed(count - rejected, size)

    def _outages(self, pace: Pace) -> Outage:
        if self._outage is None:
            from tracing_agent.export.notices import Outage

            self._outage = Outage(pace.health)
        return self._outage
