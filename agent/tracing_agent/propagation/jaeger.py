"""Jaeger's own format: `uber-trace-id`, and `uberctx-*` for baggage."""

from tracing_agent.propagation.prefixed import Prefixed
from tracing_agent.propagation.remote import SAMPLED, Remote, Set, Values, first_value, parse_id

UBER_TRACE_ID = "uber-trace-id"
BAGGAGE = Prefixed("uberctx-", encoded=True)

_DEBUG = 2
_FLAGS = {f"{flags:0{width}x}": flags for width in (1, 2) for flags in range(16**width)}


class Jaeger:
    """The format `jaeger` (Jaeger documentation, "Client libraries", "Trace/Span identity")."""

    __slots__ = ()
    name = "jaeger"
    fields = (UBER_TRACE_ID,)

    def extract(self, values: Values) -> Remote | None:
        """See Format; the parent id is not looked at, and debug counts only on a sampled trace."""
        text = first_value(values, UBER_TRACE_ID)
        if "%" in text:
            text = text.replace("%3A", ":").replace("%3a", ":")
        parts = text.split(":")
        if len(parts) != 4:
            return None
        trace_id = parse_id(parts[0], 32)
        span_id = parse_id(parts[1], 16)
        flags = _FLAGS.get(parts[3].lower())
        if not trace_id or not span_id or flags is None:
            return None
        sampled = flags & SAMPLED
        return Remote(trace_id, span_id, sampled, debug=bool(sampled and flags & _DEBUG))

    def inject(self, remote: Remote, set: Set) -> None:
        """See Format; a deferred decision, which the format cannot say, is sent as not sampled."""
        if remote.trace_id:
            # Bit 2 of a traceparent means something else: debug comes from a sender's debug and nowhere else.
            flags = remote.flags & SAMPLED
            if flags and remote.debug:
                flags |= _DEBUG
            set(UBER_TRACE_ID, f"{remote.trace_id:032x}:{remote.span_id:016x}:0:{flags:02x}")
