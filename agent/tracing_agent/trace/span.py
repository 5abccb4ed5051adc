"""The span: as lean as a Python object can be on the way in, and the SDK's span to everyone who looks.

A span holds what differs between spans; what does not stands once on its `Origin` (a scope, a kind, constant
attributes) and on its `Trace` (ids, flags, state). The API's own objects are made when asked for.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace import Span as SDKSpan
from opentelemetry.sdk.trace import logger as sdk_logger
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Link, SpanContext, SpanKind
from opentelemetry.trace.status import Status, StatusCode

from tracing_agent.trace.identity import RANDOM, SAMPLED, Dropped, Origin, Trace, span_context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import SpanLimits
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.util import types


_UNSET = Status(StatusCode.UNSET)
_PLAIN = frozenset((str, bool, int, float, bytes))


class Span(SDKSpan):
    """A recorded span. ``values`` holds the attributes that are not constants of the origin; instrumentations write
    it directly, with values of the types that OTLP knows; everybody else goes through `set_attribute`.
    """

    __slots__ = ("_end_time", "_name", "_start_time", "origin", "span_id", "trace", "up", "values")

    trace: Trace
    span_id: int
    _start_time: int
    up: Any
    origin: Origin
    values: dict[str, Any]

    recording = True
    is_remote = False
    # Rarely set: kept in the instance's dictionary, which exists only then.
    _status = _UNSET
    _events: Any = ()
    _links: Any = ()
    _dropped = 0
    _record_exception = True
    _set_status_on_exception = True
    _trace_config = None

    # -- what the SDK's own methods and properties read -------------------------------------------------------------

    @property
    def _context(self) -> SpanContext:  # type: ignore[override]
        return self.get_span_context()

    @property
    def context(self) -> SpanContext:
        return self.get_span_context()

    def get_span_context(self) -> SpanContext:
        context: SpanContext | None = self.__dict__.get("identity")
        if context is None:
            context = self.__dict__["identity"] = span_context(self.trace, self.span_id)
        return context

    @property
    def _parent(self) -> SpanContext | None:  # type: ignore[override]
        up = self.up
        if up is None or type(up) is SpanContext:
            return up
        if type(up) is Span or type(up) is Dropped:
            return up.get_span_context()
        return span_context(Trace(up.trace_id, up.flags, up.state, True), up.span_id, is_remote=True)

    @property
    def _kind(self) -> SpanKind:  # type: ignore[override]
        return self.origin.kind

    @property
    def _resource(self) -> Any:  # type: ignore[override]
        return self.origin.engine.resource

    @property
    def _instrumentation_scope(self) -> InstrumentationScope:  # type: ignore[override]
        return self.origin.scope

    @property
    def _instrumentation_info(self) -> Any:  # type: ignore[override]
        from opentelemetry.sdk.util.instrumentation import InstrumentationInfo

        scope = self.origin.scope
        return InstrumentationInfo(scope.name, scope.version or "", scope.schema_url)

    @property
    def _limits(self) -> SpanLimits:
        return self.origin.engine.limits

    @property
    def _sampler(self) -> Any:  # type: ignore[override]
        return self.origin.engine.sampler

    @property
    def _span_processor(self) -> Any:  # type: ignore[override]
        return self.origin.engine.processors

    @property
    def _attributes(self) -> dict[str, Any]:  # type: ignore[override]
        constant = self.origin.attributes
        return {**constant, **self.values} if constant else self.values

    @property
    def attributes(self) -> types.Attributes:
        return MappingProxyType(self._attributes)

    @property
    def dropped_attributes(self) -> int:
        return self._dropped

    @property
    def dropped_events(self) -> int:
        return getattr(self._events, "dropped", 0)

    @property
    def dropped_links(self) -> int:
        return getattr(self._links, "dropped", 0)

    def __repr__(self) -> str:
        return f'_Span(name="{self._name}", context={self.get_span_context()})'

    # -- recording --------------------------------------------------------------------------------------------------

    def is_recording(self) -> bool:
        return self._end_time is None

    def set_attribute(self, key: str, value: types.AttributeValue) -> None:
        if self._end_time is not None:
            sdk_logger.warning("Setting attribute on ended span.")
            return
        self._set(key, value)

    def set_attributes(self, attributes: Mapping[str, types.AttributeValue]) -> None:
        if self._end_time is not None:
            sdk_logger.warning("Setting attribute on ended span.")
            return
        # A copy: the SDK's cleaner walks the mapping, and another thread may be changing it.
        for key, value in dict(attributes).items():
            self._set(key, value)

    def _set(self, key: str, value: Any) -> None:
        limits = self.origin.engine.limits
        length = limits.max_span_attribute_length
        values = self.values
        if type(key) is not str or not key or type(value) not in _PLAIN or length is not None:
            # The installed SDK's own rules for the rest: sequences, maps, None, invalid types, truncation.
            cleaner = BoundedAttributes(None, None, immutable=False, max_value_len=length)
            cleaner[key] = value
            if key not in cleaner:
                self._dropped += cleaner.dropped
                return
            value = cleaner[key]
        most = limits.max_span_attributes
        if most is not None and key not in values and len(values) + len(self.origin.attributes) >= most:
            # As the SDK does: the oldest makes room for the newest.
            self._dropped += 1
            if not values:
                return
            values.pop(next(iter(values)), None)
        values.pop(key, None)
        values[key] = value

    def _add_event(self, event: Any) -> None:
        if self._end_time is not None:
            sdk_logger.warning("Tried calling %s on an ended span.", "_add_event")
            return
        if type(self._events) is tuple:
            self.__dict__.setdefault("_events", BoundedList(self.origin.engine.limits.max_events))
        self._events.append(event)

    def _add_link(self, link: Link) -> None:
        if self._end_time is not None:
            sdk_logger.warning("Tried calling %s on an ended span.", "_add_link")
            return
        if type(self._links) is tuple:
            self.__dict__.setdefault("_links", BoundedList(self.origin.engine.limits.max_links))
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
        if self._end_time is not None:
            sdk_logger.warning("Calling end() on an ended span.")
        elif end_time is None:
            self.origin.finish(self)
        else:
            self.origin.engine.finish_at(self, end_time)

    def _readable_span(self) -> ReadableSpan:
        # Nothing can change it once it has ended, and no processor is handed it before.
        return self


__all__ = ["RANDOM", "SAMPLED", "Dropped", "Event", "Origin", "Span", "Trace", "span_context"]
