"""Records of `logging` on their way out: taken where a logger hands them to its handlers, and sent through the SDK.

No handler is added anywhere: loggers that do not propagate are seen too, and a program without handlers keeps its
last-resort warnings.
"""

from __future__ import annotations

import logging
import os
from functools import wraps
from traceback import format_exception
from typing import TYPE_CHECKING, Any

from tracing_agent.export.configured import Preparing
from tracing_agent.export.notices import farewell
from tracing_agent.export.pace import Command
from tracing_agent.export.values import plain
from tracing_agent.faults import LINES, WARN, fault
from tracing_agent.logs.pipeline import LogPipeline
from tracing_agent.logs.sdk import Intake, emit, provider
from tracing_agent.trace.sdk import SILENT_KEY, SUPPRESS_KEY, current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.resources import Resource

    from tracing_agent.config_logs import Logs
    from tracing_agent.export.drain import Exporter

#: What every record has, and the ids, which a record that is sent has as fields.
_USUAL = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    "otelTraceID",
    "otelSpanID",
    "otelTraceSampled",
    "otelServiceName",
    "trace_id",
    "span_id",
}
#: OpenTelemetry's own loggers: what they say may be about the sending of records.
_OWN = ("opentelemetry", "tracing_agent")
#: OTLP's severity numbers of DEBUG, INFO, WARNING, ERROR and CRITICAL, by tens of `logging`'s levels.
_SEVERITIES = (1, 5, 9, 13, 17, 21)


class Capture:
    """Takes records from a level on, and sends them. ``resource`` gives the process's resource."""

    def __init__(self, settings: Logs, resource: Callable[[], Resource]) -> None:
        self.settings = settings
        self.pipeline = LogPipeline(
            [Preparing(resource), *_exporters(settings)],
            resource,
            limit=settings.batch.queue_size,
            batch=settings.batch.size,
            delay=settings.batch.delay / 1000,
            timeout=settings.batch.timeout / 1000,
        )
        self.pipeline.on_fork = self.forked
        self._begin()

    def _begin(self) -> None:
        self._provider = provider(Intake(self.pipeline.offer, self.pipeline.flush))
        self._loggers: dict[str, Any] = {}

    def install(self) -> None:
        """From now on, take every record that a logger hands to its handlers."""
        take, call = self.take, logging.Logger.callHandlers

        @wraps(call)
        def called(self: logging.Logger, record: logging.LogRecord) -> None:
            take(record)
            call(self, record)

        logging.Logger.callHandlers = called  # type: ignore[method-assign]
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self.pipeline.forking,
                after_in_parent=self.pipeline.forked_parent,
                after_in_child=self.forked,
            )

    def take(self, record: logging.LogRecord) -> None:
        """Send one record; never raises, and never of our own sending."""
        try:
            if record.levelno < self.settings.handler_level or record.name.startswith(_OWN):
                return
            context = current()
            if context.get(SILENT_KEY) or context.get(SUPPRESS_KEY):
                return
            self._emit(record)
        except Exception as error:
            fault("sending a log record", error)

    def _emit(self, record: logging.LogRecord) -> None:
        logger = self._loggers.get(record.name)
        if logger is None:
            logger = self._loggers[record.name] = self._provider.get_logger(record.name)
        level = record.levelname
        emit(
            logger,
            int(record.created * 1e9),
            severity(record.levelno),
            "WARN" if level == "WARNING" else level,
            _body(record),
            self._attributes(record),
        )

    def _attributes(self, record: logging.LogRecord) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if record.exc_info and record.exc_info[0] is not None:
            kind, error, traceback = record.exc_info
            module, name = kind.__module__, kind.__qualname__
            found["exception.type"] = name if module == "builtins" else f"{module}.{name}"
            found["exception.message"] = _text(error)
            found["exception.stacktrace"] = "".join(format_exception(kind, error, traceback))
        if self.settings.code:
            found["code.file.path"] = record.pathname
            found["code.function.name"] = record.funcName or ""
            found["code.line.number"] = record.lineno
        for key, value in record.__dict__.items():
            if key not in _USUAL:
                found[key] = plain(value)
        return self._limited(found)

    def _limited(self, found: dict[str, Any]) -> dict[str, Any]:
        # Here and not by the SDK, which warns in the program of each record that has too many.
        count, length = self.settings.max_attributes, self.settings.max_attribute_length
        if count is not None and len(found) > count:
            found = dict(list(found.items())[:count])
        if length is not None:
            found = {key: value[:length] if isinstance(value, str) else value for key, value in found.items()}
        return found

    def hurry(self, timeout: float) -> None:
        """The process ends in ``timeout`` seconds: begin to send, without waiting for it."""
        self.pipeline.pace.hurry(timeout)
        if self.pipeline.started:
            self.pipeline.pace.wake(Command())

    def close(self, timeout: float) -> None:
        """Send what is queued, for at most ``timeout`` seconds, and say what was lost."""
        self.pipeline.close(timeout)
        line = farewell(self.pipeline.health, self.pipeline.pending(), "log records")
        if line:
            LINES.write(WARN, line)

    def forked(self) -> None:
        """In a forked child: a queue of its own."""
        self.pipeline.forked()
        self._begin()


def severity(level: int) -> int:
    """OTLP's severity number of a level of `logging`; 0 for no level."""
    if level <= 0:
        return 0
    tens = min(level // 10, 5)
    return _SEVERITIES[tens] + min(level - tens * 10, 3)


def _body(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        # What `logging` itself complains about, in its handlers; once is enough.
        return _text(record.msg)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return type(value).__name__


def _exporters(settings: Logs) -> Iterator[Exporter]:
    for name in settings.exporters:
        if name == "console":
            from tracing_agent.logs.console import ConsoleExporter

            yield ConsoleExporter(counts="otlp" not in settings.exporters)
        elif settings.otlp.protocol == "grpc":
            from tracing_agent.export.otlp_grpc import OtlpGrpcExporter

            yield OtlpGrpcExporter(settings.otlp)
        else:
            from tracing_agent.export.otlp_http import OtlpHttpExporter

            yield OtlpHttpExporter(settings.otlp)
