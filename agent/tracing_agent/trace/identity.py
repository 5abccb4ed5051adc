"""What spans share: their trace, their origin, and the identity of those that are not recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

from tracing_agent.propagation.tracestate import trace_state
from tracing_agent.propagation.w3c import TAILS, head

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.span import Span

SAMPLED, RANDOM = 1, 2
UNLIMITED = 1 << 62
# Attributes below the limit from which threads that set them take turns: so many would have to set one at the same
# moment to go over it, and what is over it is cut on the way out.
_MARGIN = 64


class Trace:
    """What the spans of one trace in this process share.

    ``id`` is the 128-bit trace id; ``flags`` the W3C trace flags; ``state`` the tracestate header ("" for none);
    ``recorded`` whether children of a span of this trace are recorded when the parent decides; ``debug`` whether the
    caller asked every service to record (B3, Jaeger). ``silent`` of a trace says that nothing below is recorded here,
    whatever the sampler thinks; ``held`` that it is recorded, though not sampled, until it is known whether to keep it.
    ``head`` is the beginning of a traceparent, ``encoded`` that of a span in OTLP, once they were asked for.
    """

    __slots__ = ("debug", "encoded", "flags", "head", "id", "recorded", "state")
    silent = held = False

    def __init__(self, id: int, flags: int, state: str, recorded: bool, debug: bool = False) -> None:
        self.id = id
        self.flags = flags
        self.state = state
        self.recorded = recorded
        self.debug = debug
        self.head = ""
        self.encoded: bytes | None = None

    def traceparent(self, span_id: int) -> str:
        """The W3C header value that names ``span_id`` as the parent."""
        # Faster than a format of 16 hexadecimal digits, by half a microsecond.
        begin = self.head
        if not begin:
            begin = self.head = head(self.id)
        return f"{begin}{span_id.to_bytes(8, 'big').hex()}{TAILS[self.flags & 3]}"


class SilentTrace(Trace):
    """The trace of a unit of work that the program's owner excluded."""

    __slots__ = ()
    silent = True


class Origin:
    """What the spans of one scope and kind share: constants, and the engine that made them.

    ``suppresses`` is the bit mask of operations that must stay silent below such a span; ``finish`` ends a span and
    hands it to the exporter; ``encoded`` belongs to the encoder. While a span has less than ``room`` attributes of its
    own, no limit is to be thought of.
    """

    __slots__ = ("attributes", "encoded", "engine", "finish", "kind", "room", "scope", "suppresses")

    def __init__(
        self,
        engine: Engine,
        scope: InstrumentationScope,
        kind: SpanKind,
        attributes: dict[str, Any],
        suppresses: int,
    ) -> None:
        self.engine = engine
        self.scope = scope
        self.kind = kind
        self.attributes = attributes
        self.suppresses = suppresses
        self.finish: Callable[[Span], None] = engine.finish
        most, length = engine.limits.max_span_attributes, engine.limits.max_span_attribute_length
        self.room = 0 if length is not None else UNLIMITED if most is None else most - len(attributes) - _MARGIN
        self.encoded: Any = None


def span_context(trace: Trace, span_id: int, is_remote: bool = False) -> SpanContext:
    """The API's view of a span's identity."""
    state = trace.state
    return SpanContext(
        trace.id,
        span_id,
        is_remote=is_remote,
        trace_flags=TraceFlags(trace.flags),
        trace_state=trace_state(state) if state else None,
    )


class Dropped(NonRecordingSpan):
    """A span that is not recorded, but has an identity that children and other processes see."""

    __slots__ = ("span_id", "trace")
    recording = False
    is_remote = False

    def __init__(self, trace: Trace, span_id: int) -> None:
        self.trace = trace
        self.span_id = span_id

    @property
    def _context(self) -> SpanContext:  # type: ignore[override]
        return self.get_span_context()

    def get_span_context(self) -> SpanContext:
        context: SpanContext | None = self.__dict__.get("context")
        if context is None:
            context = self.__dict__["context"] = span_context(self.trace, self.span_id)
        return context
