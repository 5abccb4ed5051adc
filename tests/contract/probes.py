"""Processors, samplers and id generators that keep what they were asked; exceptions; short cuts to spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, StatusCode

if TYPE_CHECKING:
    from collections.abc import Sequence

TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C
SPAN_ID = 0xB7AD6B7169203331
START, END = 1_700_000_000_000_000_000, 1_700_000_000_250_000_000


class Recorder(SpanProcessor):
    """Keeps every call as (method, what it was given); ``ended`` are the spans handed to on_end."""

    def __init__(self, name: str = "recorder", log: list[tuple[str, str]] | None = None) -> None:
        self.name = name
        self.log: list[tuple[str, str]] = [] if log is None else log
        self.contexts: list[Context | None] = []
        self.started: list[Span] = []
        self.ended: list[ReadableSpan] = []
        self.flush_timeouts: list[int] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.log.append((self.name, "on_start"))
        self.contexts.append(parent_context)
        self.started.append(span)

    def on_end(self, span: ReadableSpan) -> None:
        self.log.append((self.name, "on_end"))
        self.ended.append(span)

    def shutdown(self) -> None:
        self.log.append((self.name, "shutdown"))

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        self.log.append((self.name, "force_flush"))
        self.flush_timeouts.append(timeout_millis)
        return True


class Asked(NamedTuple):
    """The arguments of one should_sample."""

    parent_context: Context | None
    trace_id: int
    name: str
    kind: trace.SpanKind | None
    attributes: Any
    links: Any


class Decider(Sampler):
    """Gives one answer to every question and keeps the questions; knows only the arguments that the SDK gives."""

    def __init__(
        self,
        decision: Decision = Decision.RECORD_AND_SAMPLE,
        attributes: Any = None,
        trace_state: trace.TraceState | None = None,
    ) -> None:
        self.answer = decision, attributes, trace_state
        self.asked: list[Asked] = []

    def should_sample(  # type: ignore[override]  # samplers in the field have the six arguments, by any name
        self,
        context: Context | None,
        id_: int,
        span_name: str,
        span_kind: trace.SpanKind | None = None,
        values: Any = None,
        linked: Any = None,
    ) -> SamplingResult:
        self.asked.append(Asked(context, id_, span_name, span_kind, values, linked))
        return SamplingResult(*self.answer)

    def get_description(self) -> str:
        return "Decider"


class Counting(IdGenerator):
    """Trace ids 0x…01, 0x…02 … after `TRACE_ID`'s first half, span ids 1, 2, …; says nothing of randomness."""

    def __init__(self) -> None:
        self.traces = 0
        self.spans = 0

    def generate_trace_id(self) -> int:
        self.traces += 1
        return (TRACE_ID >> 64 << 64) + self.traces

    def generate_span_id(self) -> int:
        self.spans += 1
        return self.spans


def begin(tracer: trace.Tracer, name: str = "work", **given: Any) -> Span:
    """A started span that is recorded."""
    span = tracer.start_span(name, **given)
    assert isinstance(span, Span)
    return span


def identity(
    trace_id: int = TRACE_ID,
    span_id: int = SPAN_ID,
    *,
    remote: bool = True,
    flags: int = 1,
    state: Sequence[tuple[str, str]] = (),
) -> trace.SpanContext:
    """A span's identity, by default that of a sampled remote parent."""
    return trace.SpanContext(
        trace_id,
        span_id,
        is_remote=remote,
        trace_flags=trace.TraceFlags(flags),
        trace_state=trace.TraceState(list(state)),
    )


def below(parent: trace.SpanContext) -> Context:
    """A context in which ``parent`` is the current span."""
    return trace.set_span_in_context(trace.NonRecordingSpan(parent), Context())


def named(number: int, prefix: str = "k") -> dict[str, int]:
    """{k0: 0, k1: 1, …}."""
    return {f"{prefix}{index}": index for index in range(number)}


def crowd(tracer: trace.Tracer, number: int) -> Span:
    """A span with ``number`` attributes, events, links, and attributes on each."""
    values = named(number)
    span = begin(tracer, attributes=values, links=[Link(identity(), values)] * (number - 1))
    span.add_link(identity(), values)
    for _ in range(number):
        span.add_event("e", values)
    return span


def shape(span: ReadableSpan) -> list[int]:
    """Numbers of: attributes, events, an event's attributes, links, a link's attributes."""
    event, link = span.events[-1], span.links[-1]
    counts = (span.attributes, span.events, event.attributes, span.links, link.attributes)
    return [len(counted or ()) for counted in counts]


class Refused(Exception):
    """An exception of a module's."""

    class Again(Exception):
        """A nested one."""


class Untold(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def exceptions(span: ReadableSpan) -> list[dict[str, Any]]:
    """The attributes of each exception's event."""
    assert {event.name for event in span.events} <= {"exception"}
    return [dict(event.attributes or {}) for event in span.events]


def status(span: ReadableSpan) -> tuple[StatusCode, str | None]:
    """The status as (code, description)."""
    return span.status.status_code, span.status.description
