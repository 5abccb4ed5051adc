"""At most so many new traces in a second: all of them at low traffic, a share that is drawn at high."""

from __future__ import annotations

from _random import Random
from os import urandom
from time import monotonic
from typing import TYPE_CHECKING, Any

from tracing_agent.sampling.probability import with_threshold
from tracing_agent.trace.identity import SAMPLED, Trace
from tracing_agent.trace.rule import Facts, Rule, Undecided

if TYPE_CHECKING:
    from collections.abc import Callable


# Of what is admitted at most, what is aimed at: chance would else have used up most windows before their end.
_AIM = 0.9


class Window:
    """Admits ``per_second`` at most, counted in windows of a second (of more for less than one).

    What the window before had decides the share that this one draws, so that a busy second is not sampled in its first
    milliseconds alone. Where that gives too few, as when the traffic has ebbed away, more are admitted.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = monotonic,
        draw: Callable[[], float] | None = None,
    ) -> None:
        self._length = max(1.0, 1.0 / per_second)
        self._most = max(1, int(per_second * self._length))
        self._clock = clock
        self._draw = draw or Random(int.from_bytes(urandom(16), "big")).random
        self._since = clock()
        self._seen = self._taken = 0
        self._share = 1.0

    def admits(self) -> bool:
        """Whether there is room for one more, which is taken."""
        since = self._since
        passed = self._clock() - since
        if passed >= self._length:
            self._next(since, passed)
            passed = 0.0
        self._seen += 1
        chosen = self._share >= 1.0 or self._draw() < self._share
        elapsed = passed / self._length
        # What should have been admitted by now: half of what is due, and near the end what is left.
        due = self._most * max(elapsed / 2, 1.5 * elapsed - 0.45)
        # Between here and the end nothing is called, so that threads do not take the same place.
        taken = self._taken
        if taken >= self._most or not (chosen or taken + 1 <= due):
            return False
        self._taken = taken + 1
        return True

    def _next(self, since: float, passed: float) -> None:
        if self._since != since:
            return  # another thread was here first
        seen = self._seen * self._length / passed
        self._share = 1.0 if seen <= self._most else _AIM * self._most / seen
        self._since += passed
        self._seen = self._taken = 0


class Capped(Rule):
    """Another rule, of whose new traces no more are sampled than a window admits.

    A parent decides as it does without; with what probability a trace was admitted nobody knows, so none is said.
    """

    within = True

    def __init__(self, rule: Rule, window: Window) -> None:
        self._rule = rule
        self._window = window
        self.parented = rule.parented
        self.late = rule.late
        self.headers = rule.headers
        self.forked()

    def trace(self, id: int, random: int, state: str) -> Trace:
        trace = self._rule.trace(id, random, state)
        return trace.then(self.cap) if type(trace) is Undecided else self.cap(trace)

    def cap(self, trace: Trace) -> Trace:
        """The trace, if it is not sampled or there is room for it; else one that is not sampled."""
        sampled = bool(trace.flags & SAMPLED)
        if sampled and not self._window.admits():
            self._over += 1
            return Trace(trace.id, trace.flags & ~SAMPLED, with_threshold(trace.state, None), False)
        if sampled and trace.state:
            trace.state = with_threshold(trace.state, None)
        return trace

    def below(self, parent: Trace, up: Any) -> Trace:
        return self._rule.below(parent, up) if up.is_remote else parent

    def settle(self, waiting: Undecided, facts: Facts) -> Trace:
        return self._rule.settle(waiting, facts)

    def counts(self) -> dict[str, int]:
        return {**self._rule.counts(), **({"dropped: traces per second": self._over} if self._over else {})}

    def forked(self) -> None:
        self._over = 0
        self._rule.forked()
