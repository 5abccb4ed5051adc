"""Who metrics are sent to at intervals: one reader and one exporter each, with one line for an outage."""

from __future__ import annotations

import logging
from _thread import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any

from tracing_agent.faults import LINES, WARN, describe, say
from tracing_agent.metrics.sdk import Unusable, exporter_of, reader_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.config_metrics import Metrics

    Collect = Callable[[Callable[[], None], float], bool]

_LOGGERS = (
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.exporter.http.transport",
)
_COLLECTING_MAX = 5.0


class Sender:
    """One exporter. ``name`` is what ``OTEL_METRICS_EXPORTER`` calls it."""

    def __init__(self, name: str, settings: Metrics) -> None:
        self.name = name
        self._timeout = settings.timeout
        self._where = settings.otlp.endpoint.rpartition("@")[2] if name == "otlp" else name
        self._exporter = exporter_of(name, settings)
        self.reader = reader_of(self._exporter)
        #: Whether nothing got there the last time.
        self.failed = False

    def send(self, collect: Collect, reports: Reports, closing: bool) -> None:
        """Collect, and send what there is."""
        found: list[Any] = []
        if not collect(lambda: found.append(self.reader.get_metrics_data()), _COLLECTING_MAX) or found[0] is None:
            return
        reports.error = ""
        try:
            taken = self._exporter.export(found[0], timeout_millis=self._timeout or 3_600_000).name == "SUCCESS"
        except Exception as error:
            taken, reports.error = False, describe(error)
        if taken and self.failed:
            LINES.write(WARN, f"metrics are sent to {self._where} again")
        elif not taken and not self.failed and not closing:
            reason = f" ({reports.error})" if reports.error else ""
            LINES.write(
                WARN, f"metrics cannot be sent to {self._where}{reason}; values are kept, and sent when it works"
            )
        self.failed = not taken

    def end(self) -> None:
        """Nothing is sent any more."""
        self._exporter.shutdown()


def senders_of(settings: Metrics) -> list[Sender]:
    """Those of the settings; one that cannot work is said, and left out."""
    found = []
    for name in settings.exporters:
        if name != "prometheus":
            try:
                found.append(Sender(name, settings))
            except Unusable as unusable:
                say(WARN, f"metrics are not exported by {name}: {unusable}")
            except Exception as error:
                say(WARN, f"metrics are not exported by {name}: {describe(error)}")
    return found


class Reports(logging.Filter):
    """Takes what the SDK's exporters log in the thread of the metrics: the texts of their failures."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = get_ident()
        self.error = ""
        for name in _LOGGERS:
            logging.getLogger(name).filters.insert(0, self)

    def end(self) -> None:
        """Leave the loggers to others."""
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self.thread:
            return True
        try:
            self.error = record.getMessage()[:300]
        except Exception:
            pass
        return False


class Interval:
    """When something is due, every ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due = monotonic() + seconds

    def left(self) -> float:
        """Seconds until then."""
        return max(0.0, self._due - monotonic())

    def begin(self) -> None:
        """Count anew."""
        self._due = monotonic() + self._seconds
