"""Sampling decisions as lines, where OTEL_LOG_LEVEL=debug asks for them: for each new trace, and no span below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.faults import DEBUG, LINES
from tracing_agent.trace.rule import Rule, Undecided

if TYPE_CHECKING:
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.identity import Trace


def tell_decisions(engine: Engine, policy: str) -> None:
    """Have ``engine`` say what it decides; ``policy`` describes its sampler."""
    if engine.rule is not None:
        engine.rule = Told(engine.rule, policy)


class Told(Rule):
    """Decides as another rule, and says so."""

    def __init__(self, rule: Rule, policy: str) -> None:
        self._rule = rule
        self._policy = policy
        self.parented, self.within = rule.parented, rule.within
        self.late, self.headers = rule.late, rule.headers

    def trace(self, id: int, random: int, state: str) -> Trace:
        return self._told(self._rule.trace(id, random, state))

    def below(self, parent: Trace, up: Any) -> Trace:
        return self._told(self._rule.below(parent, up))

    def settle(self, waiting: Undecided, facts: Any) -> Trace:
        return self._rule.settle(waiting, facts)

    def counts(self) -> dict[str, int]:
        return self._rule.counts()

    def forked(self) -> None:
        self._rule.forked()

    def _told(self, trace: Trace) -> Trace:
        if type(trace) is Undecided:
            return trace.then(self._told)
        decision = "sampled" if trace.flags & 1 else "not sampled"
        LINES.write(
            DEBUG,
            f"trace {trace.id:032x} is {decision} ({self._policy})",
            event="sampling decision",
            policy=self._policy,
            trace=f"{trace.id:032x}",
            decision=decision,
        )
        return trace
