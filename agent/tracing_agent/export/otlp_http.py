"""The OTLP/HTTP exporter: encodes a batch, sends it, and counts what became of every span."""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING

from tracing_agent.export.otlp import Encoder
from tracing_agent.faults import WARN, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from tracing_agent.config import Settings
    from tracing_agent.export.http import Transport
    from tracing_agent.export.pipeline import Pace
    from tracing_agent.trace.span import Span

#: Largest request in bytes before compression (OTLP specification, "OTLP/HTTP Request").
REQUEST_MAX = 64 * 1024 * 1024
# Spans encoded before the application's threads get a chance to run: encoding holds the interpreter's lock.
_CHUNK = 64


class OtlpHttpExporter:
    """Sends batches as ``http/protobuf``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.encoder = Encoder()
        self._transport: Transport | None = None

    def transport(self) -> Transport:
        """The transport, made (and `http.client` imported) when first needed: on the export thread."""
        if self._transport is None:
            from tracing_agent.export.http import Transport

            self._transport = Transport(self.settings, "application/x-protobuf")
        return self._transport

    def export(self, spans: Sequence[Span], resource: Resource, pace: Pace) -> None:
        messages: list[tuple[InstrumentationScope, bytes]] = []
        for start in range(0, len(spans), _CHUNK):
            if start:
                sleep(0)
            messages += self.encoder.span_messages(spans[start : start + _CHUNK])
        self._send(messages, resource, pace)

    def _send(self, messages: Sequence[tuple[InstrumentationScope, bytes]], resource: Resource, pace: Pace) -> None:
        if not messages:
            return
        body = self.encoder.wrap(messages, resource)
        count = len(messages)
        if len(body) > REQUEST_MAX:
            if count == 1:
                pace.health.fail(1, "too large", f"a span of {len(body)} bytes")
                say(
                    WARN,
                    f"a span of {len(body)} bytes is larger than a request may be ({REQUEST_MAX}); dropped",
                )
                return
            self._send(messages[: count // 2], resource, pace)
            self._send(messages[count // 2 :], resource, pace)
            return
        from tracing_agent.export.http import Refused

        try:
            answer = self.transport().send(body, pace)
        except Refused as refused:
            pace.health.fail(count, refused.reason, str(refused))
            return
        rejected, message = partial_success(answer)
        if rejected or message:
            say(
                WARN,
                f"{self.settings.endpoint} rejected {rejected} of {count} spans: {message or 'no reason given'}",
            )
        if rejected:
            pace.health.fail(min(rejected, count), "rejected", message)
        pace.health.succeed(count - min(rejected, count), len(body))

    def flush(self) -> None:
        pass

    def forget(self) -> None:
        if self._transport is not None:
            self._transport.forget()


def partial_success(answer: bytes) -> tuple[int, str]:
    """(rejected spans, message) of an ``ExportTraceServiceResponse``; (0, "") where it says nothing we can read."""
    inner = _fields(answer).get(1)
    if not isinstance(inner, bytes):
        return 0, ""
    found = _fields(inner)
    rejected, message = found.get(1, 0), found.get(2, b"")
    return (
        rejected if isinstance(rejected, int) else 0,
        message.decode("utf-8", "replace") if isinstance(message, bytes) else "",
    )


def _fields(data: bytes) -> dict[int, int | bytes]:
    found: dict[int, int | bytes] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        if tag & 7 == 2:
            found[tag >> 3] = data[at : at + value]
            at += value
        elif tag & 7 == 0:
            found[tag >> 3] = value
        else:
            break
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
    return number, at
