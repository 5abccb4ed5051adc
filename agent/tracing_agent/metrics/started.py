"""Spans begun, by where their parent is and what was decided of them: counted where they are measured, and only there.

Source: semantic conventions 1.44, "otel.sdk.span.started" (development).
"""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any

from tracing_agent.trace.engine import Engine
from tracing_agent.trace.rule import Undecided
from tracing_agent.trace.sdk import current
from tracing_agent.trace.span import SAMPLED, Dropped, Span, Trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.trace import Link

    from tracing_agent.trace.sdk import Context
    from tracing_agent.trace.span import Origin

_ORIGINS = NONE, LOCAL, REMOTE = "none", "local", "remote"
_RESULTS = "DROP", "RECORD_ONLY", "RECORD_AND_SAMPLE"
_DROP, _ONLY, _SAMPLE = range(3)


class Started:
    """The counts of one process. What is decided late is among the sampled until it is.

    A span that comes to nothing, and one that is settled, are taken from where they were; what is told does not go down
    for it, as a collector would take that for a new process.
    """

    def __init__(self) -> None:
        self._since = 0
        self._reset()

    def _reset(self) -> None:
        # By origin, then by result; one list, as an item of it is changed without calls that another thread may use.
        self._counts = [0] * 9
        self._told = [0] * 9

    def forked(self) -> None:
        """In a forked child: count from nothing; what began before is the parent's."""
        self._since = time_ns()
        self._reset()

    # -- the engine's side ------------------------------------------------------------------------------------------

    def begun(self, span: Span) -> None:
        """An operation began."""
        place = 3 * _row(span.up) + _at_first(span)
        self._counts[place] += 1

    def begun_by_api(self, trace: Trace, up: Any) -> None:
        """A span began the API's way, for which all is decided at once."""
        place = 3 * _row(up) + _result(trace)
        self._counts[place] += 1

    def withdrawn(self, span: Span) -> None:
        """What began came to nothing."""
        if self._ours(span):
            place = 3 * _row(span.up) + _at_first(span)
            self._counts[place] -= 1

    def settled(self, span: Span) -> None:
        """What was to be decided late was."""
        self._move(span, _result(span.trace))

    def dropped(self, span: Span) -> None:
        """What was held is not kept."""
        self._move(span, _DROP)

    def _move(self, span: Span, result: int) -> None:
        if result != _SAMPLE and self._ours(span):
            row = 3 * _row(span.up)
            before, now = row + _SAMPLE, row + result
            self._counts[before] -= 1
            self._counts[now] += 1

    def _ours(self, span: Span) -> bool:
        begun: int = span.__dict__.get("begun", span._start_time)
        return begun >= self._since

    # -- the reader's side ------------------------------------------------------------------------------------------

    def told(self) -> list[tuple[int, dict[str, str]]]:
        """Every count with its attributes; zeros too, but of what only few samplers decide."""
        self._told = [max(pair) for pair in zip(self._told, self._counts, strict=True)]
        return [
            (count, {"otel.span.parent.origin": origin, "otel.span.sampling_result": result})
            for count, (origin, result) in zip(self._told, _ATTRIBUTES, strict=True)
            if count or result != "RECORD_ONLY"
        ]


_ATTRIBUTES = [(origin, result) for origin in _ORIGINS for result in _RESULTS]


def _row(up: Any) -> int:
    """Where the parent is, of what a span keeps of it."""
    if up is None:
        return 0
    return 2 if type(up) is not int and up.is_remote else 1


def _result(trace: Trace) -> int:
    if not trace.recorded:
        return _DROP
    return _SAMPLE if trace.flags & SAMPLED or trace.held else _ONLY


def _at_first(span: Span) -> int:
    """As what an operation counts until it is settled, if that comes late."""
    trace = span.trace
    if trace.recorded and (type(trace) is Undecided or span.origin.engine.rule is None):
        return _SAMPLE
    return _result(trace)


class Counting(Engine):
    """What an engine does besides when spans that the API begins are counted."""

    def start(
        self,
        origin: Origin,
        name: str,
        context: Context | None,
        attributes: Any,
        links: Sequence[Link] | None,
        start_time: int | None,
    ) -> Span | Dropped:
        span = super().start(origin, name, context, attributes, links, start_time)
        up = span.up if type(span) is Span else self.parent(current() if context is None else context)
        self.metrics.started.begun_by_api(span.trace, up)
        return span


def count(engine: Engine) -> None:
    """Have ``engine``, and copies of it, count what the API begins."""
    # By its class: a function on the instance would be copied with the sampler of another one.
    kind = type(engine)
    engine.__class__ = type(kind.__name__, (Counting, kind), {})


__all__ = ["Started", "count"]
