"""The owner's rules before the sampler: the first that matches a local root decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.sampling.probability import ratio_rule, with_threshold
from tracing_agent.sampling.rules import DROP, KEEP
from tracing_agent.trace.identity import RANDOM, SAMPLED, SilentTrace, Trace
from tracing_agent.trace.rule import Facts, Rule, Undecided

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracing_agent.sampling.capped import Capped
    from tracing_agent.sampling.rules import Written


class Ruled(Rule):
    """Rules, and ``rule`` for what none of them matches. ``cap`` is asked for what a ratio samples.

    They decide new traces; those that say so, requests of callers that have decided as well.
    """

    within = late = True

    def __init__(self, rules: Sequence[Written], rule: Rule, cap: Capped | None) -> None:
        self._rules = [(written, ratio_rule(written.ratio)) for written in rules]
        self._rule = rule
        self._cap = cap
        self._overrules = any(written.parent != "none" for written in rules)
        self.parented = rule.parented and not self._overrules
        names = {name for written in rules for name in written.headers}
        self.headers = tuple(sorted(names | set(rule.headers)))
        self.forked()

    def trace(self, id: int, random: int, state: str) -> Trace:
        return Undecided(self, id, random, state)

    def below(self, parent: Trace, up: Any) -> Trace:
        if not up.is_remote:
            return parent
        if self._overrules:
            return Undecided(self, parent.id, parent.flags & RANDOM, parent.state, parent, up)
        return self._rule.below(parent, up)

    def settle(self, waiting: Undecided, facts: Facts) -> Trace:
        remote = waiting.remote
        parent = "none" if remote is None else "sampled" if remote.flags & SAMPLED else "unsampled"
        for number, (written, ratio) in enumerate(self._rules):
            if (written.parent in (parent, "any")) and written.matches(facts):
                return self._decided(waiting, number, written.action, ratio)
        if remote is None:
            trace = self._rule.trace(waiting.id, waiting.flags, waiting.state)
        else:
            trace = remote if self._rule.parented else self._rule.below(remote, waiting.up)
        return trace.settled(facts) if type(trace) is Undecided else trace

    def _decided(self, waiting: Undecided, number: int, action: str, ratio: Rule) -> Trace:
        if action == DROP:
            self._dropped[number] += 1
            return SilentTrace(waiting.id, waiting.flags, with_threshold(waiting.state, None), False)
        if action == KEEP:
            # As a sampler that takes everything, it says nothing of probability.
            state = with_threshold(waiting.state, None)
            return Trace(waiting.id, waiting.flags | SAMPLED, state, True, waiting.debug)
        trace = ratio.trace(waiting.id, waiting.flags, waiting.state)
        if not trace.recorded:
            self._dropped[number] += 1
        return trace if self._cap is None else self._cap.cap(trace)

    def counts(self) -> dict[str, int]:
        dropped = {
            f"dropped: rule {number} ({written.text})": count
            for number, ((written, _), count) in enumerate(zip(self._rules, self._dropped, strict=True), 1)
            if count
        }
        return {**dropped, **self._rule.counts()}

    def forked(self) -> None:
        self._dropped = [0] * len(self._rules)
        self._rule.forked()
