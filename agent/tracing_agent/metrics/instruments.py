"""What is measured of an ended span: the instruments of the semantic conventions, with their boundaries and attributes.

Source: semantic conventions 1.44, "HTTP metrics", "Database client metrics", "Messaging metrics".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from tracing_agent.operation import DATABASE, HTTP_CLIENT
from tracing_agent.trace.sdk import SPAN_KEY, Context
from tracing_agent.trace.span import SAMPLED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.metrics import Meter

    from tracing_agent.trace.span import Span

HTTP_BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
DATABASE_BOUNDARIES = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
#: Combinations of attributes that one instrument keeps apart; all others are one (specification, "Cardinality limits").
COMBINATIONS = 2000
_OVERFLOW = {"otel.metric.overflow": True}
_OURS = "tracing_instrumentations."

_SERVER = (
    *("http.request.method", "url.scheme", "http.response.status_code", "http.route", "error.type"),
    "network.protocol.version",
)
_CLIENT = (
    *("http.request.method", "server.address", "server.port", "http.response.status_code", "error.type"),
    *("network.protocol.version", "url.template"),
)
_DATABASE = (
    *("db.system.name", "db.namespace", "db.collection.name", "db.operation.name", "db.query.summary"),
    *("db.stored_procedure.name", "db.response.status_code", "error.type"),
    *("server.address", "server.port", "network.peer.address", "network.peer.port"),
)
_MESSAGES = (
    *("messaging.operation.name", "messaging.system", "error.type", "messaging.destination.name"),
    *("messaging.destination.partition.id", "server.address", "server.port"),
)
_GROUP = "messaging.consumer.group.name"


class Measure:
    """One instrument, and the keys of the spans' attributes that its measurements have."""

    __slots__ = ("_add", "_keys", "_seen")

    def __init__(self, add: Any, keys: tuple[str, ...]) -> None:
        self._add = add
        self._keys = keys
        self._seen: dict[tuple[Any, ...], dict[str, Any]] = {}

    def add(self, amount: float, span: Span, context: Context | None) -> None:
        """Measure ``amount`` of a span."""
        get, constant = span.values.get, span.origin.attributes.get
        found = []
        for key in self._keys:
            value = get(key)
            found.append(constant(key) if value is None else value)
        values = tuple(found)
        attributes = self._seen.get(values)
        if attributes is None:
            attributes = {key: value for key, value in zip(self._keys, values, strict=True) if value is not None}
            if len(self._seen) < COMBINATIONS:
                self._seen[values] = attributes
            else:
                attributes = _OVERFLOW
        self._add(amount, attributes, context)


class Instruments:
    """The instruments of one meter. ``ended`` counts the sampled spans that ended, by the name of their status."""

    def __init__(self, meter: Meter) -> None:
        self.ended = {"UNSET": 0, "OK": 0, "ERROR": 0}

        def histogram(name: str, what: str, boundaries: Iterable[float], keys: tuple[str, ...]) -> Measure:
            made = meter.create_histogram(name, "s", what, explicit_bucket_boundaries_advisory=tuple(boundaries))
            return Measure(made.record, keys)

        def counter(name: str, what: str, keys: tuple[str, ...]) -> Measure:
            return Measure(meter.create_counter(name, "{message}", what).add, keys)

        self._server = histogram(
            "http.server.request.duration", "Duration of HTTP server requests.", HTTP_BOUNDARIES, _SERVER
        )
        self._client = histogram(
            "http.client.request.duration", "Duration of HTTP client requests.", HTTP_BOUNDARIES, _CLIENT
        )
        self._database = histogram(
            "db.client.operation.duration",
            "Duration of database client operations.",
            DATABASE_BOUNDARIES,
            _DATABASE,
        )
        self._messaging = histogram(
            "messaging.client.operation.duration",
            "Duration of messaging operation initiated by a producer or consumer client.",
            HTTP_BOUNDARIES,
            (*_MESSAGES, "messaging.operation.type", _GROUP),
        )
        self._process = histogram(
            "messaging.process.duration", "Duration of processing operation.", HTTP_BOUNDARIES, (*_MESSAGES, _GROUP)
        )
        self._sent = counter(
            "messaging.client.sent.messages", "Number of messages producer attempted to send to the broker.", _MESSAGES
        )
        self._consumed = counter(
            "messaging.client.consumed.messages",
            "Number of messages that were delivered to the application.",
            (*_MESSAGES, _GROUP),
        )

    def measure(self, span: Span) -> None:
        """Measure an ended span."""
        sampled = span.trace.flags & SAMPLED
        if sampled:
            self.ended[span._status.status_code.name] += 1
        origin, values = span.origin, span.values
        if not origin.scope.name.startswith(_OURS):
            return
        # The clock that spans are timed by may have been set back meanwhile.
        seconds = max(0, (span._end_time or 0) - span._start_time) / 1e9
        context = Context({SPAN_KEY: span}) if sampled else None
        if origin.kind is SpanKind.SERVER:
            # A connection for messages both ways is no request, and lasts as long as people like.
            if "http.request.method" in values and values.get("network.protocol.name") != "websocket":
                self._server.add(seconds, span, context)
        elif origin.suppresses & HTTP_CLIENT:
            self._client.add(seconds, span, context)
        elif origin.suppresses & DATABASE:
            self._database.add(seconds, span, context)
        else:
            type = origin.attributes.get("messaging.operation.type")
            if type is not None:
                self._message(type, seconds, span, context)

    def _message(self, type: str, seconds: float, span: Span, context: Context | None) -> None:
        if type == "process":
            self._process.add(seconds, span, context)
            # What came in a batch was counted with the batch.
            if not span.__dict__.get("polled"):
                self._consumed.add(1, span, context)
            return
        self._messaging.add(seconds, span, context)
        if type == "send":
            self._sent.add(1, span, context)
        elif type == "receive":
            count = span.values.get("messaging.batch.message_count", 0)
            if count:
                self._consumed.add(count, span, context)
