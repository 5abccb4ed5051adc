"""OTLP over gRPC: the official exporter, with our encoder, our settings, our counts, and one line instead of its log.

It is imported, and its channel made, on the export thread of the process that uses it; never before a fork.
Its own reading of ``OTEL_EXPORTER_OTLP_*`` differs from the specification (time-outs in seconds), so that it is given
everything.
"""

from __future__ import annotations

import logging
import os
from _thread import get_ident
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from tracing_agent.apart import SettingUp
from tracing_agent.export.endpoint import Unusable, grpc_endpoint, pem_files, printable_headers
from tracing_agent.export.notices import Outage, exported
from tracing_agent.export.otlp import Encoder
from tracing_agent.faults import WARN, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.resources import Resource

    from tracing_agent.config_export import Otlp
    from tracing_agent.export.pace import Pace
    from tracing_agent.trace.span import Span

_LOGGER = "opentelemetry.exporter.otlp.proto.grpc.exporter"
_PROVIDERS = (
    "OTEL_PYTHON_EXPORTER_OTLP_GRPC_TRACES_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_GRPC_LOGS_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_GRPC_CREDENTIAL_PROVIDER",
)
# What it would read as a number, and fail on where it is none.
_TIMEOUTS = (
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
)
_UNLIMITED = 3600.0
# Of forked processes: closing or freeing a channel needs threads that only the parent has.
_abandoned: list[Any] = []


class OtlpGrpcExporter:
    """Sends batches by the official ``OTLPSpanExporter``."""

    def __init__(self, settings: Otlp) -> None:
        # Both start what cannot be started once the program's main thread has ended, where a short program's first
        # export happens; the rest can be imported then.

        import opentelemetry.sdk._logs  # noqa: F401

        self.settings = settings
        self.encoder = _encoder(settings)
        self._exporter: Any = None
        self._resource: Any = None
        self._unusable = ""
        self._where = ""
        self._outage: Outage | None = None
        self._reports: Reports | None = None

    def prepare(self) -> None:
        """Import and make the official exporter; a setting that cannot work is said here, once."""
        try:
            self._where, insecure = grpc_endpoint(self.settings)
            self._exporter = _exporter(self.settings, insecure, self._translated)
        except Unusable as unusable:
            self._unusable = str(unusable)
            say(WARN, f"{self.settings.items} are not exported: {unusable}")

    def _translated(self, spans: Sequence[Span]) -> Any:
        """A request message: by way of our bytes, so that the rules for odd values are the same for every protocol."""
        request: Any
        if self.settings.signal == "LOGS":
            from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

            request = ExportLogsServiceRequest
        else:
            from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

            request = ExportTraceServiceRequest
        return request.FromString(self.encoder.request(spans, self._resource))

    def export(self, spans: Sequence[Span], resource: Resource, pace: Pace) -> None:
        if self._exporter is None:
            self.prepare()
        if self._exporter is None:
            pace.health.told = self._unusable
            pace.health.fail(len(spans), "settings", self._unusable)
            return
        self._resource = resource
        if self._outage is None:
            self._outage = Outage(pace.health, self.settings.items)
        if self._reports is None:
            self._reports = Reports()
        reports, outage = self._reports, self._outage
        reports.begin(lambda delay: self._retried(delay, pace))
        self._exporter._timeout = min(self.settings.timeout / 1000 or _UNLIMITED, max(pace.left(), 0.05))
        pace.health.requests += 1
        pace.health.where = self._where
        try:
            taken = self._exporter.export(spans).name == "SUCCESS"
        except GivenUp:
            taken = False
        if taken:
            outage.worked(self._where)
            pace.health.succeed(len(spans))
            exported(self.settings.items, self._where, len(spans), 0)
        else:
            error = f"{self._where}: {reports.error}"
            outage.failed(error, lost=True, silent=pace.hurried)
            pace.health.fail(len(spans), reports.reason, error)

    def _retried(self, delay: float, pace: Pace) -> None:
        # Before SDK 1.34 it would try for a minute and more, whatever the time-out.
        if pace.hurried or delay >= pace.left():
            raise GivenUp
        pace.health.retries += 1
        if self._outage is not None and self._reports is not None:
            self._outage.failed(f"{self._where}: {self._reports.error}", lost=False)

    def flush(self, closing: bool) -> None:
        if closing and self._exporter is not None:
            self._exporter.shutdown()
            if self._reports is not None:
                # The thread may be the program's, whose own exporters speak to the same logger.
                self._reports.end()
                self._reports = None

    def forget(self) -> None:
        if self._exporter is not None:
            _abandoned.append(self._exporter)
        if self._reports is not None:
            self._reports.end()
        self._exporter = self._outage = self._reports = None
        self.encoder = _encoder(self.settings)


