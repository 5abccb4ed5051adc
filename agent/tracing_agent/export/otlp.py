"""The OTLP encoder: ended spans to the bytes of an ``ExportTraceServiceRequest``, with what repeats encoded once.

Source: opentelemetry-proto v1.x, ``trace/v1/trace.proto`` (field numbers in the comments beside each tag).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.export.otlp_fields import (
    CHILD,
    FLAGS,
    HEADS,
    ID,
    IDS,
    LOW,
    NO_STATUS,
    PARENT,
    TIME,
    TIMES,
    attribute_fields,
    begun,
    constants,
)
from tracing_agent.export.otlp_memory import VALUES, Memory
from tracing_agent.export.otlp_sketch import Sketches
from tracing_agent.export.record import HAS_REMOTE, IS_REMOTE, Record, events, links, status
from tracing_agent.export.values import text
from tracing_agent.export.wire import any_value, field, utf8, varint
from tracing_agent.faults import fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from tracing_agent.export.record import Event, Link
    from tracing_agent.trace.span import Span

    #: An encoded span: its scope, and the ``ScopeSpans.spans`` field.
    Message = tuple[InstrumentationScope, bytes]


class Encoder:
    """Encodes spans of one process. Not for several threads at once.

    Memory is bounded: at most `otlp_memory.REMEMBERED` short values, whatever the application sends.
    """

    def __init__(self) -> None:
        self.memory = Memory()
        self._sketches = Sketches(self.memory)
        self._scopes: dict[int, tuple[InstrumentationScope, bytes, bytes]] = {}
        self._resource: tuple[Any, bytes] = (None, b"")

    def request(self, spans: Iterable[Span], resource: Resource) -> bytes:
        """An ``ExportTraceServiceRequest``: one ``ResourceSpans``, its spans grouped by scope."""
        return self.wrap(self.span_messages(spans), resource)

    def span_messages(self, spans: Iterable[Any]) -> list[Message]:
        """Each span, or sketch of one, encoded, ready to be put together by `wrap`."""
        memory, heads = self.memory, HEADS
        texts, ints, names = memory.texts, memory.ints, memory.names
        messages: list[Message] = []
        append_message, sketch = messages.append, self._sketches.message
        for span in spans:
            try:
                if type(span) is tuple:
                    append_message(sketch(span))
                    continue
                trace, up, origin, values = span.trace, span.up, span.origin, span.values
                flags = trace.flags & 0xFF | HAS_REMOTE
                parts = [trace.encoded or begun(trace)]
                append = parts.append
                if type(up) is int:
                    append(CHILD(span.span_id, 0x2208, up))
                elif up is None:
                    append(ID(span.span_id))
                else:
                    append(CHILD(span.span_id, 0x2208, up.span_id))
                    if up.is_remote:
                        flags |= IS_REMOTE
                if trace.state:
                    append(field(b"\x1a", utf8(trace.state)))  # trace_state 3
                append(names[span._name])
                same, apart = origin.encoded or constants(origin)
                if not apart(values):
                    raise ValueError("what is constant in others is not in this one")
                append(same)
                append(TIMES(0x39, span._start_time, 0x41, span._end_time, 0x0185, flags))
                for key, value in values.items():
                    kind = type(value)
                    if kind is str:
                        append(texts[key][value])
                    elif kind is int:
                        append(ints[key][value])
                    else:
                        append(memory.pair(key, any_value(value)))
                append(_rare(span) if span.rare else NO_STATUS)
                body = b"".join(parts)
            except Exception:
                if type(span) is tuple:
                    span = span[0].span(span)
                body = _odd(span)
                if not body:
                    continue
            append_message((span.origin.scope, heads[len(body)] + body))
        return messages

    # -- around spans -----------------------------------------------------------------------------------------------

    def wrap(self, messages: Sequence[Message], resource: Resource) -> bytes:
        """The request around encoded spans."""
        # By content, as a program may make an equal scope for each span; but look at each scope once.
        groups: dict[tuple[bytes, bytes], list[bytes]] = {}
        found: dict[int, list[bytes]] = {}
        last: Any = None
        group: list[bytes] = []
        for scope, message in messages:
            if scope is not last:
                last, known = scope, found.get(id(scope))
                if known is None:
                    known = found[id(scope)] = groups.setdefault(self._scope(scope), [])
                group = known
            group.append(message)
        # Put together at once: a copy of a large body costs as much as its spans.
        parts = [self._resource_field(resource)]
        for (head, tail), group in groups.items():
            size = len(head) + sum(map(len, group)) + len(tail)
            parts += [b"\x12" + varint(size) + head, *group, tail]  # scope_spans 2
        if resource.schema_url:
            parts.append(field(b"\x1a", utf8(text(resource.schema_url))))
        return b"".join([b"\x0a" + varint(sum(map(len, parts))), *parts])  # resource_spans 1

    def _resource_field(self, resource: Resource) -> bytes:
        known, encoded = self._resource
        if known is not resource:
            encoded = field(b"\x0a", attribute_fields(b"\x0a", resource.attributes))
            self._resource = (resource, encoded)
        return encoded

    def _scope(self, scope: InstrumentationScope) -> tuple[bytes, bytes]:
        """What stands before and after the spans of a scope."""
        if id(scope) in self._scopes:
            return self._scopes[id(scope)][1:]
        body = field(b"\x0a", utf8(text(scope.name)))
        if scope.version:
            body += field(b"\x12", utf8(text(scope.version)))
        attributes = getattr(scope, "attributes", None)
        if attributes:
            body += attribute_fields(b"\x1a", attributes)
        head = field(b"\x0a", body)
        tail = field(b"\x1a", utf8(text(scope.schema_url))) if scope.schema_url else b""
        if len(self._scopes) >= VALUES:
            self._scopes.clear()
        # Held, so that no other scope gets its id.
        self._scopes[id(scope)] = (scope, head, tail)
        return head, tail


def _rare(span: Span) -> bytes:
    """What few spans have: dropped attributes, events, links, status."""
    parts = [_dropped(span._dropped)]
    parts.append(_events(events(span), span.dropped_events))
    parts.append(_links(links(span), span.dropped_links))
    parts.append(_status(*status(span)))
    return b"".join(parts)


def _dropped(count: int) -> bytes:
    return b"\x50" + varint(count) if count else b""  # dropped_attributes_count 10


def _events(found: Sequence[Event], dropped: int) -> bytes:
    body = b"".join([_event(event) for event in found])
    return body + b"\x60" + varint(dropped) if dropped else body  # dropped_events_count 12


def _links(found: Sequence[Link], dropped: int) -> bytes:
    body = b"".join([_link(link) for link in found])
    return body + b"\x70" + varint(dropped) if dropped else body  # dropped_links_count 14


def _status(code: int, description: str) -> bytes:
    body = field(b"\x12", utf8(description)) if description else b""
    return field(b"\x7a", body + (b"\x18" + varint(code) if code else b""))  # status 15


def _event(event: Event) -> bytes:
    body = TIME(0x09, event.time) + field(b"\x12", utf8(event.name)) + attribute_fields(b"\x1a", event.attributes)
    return field(b"\x5a", body + (b"\x20" + varint(event.dropped) if event.dropped else b""))  # events 11


def _link(link: Link) -> bytes:
    body = IDS(0x0A10, link.trace_id >> 64, link.trace_id & LOW, 0x1208, link.span_id)
    if link.state:
        body += field(b"\x1a", utf8(link.state))
    body += attribute_fields(b"\x22", link.attributes)
    if link.dropped:
        body += b"\x28" + varint(link.dropped)
    return field(b"\x6a", body + FLAGS(0x35, link.flags))  # links 13


def _odd(span: Span) -> bytes:
    """A span that the fast way could not take; empty if it cannot be encoded at all."""
    try:
        return _record(Record(span))
    except Exception as error:
        fault("the encoder", error)
        return b""


def _record(record: Record) -> bytes:
    parts = [IDS(0x0A10, record.trace_id >> 64, record.trace_id & LOW, 0x1208, record.span_id)]
    if record.parent_id is not None:
        parts.append(PARENT(0x2208, record.parent_id))
    if record.state:
        parts.append(field(b"\x1a", utf8(record.state)))
    parts.append(field(b"\x2a", utf8(record.name)) + b"\x30" + varint(record.kind))
    parts.append(TIMES(0x39, record.start, 0x41, record.end, 0x0185, record.flags))
    parts.append(attribute_fields(b"\x4a", record.attributes))
    parts.append(_dropped(record.dropped))
    parts.append(_events(record.events, record.dropped_events) + _links(record.links, record.dropped_links))
    parts.append(_status(record.code, record.description))
    return b"".join(parts)
