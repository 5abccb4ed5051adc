"""Consistent probability: which traces a ratio takes, and what their tracestate says of it.

Source: OpenTelemetry specification, "TraceState: Probability Sampling" (``ot=th:…;rv:…``).
"""

from __future__ import annotations

from tracing_agent.propagation.w3c import LONGEST_TRACESTATE, MOST_MEMBERS
from tracing_agent.trace.identity import SAMPLED, Trace
from tracing_agent.trace.rule import Every, Rule

_DIGITS, _BITS = 14, 56
_MOST = 1 << _BITS
_MASK = _MOST - 1
# Digits that a threshold keeps after those that are f.
_PRECISION = 4
_LONGEST = 256
_HEXADECIMAL = "0123456789abcdef"


def threshold(ratio: float) -> int:
    """The number of the 2**56 random values that ``ratio`` (0 to 1) rejects, to four significant digits.

    At 2**56 nothing is sampled: a ratio that small cannot be said.
    """
    rejected = _MOST - round(ratio * _MOST)
    if rejected >= _MOST:
        return _MOST
    text = f"{rejected:0{_DIGITS}x}"
    kept = min(_DIGITS, _DIGITS - len(text.lstrip("f")) + _PRECISION)
    shift = 4 * (_DIGITS - kept)
    return (rejected + (1 << shift >> 1)) >> shift << shift


def encoded(rejected: int) -> str:
    """A threshold as ``th`` says it."""
    return f"{rejected:0{_DIGITS}x}".rstrip("0") or "0"


def randomness(id: int, state: str) -> int:
    """The 56 random bits of a trace: its ``rv``, or the end of its id."""
    for key, value in _entries(_member(state)):
        if key == "rv" and len(value) == _DIGITS and not value.strip(_HEXADECIMAL):
            return int(value, 16)
    return id & _MASK


def with_threshold(state: str, said: str | None) -> str:
    """A tracestate with ``th`` set, or without it (None). Everything else in it is kept.

    What would make the ``ot`` entry, or the whole, longer than is allowed is left out: then there is no ``th``.
    """
    member = _member(state)
    if said is None and "th:" not in member:
        return state
    entries = [f"{key}:{value}" for key, value in _entries(member) if key != "th"]
    others = [other for other in state.split(",") if other and not other.startswith("ot=")]
    for kept in ([f"th:{said}", *entries] if said is not None else entries, entries):
        value = ";".join(kept)
        members = [f"ot={value}", *others] if kept else others
        result = ",".join(members)
        if len(value) <= _LONGEST and len(members) <= MOST_MEMBERS and len(result) <= LONGEST_TRACESTATE:
            return result
    return state


def _member(state: str) -> str:
    """The value of the ``ot`` entry."""
    if "ot=" in state:
        for member in state.split(","):
            if member.startswith("ot="):
                return member[3:]
    return ""


def _entries(member: str) -> list[tuple[str, str]]:
    return [(key, value) for key, colon, value in (part.partition(":") for part in member.split(";")) if colon]


class Ratio(Rule):
    """The traces whose randomness is at least the threshold."""

    def __init__(self, rejected: int) -> None:
        self.threshold = rejected
        self._said = encoded(rejected)
        self._state = f"ot=th:{self._said}"

    def trace(self, id: int, random: int, state: str) -> Trace:
        if state:
            return self._continued(id, random, state)
        if id & _MASK >= self.threshold:
            return Trace(id, random | SAMPLED, self._state, True)
        return Trace(id, random, "", False)

    def _continued(self, id: int, random: int, state: str) -> Trace:
        if randomness(id, state) >= self.threshold:
            return Trace(id, random | SAMPLED, with_threshold(state, self._said), True)
        return Trace(id, random, with_threshold(state, None), False)


def ratio_rule(ratio: float) -> Rule:
    """The rule of a ratio from 0 to 1."""
    rejected = threshold(ratio)
    return Every(False) if rejected >= _MOST else Ratio(rejected)
