"""W3C Trace Context Level 2: traceparent and tracestate, read and written on the path of every request."""

from collections.abc import Sequence

from tracing_agent.propagation.remote import Remote, Set, Values

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"

# A longer traceparent than this is no later version of the header but an attempt to make us work.
_LONGEST_TRACEPARENT = 512
_FLAGS = {f"{flags:02x}": flags & 3 for flags in range(256)}

#: The end of a traceparent by its flags; see head().
TAILS = ("-00", "-01", "-02", "-03")

MOST_MEMBERS = 32
# Eight times what the specification asks for (512). More than half of the 8 KiB that common servers accept as
# one line would be a risk to the request, and each span of the trace carries it to the exporter.
LONGEST_TRACESTATE = 4096
_LONGEST_MEMBER = 513
_LARGE_MEMBER = 128
# 32 of the longest members with their commas: a list over this has too many members, or is padding.
_LONGEST_INPUT = MOST_MEMBERS * (_LONGEST_MEMBER + 1)
_KEY_FIRST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/@"


def parse_traceparent(value: str) -> tuple[int, int, int] | None:
    """Read one traceparent header as (trace id, span id, flags & 3); None when the trace must be restarted.

    W3C Trace Context Level 2, "Traceparent Header". A later version is read by the layout of version 00, as
    long as what follows it is set off by a dash. Never raises for a str.
    """
    if len(value) != 55:
        return _parse_unusual(value)
    try:
        version, trace, span, flag = value.split("-")
        # fromhex() passes over spaces and takes capitals: the lengths leave no room for the first, lower()
        # rules out the second. It is faster than a regular expression or int(), which lets more through.
        trace_bytes = bytes.fromhex(trace)
        span_bytes = bytes.fromhex(span)
        flags = _FLAGS[flag]
    except (ValueError, KeyError):
        return None
    if len(trace_bytes) != 16 or len(span_bytes) != 8 or value != value.lower():
        return None
    if version != "00" and (version == "ff" or version not in _FLAGS):
        return None
    trace_id = int.from_bytes(trace_bytes, "big")
    span_id = int.from_bytes(span_bytes, "big")
    if trace_id and span_id:
        return trace_id, span_id, flags
    return None


def _parse_unusual(value: str) -> tuple[int, int, int] | None:
    """Read a traceparent that white space surrounds, or that a later version made longer."""
    if not 55 < len(value) <= _LONGEST_TRACEPARENT:
        return None
    value = value.strip(" \t")
    if len(value) < 55:
        return None
    # A comma means that a gateway joined several headers: which of the two traces is meant, nobody can say.
    if len(value) > 55 and (value[55] != "-" or value[:2] == "00" or "," in value):
        return None
    return parse_traceparent(value[:55])


def head(trace_id: int) -> str:
    """What the traceparents of a trace begin with; then come 16 hexadecimal digits and TAILS[flags & 3]."""
    # Half the time of a format of 32 hexadecimal digits.
    return f"00-{trace_id.to_bytes(16, 'big').hex()}-"


def traceparent(trace_id: int, span_id: int, flags: int) -> str:
    """Write a traceparent header; flags other than SAMPLED and RANDOM are sent as 0, as Level 2 requires."""
    return f"00-{trace_id:032x}-{span_id:016x}{TAILS[flags & 3]}"


def parse_tracestate(values: Sequence[str]) -> str:
    """Combine the tracestate headers of a message, in order, into the one to carry on; "" for none.

    One malformed member or a 33rd one discards the list; of a key that occurs twice the first is kept; a list over
    LONGEST_TRACESTATE loses whole members (Level 2, "tracestate Limits"). Never raises for strings.
    """
    if len(values) != 1 and sum(map(len, values)) > _LONGEST_INPUT:
        return ""
    header = values[0] if len(values) == 1 else ",".join(values)
    if len(header) > _LONGEST_INPUT or not header.isascii():
        return ""
    members: dict[str, str] = {}
    count = 0
    for member in header.split(","):
        member = member.strip(" \t")
        if not member:
            continue
        key, _, value = member.partition("=")
        if not key or not value or key[0] not in _KEY_FIRST or key.strip(_KEY):
            return ""
        if len(key) > 256 or len(value) > 256 or "=" in value or not value.isprintable():
            return ""
        if key not in members:
            members[key] = member
        count += 1
    if count > MOST_MEMBERS:
        return ""
    state = ",".join(members.values())
    return state if len(state) <= LONGEST_TRACESTATE else _shortened(list(members.values()))


def valid_member(key: str, value: str) -> bool:
    """Whether key=value may stand in a tracestate (Level 2, "list-members")."""
    member = f"{key}={value}"
    return "," not in member and parse_tracestate([member]) == member


def _shortened(members: list[str]) -> str:
    """Drop large members, then any, from the end, until the rest fits."""
    excess = sum(map(len, members)) + len(members) - 1 - LONGEST_TRACESTATE
    for smallest in (_LARGE_MEMBER, 0):
        for index in reversed(range(len(members))):
            if excess > 0 and len(members[index]) > smallest:
                excess -= len(members.pop(index)) + 1
    return ",".join(members)


class TraceContext:
    """The format `tracecontext`."""

    __slots__ = ()
    name = "tracecontext"
    fields = (TRACEPARENT, TRACESTATE)

    def extract(self, values: Values) -> Remote | None:
        """See Format; more than one traceparent header restarts the trace."""
        parents = values(TRACEPARENT)
        if len(parents) != 1:
            return None
        parent = parse_traceparent(parents[0])
        if parent is None:
            return None
        states = values(TRACESTATE)
        return Remote(*parent, parse_tracestate(states) if states else "")

    def inject(self, remote: Remote, set: Set) -> None:
        """See Format."""
        if remote.trace_id:
            set(TRACEPARENT, traceparent(remote.trace_id, remote.span_id, remote.flags))
            if remote.state:
                set(TRACESTATE, remote.state)