class GivenUp(Exception):
    """Raised in the official exporter's log call, to keep it from trying again."""


class Reports(logging.Filter):
    """Takes what the official exporter logs on the export thread: the texts of its failures."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = get_ident()
        self.error = ""
        self.reason = ""
        self._retried: Callable[[float], None] | None = None
        # First, as it has a filter of its own that takes repetitions out.
        logging.getLogger(_LOGGER).filters.insert(0, self)

    def begin(self, retried: Callable[[float], None]) -> None:
        """A batch: nothing is known yet; ``retried`` is called with the seconds to each other try."""
        self.error, self.reason, self._retried = "no reason given", "grpc", retried

    def end(self) -> None:
        """Leave the logger to others."""
        logging.getLogger(_LOGGER).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self.thread:
            return True
        self._note(record)
        return False

    def _note(self, record: logging.LogRecord) -> None:
        arguments = record.args if isinstance(record.args, tuple) else ()
        code = next((item for item in arguments if type(item).__name__ == "StatusCode"), None)
        if record.levelno < logging.WARNING or code is None:
            return
        name = str(getattr(code, "name", code))
        details = arguments[-1].strip() if isinstance(arguments[-1], str) else ""
        self.reason = "timeout" if name == "DEADLINE_EXCEEDED" else name.lower()
        self.error = f"{name}{': ' + details if details else ''}"
        if record.levelno < logging.ERROR and self._retried is not None:
            self._retried(next((item for item in arguments if isinstance(item, (int, float))), 0.0))


def _exporter(settings: Otlp, insecure: bool, translate: Callable[[Sequence[Span]], Any]) -> Any:
    hidden = {name: os.environ.pop(name) for name in _TIMEOUTS if not _is_number(os.environ.get(name, "0"))}
    try:
        exporter = _official(settings, insecure)
    except ImportError as error:
        raise Unusable(
            f"OTEL_EXPORTER_OTLP_PROTOCOL=grpc needs opentelemetry-exporter-otlp-proto-grpc ({error}); "
            "install it, or use http/protobuf"
        ) from None
    finally:
        os.environ.update(hidden)
    exporter._translate_data = translate
    return exporter


def _official(settings: Otlp, insecure: bool) -> Any:
    import grpc  # type: ignore[import-untyped,unused-ignore]

    official: Any
    if settings.signal == "LOGS":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

        official = OTLPLogExporter
    else:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        official = OTLPSpanExporter

    credentials = None
    provided = any(os.environ.get(name) for name in _PROVIDERS)
    if not insecure and not provided:
        trusted, key, certificate = pem_files(settings)
        credentials = grpc.ssl_channel_credentials(trusted, key, certificate)
    # A provider of credentials may start programs.
    with SettingUp() if provided else nullcontext():
        return official(
            endpoint=settings.endpoint,
            insecure=insecure,
            credentials=credentials,
            headers=printable_headers(settings),
            timeout=settings.timeout / 1000 or _UNLIMITED,
            compression=grpc.Compression.Gzip if settings.compression == "gzip" else grpc.Compression.NoCompression,
        )


def _encoder(settings: Otlp) -> Encoder:
    if settings.signal == "LOGS":
        from tracing_agent.export.otlp_logs import LogEncoder

        return LogEncoder()
    return Encoder()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
