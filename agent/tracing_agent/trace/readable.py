"""What of a span is read: the SDK's own methods and properties, answered from our lean fields."""

from __future__ import annotations

import copy
import warnings
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import Span as SDKSpan
from opentelemetry.trace import SpanContext, SpanKind
from opentelemetry.trace.status import Status, StatusCode

from tracing_agent.trace.identity import Origin, Trace, span_context

if TYPE_CHECKING:
    from types import TracebackType

    from opentelemetry.sdk.trace import SpanLimits
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.util import types

_UNSET = Status(StatusCode.UNSET)
_COPY_PROTOCOL = 4


class Handled(NamedTuple):
    """An exception that a framework turned into a response, as it was then; ``time`` in nanoseconds since the epoch."""

    error: BaseException
    traceback: TracebackType | None
    time: int


class Rare:
    """A field that few spans have: in the instance's dictionary, which exists only then, so that ``rare`` tells."""

    __slots__ = ("_default", "_name")

    def __init__(self, default: Any) -> None:
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, span: Any, owner: Any = None) -> Any:
        return span.__dict__.get(self._name, self._default) if span is not None and span.rare else self._default

    def __set__(self, span: Any, value: Any) -> None:
        span.__dict__[self._name] = value
        span.rare = True


class Readable(SDKSpan):
    """The fields of a span, and everything that is read off them.

    ``values`` holds the attributes that are not constants of the origin. ``up`` is the parent: None, the id of a span
    of the same trace in this process, or a remote or foreign identity; never the parent itself, or a chain of spans (a
    loop that reschedules itself) would be kept alive as a whole.
    """

    __slots__ = (
        "_end_time",
        "_name",
        "_start_time",
        "origin",
        "rare",
        "span_id",
        "trace",
        "up",
        "values",
    )

    trace: Trace
    span_id: int
    up: Any
    origin: Origin
    values: dict[str, Any]
    _start_time: int

    recording = True
    is_remote = False
    #: Whether any of the next four was set.
    rare: bool
    _status = Rare(_UNSET)
    _events = Rare(())
    _links = Rare(())
    _dropped = Rare(0)
    # Likewise, in the instance's dictionary, which exists only then, or when it is asked for.
    _record_exception = True
    _set_status_on_exception = True
    _trace_config = None
    #: An exception that became a response, until the response's status says whether it was an error.
    handled: Handled | None = None

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
        if type(up) is int:
            return span_context(self.trace, up)
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
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
        # A copy, as other threads may be writing.
        return {**self.origin.attributes, **self.values}

    @property
    def attributes(self) -> types.Attributes:
        return MappingProxyType(self._attributes)

    @property
    def dropped_attributes(self) -> int:
        dropped: int = self._dropped
        return dropped

    @property
    def dropped_events(self) -> int:
        return getattr(self._events, "dropped", 0)

    @property
    def dropped_links(self) -> int:
        return getattr(self._links, "dropped", 0)

    def __repr__(self) -> str:
        return f'_Span(name="{self._name}", context={self.get_span_context()})'

    def is_recording(self) -> bool:
        return self._end_time is None

    def _readable_span(self) -> ReadableSpan:
        # Nothing can change it once it has ended, and no processor is handed it before.
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> ReadableSpan:
        if self._end_time is None:
            raise TypeError("a span in progress cannot be copied")
        return copy.deepcopy(SDKSpan._readable_span(self), memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if protocol == _COPY_PROTOCOL:
            return super().__reduce_ex__(protocol)
        raise TypeError("a span cannot be pickled")
