"""AWS X-Ray: `x-amzn-trace-id`."""

from tracing_agent.propagation.remote import SAMPLED, Remote, Set, Values, first_value, parse_id

TRACE_ID = "x-amzn-trace-id"

_SAMPLED = {"0": 0, "1": SAMPLED}


class XRay:
    """The format `xray` (AWS X-Ray developer guide, "Tracing header")."""

    __slots__ = ()
    name = "xray"
    fields = (TRACE_ID,)

    def extract(self, values: Values) -> Remote | None:
        """See Format; `Sampled=?` or none defers the decision; without a Parent nothing is continued."""
        text = first_value(values, TRACE_ID)
        if not text:
            return None
        parts: dict[str, str] = {}
        for part in text.split(";"):
            key, _, value = part.partition("=")
            parts.setdefault(key.strip(), value.strip())
        parent = parts.get("Parent", "")
        trace_id = _root(parts.get("Root", ""))
        span_id = parse_id(parent, 16) if len(parent) == 16 else 0
        if not trace_id or not span_id:
            return None
        flags = _SAMPLED.get(parts.get("Sampled", "?"))
        return Remote(trace_id, span_id, flags or 0, deferred=flags is None)

    def inject(self, remote: Remote, set: Set) -> None:
        """See Format; a deferred decision is left out."""
        if remote.trace_id:
            root = f"{remote.trace_id:032x}"
            decision = "" if remote.deferred else f";Sampled={remote.flags & SAMPLED}"
            set(TRACE_ID, f"Root=1-{root[:8]}-{root[8:]};Parent={remote.span_id:016x}{decision}")


def _root(text: str) -> int:
    """The trace id in 1-{8 digits of seconds}-{24 digits}; 0 when malformed."""
    if len(text) != 35 or text[:2] != "1-" or text[10] != "-":
        return 0
    return parse_id(text[2:10] + text[11:], 32)
