"""The OTLP encoder: ended spans to the bytes of an ``ExportTraceServiceRequest``, with what repeats encoded once.

Source: opentelemetry-proto v1.x, ``trace/v1/trace.proto`` (field numbers in the comments beside each tag).
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from tracing_agent.export.wire import any_value, field, key_value, utf8, varint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from tracing_agent.trace.span import Span

_times = Struct("<BQBQ").pack  # start 7, end 8: fixed64
_flags = Struct("<HI").pack  # flags 16: tag 0x85 0x01, fixed32
_fixed64 = Struct("<Q").pack
_HAS_REMOTE, _IS_REMOTE = 0x100, 0x200
_NO_STATUS = b"\x7a\x00"

#: Values of one key that are remembered; a key with more is not worth remembering.
_VALUES = 256
#: Encoded attributes, names and keys remembered in all; past it everything is forgotten and learned anew.
_REMEMBERED = 4096
#: Longest text, in characters, that is remembered.
_LONG = 256

_TIME_MAX = (1 << 64) - 1


class Encoder:
    """Encodes spans of one process. Not for several threads at once.

    Memory is bounded: at most `_REMEMBERED` short values, whatever the application sends.
    """

    def __init__(self) -> None:
        self._forget()
        self._scopes: dict[int, tuple[InstrumentationScope, bytes, bytes]] = {}
        self._resource: tuple[Any, bytes] = (None, b"")

    def _forget(self) -> None:
        self._count = 0
        self._texts: dict[str, dict[str, bytes]] = {}
        self._ints: dict[str, dict[int, bytes]] = {}
        self._names: dict[str, bytes] = {}
        self._keys: dict[str, bytes] = {}

    def request(self, spans: Iterable[Span], resource: Resource) -> bytes:
        """An ``ExportTraceServiceRequest``: one ``ResourceSpans``, its spans grouped by scope."""
        return self.wrap(self.span_messages(spans), resource)

    def span_messages(self, spans: Iterable[Span]) -> list[tuple[InstrumentationScope, bytes]]:
        """Each span as its scope and a ``ScopeSpans.spans`` field, ready to be put together by `wrap`."""
        encode = self._span
        messages = []
        for span in spans:
            body = encode(span)
            messages.append((span.origin.scope, b"\x12" + varint(len(body)) + body))
        return messages

    def wrap(self, messages: Sequence[tuple[InstrumentationScope, bytes]], resource: Resource) -> bytes:
        """The request around encoded spans."""
        groups: dict[int, list[bytes]] = {}
        scopes: dict[int, InstrumentationScope] = {}
        for scope, message in messages:
            group = groups.get(id(scope))
            if group is None:
                group = groups[id(scope)] = []
                scopes[id(scope)] = scope
            group.append(message)
        parts = [self._resource_field(resource)]
        for key, group in groups.items():
            head, tail = self._scope_fields(scopes[key])
            parts.append(field(b"\x12", head + b"".join(group) + tail))  # scope_spans 2
        if getattr(resource, "schema_url", ""):
            parts.append(field(b"\x1a", utf8(resource.schema_url)))
        return field(b"\x0a", b"".join(parts))  # resource_spans 1

    def _resource_field(self, resource: Resource) -> bytes:
        known, encoded = self._resource
        if known is not resource:
            encoded = field(b"\x0a", self._attributes(b"\x0a", resource.attributes))
            self._resource = (resource, encoded)
        return encoded

    def _scope_fields(self, scope: InstrumentationScope) -> tuple[bytes, bytes]:
        known = self._scopes.get(id(scope))
        if known is None or known[0] is not scope:
            body = field(b"\x0a", utf8(scope.name))
            if scope.version:
                body += field(b"\x12", utf8(scope.version))
            attributes = getattr(scope, "attributes", None)
            if attributes:
                body += self._attributes(b"\x1a", attributes)
            tail = field(b"\x1a", utf8(scope.schema_url)) if scope.schema_url else b""
            if len(self._scopes) >= _VALUES:
                self._scopes.clear()
            known = self._scopes[id(scope)] = (scope, field(b"\x0a", body), tail)
        return known[1], known[2]

    def _attributes(self, tag: bytes, attributes: Mapping[str, Any]) -> bytes:
        return b"".join(field(tag, key_value(key, value)) for key, value in attributes.items())

    def _span(self, span: Span) -> bytes:
        trace = span.trace
        flags = trace.flags | _HAS_REMOTE
        name = span._name
        parts = [
            b"\x0a\x10" + trace.id.to_bytes(16, "big") + b"\x12\x08" + span.span_id.to_bytes(8, "big"),  # 1, 2
        ]
        up = span.up
        if up is not None:
            parts.append(b"\x22\x08" + up.span_id.to_bytes(8, "big"))  # parent_span_id 4
            if up.is_remote:
                flags |= _IS_REMOTE
        if trace.state:
            parts.append(field(b"\x1a", utf8(trace.state)))  # trace_state 3
        parts.append(self._names.get(name) or self._name(name))
        origin = span.origin
        parts.append(origin.encoded or self._constants(origin))
        parts.append(_times(0x39, span._start_time & _TIME_MAX, 0x41, (span._end_time or 0) & _TIME_MAX))
        texts, ints = self._texts, self._ints
        for key, value in span.values.items():
            kind = type(value)
            if kind is str:
                known = texts.get(key)
                parts.append((known is not None and known.get(value)) or self._text(key, value))
            elif kind is int:
                remembered = ints.get(key)
                parts.append((remembered is not None and remembered.get(value)) or self._int(key, value))
            else:
                parts.append(self._pair(key, any_value(value)))
        if len(span.__dict__):
            self._rare(span, parts)
        else:
            parts.append(_NO_STATUS)
        parts.append(_flags(0x0185, flags))
        return b"".join(parts)

    def _name(self, name: str) -> bytes:
        encoded = field(b"\x2a", utf8(name))
        if len(name) <= _LONG:
            self._remember()
            self._names[name] = encoded
        return encoded

    def _constants(self, origin: Any) -> bytes:
        kind = b"\x30" + varint(origin.kind.value + 1)  # kind 6; OTLP counts from 1, 0 is unspecified
        origin.encoded = kind + self._attributes(b"\x4a", origin.attributes)
        encoded: bytes = origin.encoded
        return encoded

    def _pair(self, key: str, value: bytes) -> bytes:
        head = self._keys.get(key)
        if head is None:
            head = field(b"\x0a", utf8(key)) + b"\x12"
            if len(key) <= _LONG:
                self._remember()
                self._keys[key] = head
        body = head + varint(len(value)) + value
        return b"\x4a" + varint(len(body)) + body  # attributes 9

    def _text(self, key: str, value: str) -> bytes:
        encoded = self._pair(key, field(b"\x0a", utf8(value)))
        if len(value) <= _LONG and len(key) <= _LONG:
            known = self._texts.get(key)
            if known is None:
                known = self._texts[key] = {}
            # A key that has shown too many values keeps those it has and learns no more.
            if len(known) < _VALUES:
                self._remember()
                known[value] = encoded
        return encoded

    def _int(self, key: str, value: int) -> bytes:
        encoded = self._pair(key, any_value(value))
        if len(key) <= _LONG and -65536 < value < 65536:
            known = self._ints.get(key)
            if known is None:
                known = self._ints[key] = {}
            if len(known) < _VALUES:
                self._remember()
                known[value] = encoded
        return encoded

    def _remember(self) -> None:
        self._count += 1
        if self._count > _REMEMBERED:
            self._forget()

    def _rare(self, span: Span, parts: list[bytes]) -> None:
        if span._dropped:
            parts.append(b"\x50" + varint(span._dropped))  # dropped_attributes_count 10
        for event in span._events:
            parts.append(self._event(event))  # events 11
        if span.dropped_events:
            parts.append(b"\x60" + varint(span.dropped_events))  # 12
        for link in span._links:
            parts.append(self._link(link))  # links 13
        if span.dropped_links:
            parts.append(b"\x70" + varint(span.dropped_links))  # 14
        status = span._status
        code = status.status_code.value
        if code or status.description:
            body = field(b"\x12", utf8(status.description)) if status.description else b""
            parts.append(field(b"\x7a", body + (b"\x18" + varint(code) if code else b"")))  # status 15
        else:
            parts.append(_NO_STATUS)

    def _event(self, event: Any) -> bytes:
        body = b"\x09" + _fixed64(event.timestamp & _TIME_MAX) + field(b"\x12", utf8(event.name))
        body += self._attributes(b"\x1a", event.attributes or {})
        dropped = getattr(event, "dropped_attributes", 0)
        return field(b"\x5a", body + (b"\x20" + varint(dropped) if dropped else b""))

    def _link(self, link: Any) -> bytes:
        context = link.context
        body = b"\x0a\x10" + context.trace_id.to_bytes(16, "big") + b"\x12\x08" + context.span_id.to_bytes(8, "big")
        if context.trace_state:
            body += field(b"\x1a", utf8(context.trace_state.to_header()))
        body += self._attributes(b"\x22", link.attributes or {})
        dropped = getattr(link, "dropped_attributes", 0)
        if dropped:
            body += b"\x28" + varint(dropped)
        flags = int(context.trace_flags) | _HAS_REMOTE | (_IS_REMOTE if context.is_remote else 0)
        return field(b"\x6a", body + b"\x35" + _flags(0, flags)[2:])  # flags 6: fixed32
