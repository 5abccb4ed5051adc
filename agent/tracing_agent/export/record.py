"""A span as plain values that every wire can carry: what odd spans are encoded from, and JSON always.

The encoder's fast way takes a span as it is; where that raises (a name that is no text, a time that is no integer, an
attribute that another thread adds meanwhile) it comes here, where nothing raises and nothing is lost without need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from tracing_agent.export.values import plain_attributes, text, unsigned

if TYPE_CHECKING:
    from tracing_agent.trace.span import Span

#: Bits of OTLP's ``flags`` above the 8 W3C trace flags: it is known whether the other side is remote; it is.
HAS_REMOTE, IS_REMOTE = 0x100, 0x200


class Event:
    """One event: ``time`` in nanoseconds since the epoch."""

    __slots__ = ("attributes", "dropped", "name", "time")

    def __init__(self, event: Any) -> None:
        self.name = text(event.name)
        self.time = unsigned(event.timestamp, 64)
        self.attributes = plain_attributes(event.attributes)
        self.dropped = unsigned(getattr(event, "dropped_attributes", 0), 32)


class Link:
    """One link: ids as integers, ``state`` the tracestate header, ``flags`` as OTLP defines them."""

    __slots__ = ("attributes", "dropped", "flags", "span_id", "state", "trace_id")

    def __init__(self, link: Any) -> None:
        context = link.context
        self.trace_id = _id(context.trace_id, 128)
        self.span_id = _id(context.span_id, 64)
        self.state = text(context.trace_state.to_header()) if context.trace_state else ""
        self.flags = flags(context.trace_flags, context.is_remote)
        self.attributes = plain_attributes(link.attributes)
        self.dropped = unsigned(getattr(link, "dropped_attributes", 0), 32)


class Record:
    """A whole span. ``kind`` and ``code`` are OTLP's numbers; ``parent_id`` is None for a root."""

    __slots__ = (
        "attributes",
        "code",
        "description",
        "dropped",
        "dropped_events",
        "dropped_links",
        "end",
        "events",
        "flags",
        "kind",
        "links",
        "name",
        "parent_id",
        "span_id",
        "start",
        "state",
        "trace_id",
    )

    def __init__(self, span: Span) -> None:
        trace, up = span.trace, span.up
        self.trace_id = _id(trace.id, 128)
        self.span_id = _id(span.span_id, 64)
        self.parent_id = None if up is None else _id(up if type(up) is int else up.span_id, 64)
        self.state = text(trace.state)
        self.flags = flags(trace.flags, getattr(up, "is_remote", False))
        self.name = text(span._name)
        self.kind = kind(span.origin.kind)
        self.start = unsigned(span._start_time, 64)
        self.end = unsigned(span._end_time, 64)
        self.attributes = plain_attributes(span.origin.attributes)
        self.attributes.update(plain_attributes(span.values))
        self.dropped = unsigned(span._dropped, 32)
        self.events = events(span)
        self.dropped_events = unsigned(span.dropped_events, 32)
        self.links = links(span)
        self.dropped_links = unsigned(span.dropped_links, 32)
        self.code, self.description = status(span)


def flags(trace_flags: Any, remote: Any) -> int:
    """OTLP's ``flags``: the W3C trace flags in the low 8 bits, then what is known of the other side."""
    return unsigned(trace_flags, 32) & 0xFF | HAS_REMOTE | (IS_REMOTE if remote else 0)


def kind(value: Any) -> int:
    """OTLP's number of a span kind; 0 (unspecified) for what is none."""
    return value.value + 1 if isinstance(value, SpanKind) else 0


def events(span: Span) -> list[Event]:
    """The span's events, without those that have not the shape of one."""
    return _each(Event, span._events)


def links(span: Span) -> list[Link]:
    """The span's links, without those that have not the shape of one."""
    return _each(Link, span._links)


def status(span: Span) -> tuple[int, str]:
    """(code as OTLP's number, description)."""
    found = span._status
    return unsigned(getattr(found.status_code, "value", 0), 2), text(found.description)


def _each(make: Any, items: Any) -> list[Any]:
    made = []
    for item in tuple(items):
        try:
            made.append(make(item))
        except Exception:
            continue
    return made


def _id(value: Any, bits: int) -> int:
    try:
        return int(value) & ((1 << bits) - 1)
    except Exception:
        return 0
