"""The SDK's log pipeline, which is not public yet and differs between its versions: providers, records, processors.

No other module of the agent touches it. Tested with the oldest and the newest SDK.
"""

from __future__ import annotations

import os
from inspect import signature
from time import time_ns
from typing import TYPE_CHECKING, Any

# Read while the SDK is imported, and what is no number would make that fail; `config_logs` has said so.
_LIMITS = ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT")
_hidden = {name: os.environ.pop(name) for name in _LIMITS if name in os.environ}
try:
    from opentelemetry.sdk import _logs
    from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
finally:
    os.environ.update(_hidden)

from opentelemetry._logs import LogRecord as ApiRecord  # noqa: E402
from opentelemetry._logs import SeverityNumber  # noqa: E402
from opentelemetry.sdk.resources import Resource  # noqa: E402

from tracing_agent.export.otlp_logs import Entry  # noqa: E402
from tracing_agent.faults import fault  # noqa: E402
from tracing_agent.trace.sdk import current, get_current_span  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Until SDK 1.39 a record of the SDK's own was emitted, since then it is the API's.
_Record: Any = ApiRecord if hasattr(_logs, "ReadWriteLogRecord") else getattr(_logs, "LogRecord")  # noqa: B009
_BY_CONTEXT = "context" in signature(_Record.__init__).parameters
_NUMBERS = {number.value: number for number in SeverityNumber}


class Intake(LogRecordProcessor):
    """The one processor of our provider: turns what the SDK gives it into entries, and hands them to ``offer``."""

    def __init__(self, offer: Callable[[Any], None], flush: Callable[[float], bool]) -> None:
        self._offer = offer
        self._flush = flush

    def on_emit(self, log_record: Any) -> None:
        try:
            self._offer(_entry(log_record))
        except Exception as error:
            fault("taking a log record", error)

    def emit(self, log_data: Any) -> None:
        """`on_emit`, as it was called until SDK 1.35."""
        self.on_emit(log_data)

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._flush(timeout_millis / 1000)


class _Provider(LoggerProvider):
    """The SDK's provider, which in a forked child (1.44 and later) would run resource detectors in threads."""

    def _handle_fork(self) -> None:
        """Nothing: a child gets a provider of its own."""


def provider(intake: Intake) -> LoggerProvider:
    """A provider whose records go to ``intake``, and get the resource where they are sent."""
    found = _Provider(Resource({}), shutdown_on_exit=False)
    found.add_log_record_processor(intake)
    return found


def emit(logger: Any, time: int, severity: int, level: str, body: Any, attributes: Mapping[str, Any]) -> None:
    """Emit a record made now, in the current context; ``time`` in nanoseconds since the epoch."""
    arguments: dict[str, Any] = {
        "timestamp": time,
        "observed_timestamp": time_ns(),
        "severity_number": _NUMBERS[severity],
        "severity_text": level,
        "body": body,
        "attributes": attributes,
    }
    if _BY_CONTEXT:
        arguments["context"] = current()
    else:
        context = get_current_span().get_span_context()
        arguments.update(trace_id=context.trace_id, span_id=context.span_id, trace_flags=context.trace_flags)
    if _Record is ApiRecord:
        logger.emit(_Record(**arguments))
        return
    # An attribute that is a map is taken since 1.39: until then, past the constructor that would drop it.
    record = _Record(**{**arguments, "attributes": None, "resource": logger.resource})
    record.attributes = attributes
    logger.emit(record)


def _entry(data: Any) -> Entry:
    record = data.log_record
    severity = record.severity_number
    return Entry(
        data.instrumentation_scope,
        record.timestamp or record.observed_timestamp or 0,
        record.observed_timestamp or time_ns(),
        0 if severity is None else severity.value,
        record.severity_text,
        record.body,
        record.attributes,
        getattr(data if hasattr(data, "dropped_attributes") else record, "dropped_attributes", 0),
        (record.trace_id or 0, record.span_id or 0, int(record.trace_flags or 0)),
        getattr(record, "event_name", None) or "",
    )
