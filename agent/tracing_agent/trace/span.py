"""The span: as lean as a Python object can be on the way in, and the SDK's span to everyone who looks.

A span holds what differs between spans; what does not stands once on its `Origin` (a scope, a kind, constant
attributes) and on its `Trace` (ids, flags, state). The API's own objects are made when asked for.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.trace import logger as sdk_logger
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Link, SpanContext
from opentelemetry.trace.status import Status, StatusCode

from tracing_agent.trace.attributes import LIMIT, UNPRINTABLE, clean
from tracing_agent.trace.identity import RANDOM, SAMPLED, UNLIMITED, Dropped, Origin, SilentTrace, Trace, span_context
from tracing_agent.trace.readable import Readable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.util import types


# Types that the installed SDK keeps as they are (before 1.45 it turns bytes into text).
_PLAIN = frozenset((str, bool, int, float, *map(type, BoundedAttributes(1, {"bytes": b""}).values())))


class Span(Readable):
    """A recorded span.

    Instrumentations write `values` directly, with values of the types that OTLP knows; everybody else goes through
    `set_attribute`.
    """

    __slots__ = ()

    def set_attribute(self, key: str, value: types.AttributeValue) -> None:
        origin, values = self.origin, self.values
        if self._end_time is not None:
            sdk_logger.warning("Setting attribute on ended span.")
        elif (
            type(value) in _PLAIN
            and type(key) is str
            and key
            and len(values) < origin.room
            and key not in origin.attributes
        ):
            # As `_set` and `_put`, without their calls.
            values.pop(key, None)
            values[key] = value
        else:
            self._set(key, value)

    def set_attributes(self, attributes: Mapping[str, types.AttributeValue]) -> None:
        if self._end_time is not None:
            sdk_logger.warning("Setting attribute on ended span.")
            return
        limits = self.origin.engine.limits
        cleaned = clean(attributes, None, limits.max_span_attribute_length)
        self._dropped += cleaned.dropped
        for key, value in cleaned.items():
            self._put(key, value)

    def _set(self, key: str, value: Any) -> None:
        length = self.origin.engine.limits.max_span_attribute_length
        if type(key) is not str or not key or type(value) not in _PLAIN or length is not None:
            # The installed SDK's own rules for the rest: sequences, maps, None, invalid types, truncation.
            cleaner = BoundedAttributes(None, None, immutable=False, max_value_len=length)
            try:
                cleaner[key] = value
            except Exception:
                cleaner[key] = UNPRINTABLE
            if key not in cleaner:
                self._dropped += cleaner.dropped
                return
            value = cleaner[key]
        self._put(key, value)

    def _put(self, key: str, value: Any) -> None:
        if key in self.origin.attributes:
            # One span of many says otherwise: it gets an origin without constants, and these among its own.
            self.values = {**self.origin.attributes, **self.values}
            self.origin = self.origin.engine.origin(self.origin.scope, self.origin.kind, {}, self.origin.suppresses)
        values = self.values
        if len(values) < self.origin.room:
            values.pop(key, None)
            values[key] = value
            return
        most = self.origin.engine.limits.max_span_attributes
        with LIMIT.lock:
            self._put_limited(key, value, UNLIMITED if most is None else most - len(self.origin.attributes))

    def _put_limited(self, key: str, value: Any, most: int) -> None:
        values = self.values
        values.pop(key, None)
        if most <= 0:
            self._dropped += 1
            return
        while len(values) >= most:
            # As the SDK does: the oldest makes room for the newest.
            values.pop(next(iter(values)))
            self._dropped += 1
        values[key] = value

    def add_event(self, name: str, attributes: types.Attributes = None, timestamp: int | None = None) -> None:
        limits = self.origin.engine.limits
        bounded = clean(attributes, limits.max_event_attributes, limits.max_attribute_length, immutable=True)
        self._add_event(Event(name=name, attributes=bounded, timestamp=timestamp))

    def add_link(self, context: SpanContext, attributes: types.Attributes = None) -> None:
        if not (context and (context.is_valid or attributes or context.trace_state)):
            return
        limits = self.origin.engine.limits
        bounded = clean(attributes, limits.max_link_attributes, limits.max_attribute_length, immutable=True)
        self._add_link(Link(context=context, attributes=bounded))

    def record_exception(
        self,
        exception: BaseException,
        attributes: types.Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        try:
            super().record_exception(exception, attributes, timestamp, escaped)
        except Exception:
            # Its text cannot be had, but the program has to see its own exception and not this one.
            kind = type(exception)
            given = {"exception.type": f"{kind.__module__}.{kind.__qualname__}", "exception.message": UNPRINTABLE}
            self.add_event("exception", {**given, **(attributes or {})}, timestamp)

    def __exit__(self, exc_type: Any, exc_val: BaseException | None, exc_tb: TracebackType | None) -> None:
        if exc_val is not None:
            self.escaped(exc_val, self._record_exception, self._set_status_on_exception, escaped=True)
        self.end()

    def escaped(self, error: BaseException, record: bool, set_status: bool, escaped: bool = False) -> None:
        """An exception leaves the block that the span stands for."""
        if not self.is_recording():
            return
        if record:
            self.record_exception(error, escaped=escaped)
        if set_status:
            try:
                text = f"{type(error).__name__}: {error}"
            except Exception:
                text = f"{type(error).__name__}: {UNPRINTABLE}"
            self.set_status(Status(StatusCode.ERROR, text))

    def _add_event(self, event: Any) -> None:
        if self._end_time is not None:
            sdk_logger.warning("Tried calling %s on an ended span.", "_add_event")
            return
        if type(self._events) is tuple:
            # Atomic: of two threads with the first one, the first makes the list for both.
            self._events = self.__dict__.setdefault("_events", BoundedList(self.origin.engine.limits.max_events))
        self._events.append(event)

    def _add_link(self, link: Link) -> None:
        if self._end_time is not None:
            sdk_logger.warning("Tried calling %s on an ended span.", "_add_link")
            return
        if type(self._links) is tuple:
            # Atomic: of two threads with the first one, the first makes the list for both.
            self._links = self.__dict__.setdefault("_links", BoundedList(self.origin.engine.limits.max_links))
        self._links.append(link)

    def update_name(self, name: str) -> None:
        if self._end_time is not None:
            sdk_logger.warning("Tried calling %s on an ended span.", "update_name")
            return
        self._name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        if self._end_time is not None:
            sdk_logger.warning("Tried calling %s on an ended span.", "set_status")
            return
        if isinstance(status, Status):
            if self._status.status_code is StatusCode.OK or status.status_code is StatusCode.UNSET:
                return
            if description is not None:
                sdk_logger.warning(
                    "Description %s ignored. Use either `Status` or `(StatusCode, Description)`", description
                )
            self._status = status
        elif isinstance(status, StatusCode):
            if self._status.status_code is StatusCode.OK or status is StatusCode.UNSET:
                return
            self._status = Status(status, description)

    def start(self, start_time: int | None = None, parent_context: Any = None) -> None:
        sdk_logger.warning("Calling start() on a started span.")

    def end(self, end_time: int | None = None) -> None:
        # Atomic, as several threads may end one span: the first stores what the others find.
        mine = object()
        if self._end_time is not None or self.__dict__.setdefault("ender", mine) is not mine:
            sdk_logger.warning("Calling end() on an ended span.")
        elif end_time is None:
            self.origin.finish(self)
        else:
            self.origin.engine.finish_at(self, end_time)


__all__ = ["RANDOM", "SAMPLED", "Dropped", "Event", "Origin", "SilentTrace", "Span", "Trace", "span_context"]
