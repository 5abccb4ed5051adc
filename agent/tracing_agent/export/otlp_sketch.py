"""Sketches to OTLP, without a span between: what calls say is written once where many say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.export.otlp_fields import CHILD, HEADS, ID, IDS, NO_STATUS, TIMES, begun, constants
from tracing_agent.export.otlp_memory import VALUES
from tracing_agent.export.record import HAS_REMOTE
from tracing_agent.export.wire import any_value, field, utf8

if TYPE_CHECKING:
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from tracing_agent.export.otlp_memory import Memory
    from tracing_agent.trace.identity import Origin
    from tracing_agent.trace.sketch import Artist, Sketch

# Longest words, in characters of what was said and in bytes, that are remembered.
_LONG = 1024


class Sketches:
    """Encodes sketches, and remembers in ``memory`` what was said."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._words = memory.words

    def message(self, sketch: Sketch) -> tuple[InstrumentationScope, bytes]:
        """A sketch's scope, and its ``ScopeSpans.spans`` field."""
        artist, trace, up, id, start, end, origin, said = sketch
        words = self._words[origin].get(said) or self._written(artist, origin, said)
        bits: Any = artist.bits
        if trace is None:
            ids, flags = IDS(0x0A10, bits(64), bits(64) or 1, 0x1208, bits(64) or 1), artist.flags | HAS_REMOTE
        else:
            id, flags = id or bits(64) or 1, trace.flags & 0xFF | HAS_REMOTE
            ids = (trace.encoded or begun(trace)) + (ID(id) if up is None else CHILD(id, 0x2208, up))
            if trace.state:
                ids += field(b"\x1a", utf8(trace.state))  # trace_state 3
        body = ids + words + TIMES(0x39, start, 0x41, end, 0x0185, flags) + NO_STATUS
        return origin.scope, HEADS[len(body)] + body

    def _written(self, artist: Artist, origin: Origin, said: Any) -> bytes:
        """Name, kind and attributes of the spans of ``origin`` whose calls said this."""
        memory = self._memory
        name, values = artist.describe(said)
        same, apart = origin.encoded or constants(origin)
        if not apart(values):
            raise ValueError("what is constant in others is not in this one")
        parts = [memory.names[name or artist.name], same]
        for key, value in values.items():
            if type(value) is str:
                parts.append(memory.texts[key][value])
            elif type(value) is int:
                parts.append(memory.ints[key][value])
            else:
                parts.append(memory.pair(key, any_value(value)))
        words = b"".join(parts)
        short = len(words) <= _LONG and sum([len(part) for part in said if type(part) is str]) <= _LONG
        if short and len(self._words[origin]) < VALUES:
            memory.remember()
            self._words[origin][said] = words
        return words
