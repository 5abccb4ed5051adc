"""Encodes batches, sends them over HTTP, and counts what became of every span. Imported on the export thread only."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from tracing_agent.export.http import Transport
from tracing_agent.export.native import original
from tracing_agent.export.notices import Outage, exported
from tracing_agent.export.partial import from_json, from_protobuf
from tracing_agent.export.refusals import Refused
from tracing_agent.faults import WARN, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from tracing_agent.config_export import Otlp
    from tracing_agent.export.otlp import Encoder
    from tracing_agent.export.otlp_json import JsonEncoder
    from tracing_agent.export.pace import Pace
    from tracing_agent.export.zipkin import ZipkinEncoder
    from tracing_agent.trace.span import Span

    Messages = Sequence[tuple[InstrumentationScope, bytes]]

#: Largest request in bytes before compression (OTLP specification, "OTLP/HTTP Request").
REQUEST_MAX = 64 * 1024 * 1024
# The application's threads get a chance to run after so many seconds of encoding, which holds the interpreter's lock;
# looked at after every so many spans. A thread of theirs that is busy keeps the lock for 5 ms then, so no chance is
# given while another batch waits.
_TURN, _CHUNK = 0.0003, 64
_TOO_LARGE = "413"


class Sender:
    """Encoder and transport of one process. `endpoint.Unusable` where the settings cannot work."""

    def __init__(self, settings: Otlp) -> None:
        self.encoder: Encoder | JsonEncoder | ZipkinEncoder
        self.items = settings.items
        if settings.protocol == "http/json":
            from tracing_agent.export.otlp_json import JsonEncoder

            self.encoder, self.said, content_type = JsonEncoder(), from_json, "application/json"
            if settings.signal == "LOGS":
                from tracing_agent.export.otlp_logs import LogJsonEncoder

                self.encoder = LogJsonEncoder()
        elif settings.protocol == "zipkin":
            from tracing_agent.export.zipkin import ZipkinEncoder, said

            self.encoder, self.said, content_type = ZipkinEncoder(), said, "application/json"
        else:
            from tracing_agent.export.otlp import Encoder

            self.encoder, self.said, content_type = Encoder(), from_protobuf, "application/x-protobuf"
            if settings.signal == "LOGS":
                from tracing_agent.export.otlp_logs import LogEncoder

                self.encoder = LogEncoder()
        self.transport = Transport(settings, content_type)
        self._outage: Outage | None = None
        self._sleep = original("time", "sleep")

    def export(self, spans: Sequence[Span], resource: Resource, pace: Pace) -> None:
        """Encode and send one batch."""
        messages: list[tuple[InstrumentationScope, bytes]] = []
        turn = monotonic()
        for start in range(0, len(spans), _CHUNK):
            if not pace.pressed and monotonic() - turn > _TURN:
                self._sleep(0)
                turn = monotonic()
            messages += self.encoder.span_messages(spans[start : start + _CHUNK])
        if len(messages) < len(spans):
            pace.health.fail(len(spans) - len(messages), "not encodable", f"{self.items} that cannot be encoded")
        if messages:
            if self._outage is None:
                self._outage = Outage(pace.health, self.items)
            self._send(messages, resource, pace, self._outage)

    def _send(self, messages: Messages, resource: Resource, pace: Pace, outage: Outage) -> None:
        body = self.encoder.wrap(messages, resource)
        try:
            if len(body) > REQUEST_MAX:
                raise Refused(_TOO_LARGE, f"a request must not be larger than {REQUEST_MAX} bytes")
            answer = self.transport.send(body, pace, outage)
        except Refused as refused:
            if refused.reason != _TOO_LARGE:
                pace.health.fail(len(messages), refused.reason, str(refused))
            elif len(messages) > 1:
                half = len(messages) // 2
                self._send(messages[:half], resource, pace, outage)
                self._send(messages[half:], resource, pace, outage)
            else:
                pace.health.fail(1, "too large", str(refused))
                say(
                    WARN,
                    f"one of the {self.items}, of {len(body)} bytes, was dropped: {refused}",
                    key=f"too large {self.items}",
                )
        else:
            self._taken(answer, len(messages), len(body), pace)

    def _taken(self, answer: bytes, count: int, size: int, pace: Pace) -> None:
        rejected, message = self.said(answer)
        rejected = min(rejected, count)
        where = self.transport.endpoint.shown
        if rejected:
            reason = message or "no reason given"
            pace.health.fail(rejected, "rejected", f"{where} rejected {self.items}: {reason}")
            say(WARN, f"{where} rejected {rejected} of {count} {self.items}: {reason}", key=f"rejected {self.items}")
        elif message:
            say(WARN, f"{where} took all {self.items}, with a warning: {message}", key=f"warning {self.items}")
        pace.health.succeed(count - rejected, size)
        exported(self.items, where, count - rejected, size)
