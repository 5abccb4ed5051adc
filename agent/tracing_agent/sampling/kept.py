"""Keep what matters: traces that the sampler dropped, held in memory until it is known whether they are sent after all.

A local trace is what one process does for a root, or below a caller: it is over when its first span, the local root,
ends. What leaves the process says what the sampler said, so that other services record nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace.status import StatusCode

from tracing_agent.sampling.probability import with_threshold
from tracing_agent.trace.engine import Engine
from tracing_agent.trace.identity import SAMPLED, Dropped, Trace
from tracing_agent.trace.rule import Facts, Rule, Undecided
from tracing_agent.trace.span import Span

if TYPE_CHECKING:
    from tracing_agent.trace.sdk import sampling

#: The attribute of every span that was kept, and what it may say (both, with a comma).
KEPT, ERRORS, SLOW = "tracing_agent.kept", "errors", "slow"


class Keeper:
    """What to keep, and how much of it may be held: ``traces`` at a time, ``spans`` of each besides its local root.

    ``slow`` is in nanoseconds, None for no matter how slow. ``kept`` counts traces by why; ``refused`` are those that
    were dropped without a look as too many were held, ``cut`` are spans that went beyond the number of their trace.
    """

    def __init__(self, errors: bool, slow: int | None, traces: int, spans: int) -> None:
        self.errors = errors
        self.slow = slow
        self.traces = traces
        self.spans = spans
        self.forget()

    def forget(self) -> None:
        """Hold and count from nothing: in a forked child, where what is held is the parent's."""
        self.kept: dict[str, int] = {}
        self.refused = self.cut = 0
        #: How many traces are held, in a list of its own for each process.
        self.held = [0]

    def why(self, trace: Held, root: Span) -> str:
        """Why a trace whose local root has ended is kept; empty if it is not."""
        erred = self.errors and trace.erred
        slow = self.slow is not None and (root._end_time or 0) - root._start_time > self.slow
        return ",".join(name for name, so in ((ERRORS, erred), (SLOW, slow)) if so)

    def counts(self) -> dict[str, int]:
        """Traces kept, and what was not held, by reason."""
        found = {f"kept: {why}": count for why, count in self.kept.copy().items()}
        others = {"not held: too many traces": self.refused, "not held: too many spans": self.cut}
        return {**found, **{reason: count for reason, count in others.items() if count}}


class Held(Trace):
    """The trace of spans that are held. ``over`` once its local root has ended; ``why`` it is kept then, if it is."""

    __slots__ = ("erred", "numbers", "over", "spans", "why")
    held = True

    def __init__(self, trace: Trace, numbers: list[int]) -> None:
        # Of what is kept or not nobody knows the probability.
        super().__init__(trace.id, trace.flags & ~SAMPLED, with_threshold(trace.state, None), True, trace.debug)
        self.spans: list[Span] = []
        self.numbers = numbers
        self.erred = self.over = False
        self.why = ""
        numbers[0] += 1

    def release(self) -> None:
        """No longer count as held."""
        if not self.over:
            self.over = True
            self.numbers[0] -= 1

    def __del__(self) -> None:
        # A root that never ends is forgotten by the program one day.
        self.release()


class Holding(Rule):
    """Another rule, whose dropped traces are held."""

    within = True

    def __init__(self, rule: Rule, engine: KeepingEngine) -> None:
        self._rule = rule
        self._engine = engine
        self.late = rule.late
        self.headers = rule.headers

    def trace(self, id: int, random: int, state: str) -> Trace:
        trace = self._rule.trace(id, random, state)
        if type(trace) is Undecided:
            return trace.then(self._engine.held)
        return trace if trace.recorded else self._engine.held(trace)

    def below(self, parent: Trace, up: Any) -> Trace:
        if not up.is_remote:
            return parent
        trace = parent if self._rule.parented else self._rule.below(parent, up)
        if type(trace) is Undecided:
            return trace.then(self._engine.held)
        return trace if trace.recorded else self._engine.held(trace)

    def settle(self, waiting: Undecided, facts: Facts) -> Trace:
        return self._rule.settle(waiting, facts)

    def counts(self) -> dict[str, int]:
        return self._rule.counts()

    def forked(self) -> None:
        self._rule.forked()


class KeepingEngine(Engine):
    """An engine that holds what its sampler drops."""

    def __init__(self, keeper: Keeper, **given: Any) -> None:
        self.keeper = keeper
        super().__init__(**given)

    def rule_of(self, sampler: sampling.Sampler) -> Rule | None:
        rule = super().rule_of(sampler)
        if rule is None or (rule.sampled and not rule.parented):
            return rule  # it is asked for every span, or drops nothing
        return Holding(rule, self)

    def counts(self) -> dict[str, int]:
        return {**super().counts(), **self.keeper.counts()}

    def forked(self) -> None:
        super().forked()
        self.keeper.forget()

    # -- beginning --------------------------------------------------------------------------------------------------

    def start(self, *given: Any) -> Span | Dropped:
        span = super().start(*given)
        if span.trace.held:
            self.unsampled -= 1  # it is counted when it is known whether it is kept
        return span

    def held(self, trace: Trace) -> Trace:
        """What stands for the trace of a local root, if it was dropped."""
        keeper = self.keeper
        # What the program's owner excluded, or what nobody would take, is not held.
        if trace.recorded or trace.silent or self.take is None:
            return trace
        if keeper.held[0] >= keeper.traces:
            keeper.refused += 1
            return trace
        return Held(trace, keeper.held)

    def dropped(self, trace: Trace, up: Any) -> Trace:
        if up is None or up.is_remote:
            return self.held(trace)
        return up.trace if type(up) is Span and up.trace.held and up.trace.id == trace.id else trace

    # -- ending -----------------------------------------------------------------------------------------------------

    def finish(self, span: Span) -> None:
        trace = span.trace
        if type(trace) is not Held:
            super().finish(span)
        elif span._end_time is None:
            span._end_time = self.clock()
            if self.watched:
                self.show_end(span)
            self._ended(span, trace)

    def finish_at(self, span: Span, end_time: int) -> None:
        super().finish_at(span, end_time)
        if type(span.trace) is Held:
            self._ended(span, span.trace)

    def _ended(self, span: Span, trace: Held) -> None:
        keeper = self.keeper
        if span._status.status_code is StatusCode.ERROR:
            trace.erred = True
        if type(span.up) is not int and not trace.over:
            trace.why = why = keeper.why(trace, span)
            if why:
                keeper.kept[why] = keeper.kept.get(why, 0) + 1
            trace.release()
            self._leave(trace)
            self._settled(span, why)
        elif trace.over or len(trace.spans) < keeper.spans:
            trace.spans.append(span)
            if trace.over:  # it was, or has ended meanwhile
                self._leave(trace)
        else:
            keeper.cut += 1
            self._not_kept(span)

    def _leave(self, trace: Held) -> None:
        """Let go of everything that is held of a trace; in turns with threads that add to it, each span once."""
        spans = trace.spans
        spans.reverse()
        while spans:
            try:
                self._settled(spans.pop(), trace.why)
            except IndexError:
                break

    def _settled(self, span: Span, why: str) -> None:
        take = self.take
        if why and take is not None:
            span.values[KEPT] = why
            take(span)
        else:
            self._not_kept(span)

    def _not_kept(self, span: Span) -> None:
        self.unsampled += 1
        if self.metrics is not None:
            self.metrics.started.dropped(span)


__all__ = ["ERRORS", "KEPT", "SLOW", "Held", "Holding", "Keeper", "KeepingEngine"]
