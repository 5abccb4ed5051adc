"""The format of OpenTracing's basic tracers: `ot-tracer-*`, and `ot-baggage-*` for baggage."""

from tracing_agent.propagation.prefixed import Prefixed
from tracing_agent.propagation.remote import SAMPLED, Remote, Set, Values, first_value, parse_id

TRACE_ID = "ot-tracer-traceid"
SPAN_ID = "ot-tracer-spanid"
SAMPLED_HEADER = "ot-tracer-sampled"
BAGGAGE = Prefixed("ot-baggage-", encoded=False)

_SAMPLED = {"true": SAMPLED, "1": SAMPLED, "false": 0, "0": 0}
_LOW_64_BITS = (1 << 64) - 1


class OTTrace:
    """The format `ottrace` (OpenTelemetry specification 1.54, "OT Trace", deprecated there)."""

    __slots__ = ()
    name = "ottrace"
    fields = (TRACE_ID, SPAN_ID, SAMPLED_HEADER)

    def extract(self, values: Values) -> Remote | None:
        """See Format; without a readable decision it is deferred."""
        trace_id = parse_id(first_value(values, TRACE_ID), 32)
        span_id = parse_id(first_value(values, SPAN_ID), 16)
        if not trace_id or not span_id:
            return None
        flags = _SAMPLED.get(first_value(values, SAMPLED_HEADER).lower())
        return Remote(trace_id, span_id, flags or 0, deferred=flags is None)

    def inject(self, remote: Remote, set: Set) -> None:
        """See Format; only the low 64 bits of the trace id are sent, which is all that its tracers read."""
        trace_id = remote.trace_id & _LOW_64_BITS
        if trace_id:
            set(TRACE_ID, f"{trace_id:016x}")
            set(SPAN_ID, f"{remote.span_id:016x}")
            if not remote.deferred:
                set(SAMPLED_HEADER, "true" if remote.flags & SAMPLED else "false")
