"""Another sampler, of whose new traces so many are recorded in a second at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.sampling.probability import with_threshold
from tracing_agent.trace.identity import SAMPLED, Trace
from tracing_agent.trace.rule import Facts, Rule, Undecided

if TYPE_CHECKING:
    from tracing_agent.sampling.window import Window


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
