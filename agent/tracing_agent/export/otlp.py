"""The OTLP encoder: ended spans to the bytes of an ``ExportTraceServiceRequest``, with what repeats encoded once.

Source: opentelemetry-proto v1.x, ``trace/v1/trace.proto`` (field numbers in the comments beside each tag).
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from tracing_agent.export.record import HAS_REMOTE, IS_REMOTE, Record, events, kind, links, status
from tracing_agent.export.values import text
from tracing_agent.export.wire import any_value, field, key_value, utf8, varint
from tracing_agent.faults import fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from tracing_agent.export.record import Event, Link
    from tracing_agent.trace.span import Span

    #: An encoded span: its scope, and the ``ScopeSpans.spans`` field.
    Message = tuple[InstrumentationScope, bytes]

_ids = Struct(">HQQHQ").pack  # trace_id 1, span_id 2: tag and length, then big-endian bytes
_parent = Struct(">HQ").pack  # parent_span_id 4
_times = Struct("<BQBQHI").pack  # start 7, end 8: fixed64; flags 16: tag of two bytes, fixed32
_time = Struct("<BQ").pack
_flags = Struct("<BI").pack
_LOW = (1 << 64) - 1
# What stands before a varint of one or two bytes in an ``AnyValue`` field of a pair: its length, and int_value 3.
_INT = (b"", b"\x02\x18", b"\x03\x18")
_NO_STATUS = b"\x7a\x00"

#: Values of one key that are remembered; a key with more is not worth remembering.
VALUES = 256
#: Encoded attributes, names and keys remembered in all; past it everything is forgotten and learned anew.
REMEMBERED = 4096
#: Longest text, in bytes, that is remembered.
LONG = 256


class Encoder:
    """Encodes spans of one process. Not for several threads at once.

    Memory is bounded: at most `REMEMBERED` short values, whatever the application sends.
    """

    def __init__(self) -> None:
        self._forget()
        self._scopes: dict[int, tuple[InstrumentationScope, bytes, bytes]] = {}
        self._resource: tuple[Any, bytes] = (None, b"")

    def _forget(self) -> None:
        self.remembered = 0
        # By key: encoded pairs by value; and what stands before a text's bytes by their number.
        self._texts: dict[str, dict[str | int, bytes]] = {}
        self._ints: dict[str, dict[int, bytes]] = {}
        self._names: dict[str, bytes] = {}
        self._keys: dict[str, bytes] = {}

    def request(self, spans: Iterable[Span], resource: Resource) -> bytes:
        """An ``ExportTraceServiceRequest``: one ``ResourceSpans``, its spans grouped by scope."""
        return self.wrap(self.span_messages(spans), resource)

    def span_messages(self, spans: Iterable[Span]) -> list[Message]:
        """Each span encoded, ready to be put together by `wrap`."""
        encode = self._span
        messages = []
        for span in spans:
            try:
                body = encode(span)
            except Exception:
                try:
                    body = _record(Record(span))
                except Exception as error:
                    fault("the encoder", error)
                    continue
            messages.append((span.origin.scope, b"\x12" + varint(len(body)) + body))
        return messages

    # -- around spans -----------------------------------------------------------------------------------------------

    def wrap(self, messages: Sequence[Message], resource: Resource) -> bytes:
        """The request around encoded spans."""
        # By content, as a program may make an equal scope for each span; but look at each scope once.
        groups: dict[tuple[bytes, bytes], list[bytes]] = {}
        found: dict[int, list[bytes]] = {}
        for scope, message in messages:
            group = found.get(id(scope))
            if group is None:
                group = found[id(scope)] = groups.setdefault(self._scope(scope), [])
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
            encoded = field(b"\x0a", _attributes(b"\x0a", resource.attributes))
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
            body += _attributes(b"\x1a", attributes)
        head = field(b"\x0a", body)
        tail = field(b"\x1a", utf8(text(scope.schema_url))) if scope.schema_url else b""
        if len(self._scopes) >= VALUES:
            self._scopes.clear()
        # Held, so that no other scope gets its id.
        self._scopes[id(scope)] = (scope, head, tail)
        return head, tail

    # -- one span ---------------------------------------------------------------------------------------------------

    def _span(self, span: Span) -> bytes:
        trace, up, origin = span.trace, span.up, span.origin
        id, name, flags = trace.id, span._name, trace.flags & 0xFF | HAS_REMOTE
        parts = [_ids(0x0A10, id >> 64, id & _LOW, 0x1208, span.span_id)]
        append = parts.append
        if type(up) is int:
            append(_parent(0x2208, up))
        elif up is not None:
            append(_parent(0x2208, up.span_id))
            if up.is_remote:
                flags |= IS_REMOTE
        if trace.state:
            append(field(b"\x1a", utf8(trace.state)))  # trace_state 3
        append(self._names.get(name) or self._name(name))
        append(origin.encoded or _constants(origin))
        append(_times(0x39, span._start_time, 0x41, span._end_time, 0x0185, flags))
        texts, ints, values = self._texts, self._ints, span.values
        for key in origin.attributes:
            if key in values:
                return _record(Record(span))  # what was constant is not, in this one
        for key, value in values.items():
            type_ = type(value)
            if type_ is str:
                known = texts.get(key)
                append((known is not None and known.get(value)) or self._text(key, value))
            elif type_ is int:
                numbers = ints.get(key)
                append((numbers is not None and numbers.get(value)) or self._int(key, value))
            else:
                append(self._pair(key, any_value(value)))
        append(_rare(span) if span.__dict__ else _NO_STATUS)
        return b"".join(parts)

    def _name(self, name: str) -> bytes:
        encoded = field(b"\x2a", utf8(name))
        if len(encoded) <= LONG and len(self._names) < VALUES * 4:
            self._remember()
            self._names[name] = encoded
        return encoded

    def _pair(self, key: str, value: bytes) -> bytes:
        head = self._keys.get(key)
        if head is None:
            head = field(b"\x0a", utf8(key)) + b"\x12"
            if len(head) <= LONG:
                self._remember()
                self._keys[key] = head
        body = head + varint(len(value)) + value
        return b"\x4a" + varint(len(body)) + body  # attributes 9

    def _text(self, key: str, value: str) -> bytes:
        data = utf8(value)
        size = len(data)
        known = self._texts.get(key)
        if known is None:
            if len(key) > LONG:
                return self._pair(key, field(b"\x0a", data))
            self._remember()
            known = self._texts[key] = {}
        head = known.get(size)
        if head is None:
            head = self._pair(key, field(b"\x0a", data))
            head = head[: len(head) - size]
            if size <= LONG:
                self._remember()
                known[size] = head
        encoded = head + data
        # A key that has shown too many values keeps those it has and learns no more.
        if size <= LONG and len(known) < VALUES:
            self._remember()
            known[value] = encoded
        return encoded

    def _int(self, key: str, value: int) -> bytes:
        head = self._keys.get(key)
        if head is not None and 0 <= value < 1 << 14:
            data = varint(value)
            encoded = b"\x4a" + varint(len(head) + len(data) + 2) + head + _INT[len(data)] + data
        else:
            encoded = self._pair(key, any_value(value))
        if len(key) <= LONG and -65536 < value < 65536:
            known = self._ints.get(key)
            if known is None:
                self._remember()
                known = self._ints[key] = {}
            if len(known) < VALUES:
                self._remember()
                known[value] = encoded
        return encoded

    def _remember(self) -> None:
        self.remembered += 1
        if self.remembered > REMEMBERED:
            self._forget()


def _attributes(tag: bytes, attributes: Mapping[str, Any]) -> bytes:
    return b"".join([field(tag, key_value(key, value)) for key, value in attributes.items()])


def _constants(origin: Any) -> bytes:
    # kind 6; OTLP counts from 1, 0 is unspecified
    origin.encoded = b"\x30" + varint(kind(origin.kind)) + _attributes(b"\x4a", origin.attributes)
    return origin.encoded  # type: ignore[no-any-return]


def _rare(span: Span) -> bytes:
    """What few spans have: dropped attributes, events, links, status."""
    parts = []
    found = span.__dict__
    if "_dropped" in found:
        parts.append(_dropped(span._dropped))
    if "_events" in found:
        parts.append(_events(events(span), span.dropped_events))
    if "_links" in found:
        parts.append(_links(links(span), span.dropped_links))
    parts.append(_status(*status(span)) if "_status" in found else _NO_STATUS)
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
    body = _time(0x09, event.time) + field(b"\x12", utf8(event.name)) + _attributes(b"\x1a", event.attributes)
    return field(b"\x5a", body + (b"\x20" + varint(event.dropped) if event.dropped else b""))  # events 11


def _link(link: Link) -> bytes:
    body = _ids(0x0A10, link.trace_id >> 64, link.trace_id & _LOW, 0x1208, link.span_id)
    if link.state:
        body += field(b"\x1a", utf8(link.state))
    body += _attributes(b"\x22", link.attributes)
    if link.dropped:
        body += b"\x28" + varint(link.dropped)
    return field(b"\x6a", body + _flags(0x35, link.flags))  # links 13


def _record(record: Record) -> bytes:
    """A span that the fast way could not take."""
    parts = [_ids(0x0A10, record.trace_id >> 64, record.trace_id & _LOW, 0x1208, record.span_id)]
    if record.parent_id is not None:
        parts.append(_parent(0x2208, record.parent_id))
    if record.state:
        parts.append(field(b"\x1a", utf8(record.state)))
    parts.append(field(b"\x2a", utf8(record.name)) + b"\x30" + varint(record.kind))
    parts.append(_times(0x39, record.start, 0x41, record.end, 0x0185, record.flags))
    parts.append(_attributes(b"\x4a", record.attributes))
    parts.append(_dropped(record.dropped))
    parts.append(_events(record.events, record.dropped_events) + _links(record.links, record.dropped_links))
    parts.append(_status(record.code, record.description))
    return b"".join(parts)
