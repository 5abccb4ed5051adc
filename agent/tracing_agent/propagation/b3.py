"""B3, the format of Zipkin: `b3` in one header or several `x-b3-*`; both are read, the configured is sent."""

from tracing_agent.propagation.remote import SAMPLED, Remote, Set, Values, first_value, parse_id

SINGLE = "b3"
TRACE_ID = "x-b3-traceid"
SPAN_ID = "x-b3-spanid"
SAMPLED_HEADER = "x-b3-sampled"
FLAGS = "x-b3-flags"

# decision -> flags, debug. Debug implies that the trace is sampled.
_DECISIONS = {"0": (0, False), "1": (SAMPLED, False), "d": (SAMPLED, True)}
_LENIENT = {"0": 0, "false": 0, "1": SAMPLED, "true": SAMPLED}


def extract(values: Values) -> Remote | None:
    """Read the single header, or else the several; a decision without ids gives a Remote whose ids are 0.

    B3 propagation, "Single Header" and "Multiple Headers". The parent id is checked and not kept.
    """
    single = first_value(values, SINGLE)
    remote = _single(single) if single else None
    return _multiple(values) if remote is None else remote


def _single(text: str) -> Remote | None:
    parts = text.split("-")
    decision = parts[0] if len(parts) == 1 else parts[2] if len(parts) > 2 else None
    if decision is not None and decision not in _DECISIONS:
        return None
    flags, debug = (0, False) if decision is None else _DECISIONS[decision]
    if len(parts) == 1:
        return Remote(0, 0, flags, debug=debug)
    if len(parts) == 4 and (len(parts[3]) != 16 or not parse_id(parts[3], 16)):
        return None
    if len(parts) > 4:
        return None
    trace_id, span_id = _ids(parts[0], parts[1])
    if not trace_id or not span_id:
        return None
    return Remote(trace_id, span_id, flags, debug=debug, deferred=decision is None)


def _multiple(values: Values) -> Remote | None:
    trace = first_value(values, TRACE_ID)
    span = first_value(values, SPAN_ID)
    debug = first_value(values, FLAGS) == "1"
    flags = SAMPLED if debug else _LENIENT.get(first_value(values, SAMPLED_HEADER).lower())
    if not trace and not span:
        return None if flags is None else Remote(0, 0, flags, debug=debug)
    trace_id, span_id = _ids(trace, span)
    if not trace_id or not span_id:
        return None
    return Remote(trace_id, span_id, flags or 0, debug=debug, deferred=flags is None)


def _ids(trace: str, span: str) -> tuple[int, int]:
    if len(trace) not in (16, 32) or len(span) != 16:
        return 0, 0
    return parse_id(trace, 32), parse_id(span, 16)


class B3Single:
    """The format `b3`."""

    __slots__ = ()
    name = "b3"
    fields = (SINGLE,)

    def extract(self, values: Values) -> Remote | None:
        """See extract() of this module."""
        return extract(values)

    def inject(self, remote: Remote, set: Set) -> None:
        """See Format; the decision is left out while it is deferred."""
        decision = "d" if remote.debug else "1" if remote.flags & SAMPLED else "0"
        if not remote.trace_id:
            set(SINGLE, decision)
        elif remote.deferred:
            set(SINGLE, f"{remote.trace_id:032x}-{remote.span_id:016x}")
        else:
            set(SINGLE, f"{remote.trace_id:032x}-{remote.span_id:016x}-{decision}")


class B3Multi:
    """The format `b3multi`."""

    __slots__ = ()
    name = "b3multi"
    fields = (TRACE_ID, SPAN_ID, SAMPLED_HEADER, FLAGS)

    def extract(self, values: Values) -> Remote | None:
        """See extract() of this module."""
        return extract(values)

    def inject(self, remote: Remote, set: Set) -> None:
        """See Format; debug is sent in place of the decision, which it implies."""
        if remote.trace_id:
            set(TRACE_ID, f"{remote.trace_id:032x}")
            set(SPAN_ID, f"{remote.span_id:016x}")
        if remote.debug:
            set(FLAGS, "1")
        elif not remote.deferred:
            set(SAMPLED_HEADER, "1" if remote.flags & SAMPLED else "0")
