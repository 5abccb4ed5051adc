"""What a sampler that we know comes down to: a decision that is made before the call comes, or on a trace's id."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tracing_agent.trace.identity import RANDOM, SAMPLED, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.trace import SpanKind

_LOW = (1 << 64) - 1


class Rule:
    """How new traces are decided.

    ``sampled`` says it of all of them; None where `trace` has to be asked for each. ``parented`` is whether a parent
    decides in its place, ``within`` whether one in this process does. ``headers`` are the lower-case names of the
    request headers that `settle` wants to know.
    """

    sampled: bool | None = None
    parented = within = False
    #: Whether `trace` may give an `Undecided`, so that spans have to be shown once they are described.
    late = False
    headers: tuple[str, ...] = ()

    def trace(self, id: int, random: int, state: str) -> Trace:
        """Decide a new trace: its 128-bit id, `RANDOM` if that is random, and the tracestate that came with the id."""
        raise NotImplementedError

    def below(self, parent: Trace, up: Any) -> Trace:
        """Decide a span below ``up``, a span or identity of ``parent``, where that does not decide."""
        return self.trace(parent.id, parent.flags & RANDOM, parent.state)

    def settle(self, waiting: Undecided, facts: Facts) -> Trace:
        """Decide what `trace` left undecided."""
        raise NotImplementedError

    def counts(self) -> dict[str, int]:
        """What was decided otherwise than by ratio or parent, in new traces, by reason."""
        return {}

    def forked(self) -> None:
        """In a forked child: count from nothing."""

    def followed(self) -> Rule:
        """The same for roots; a parent decides where there is one."""
        rule = copy.copy(self)
        rule.parented = rule.within = True
        return rule


class Facts:
    """What is known of a span when it begins; ``sent`` are the headers that came with a request, by name."""

    __slots__ = ("attributes", "kind", "name", "sent")

    def __init__(
        self, name: str, kind: SpanKind | None, attributes: Mapping[str, Any], sent: Mapping[str, str]
    ) -> None:
        self.name = name
        self.kind = kind
        self.attributes = attributes
        self.sent = sent


class Undecided(Trace):
    """The trace of a span that is recorded until enough is known of it: then ``rule`` decides.

    ``remote`` is the caller's trace and ``up`` its identity, where there is a caller whose decision may be overruled.
    """

    __slots__ = ("_after", "decided", "remote", "rule", "up")

    def __init__(
        self, rule: Rule, id: int, flags: int, state: str, remote: Trace | None = None, up: Any = None
    ) -> None:
        super().__init__(id, flags, state, True, remote is not None and remote.debug)
        self.rule = rule
        self.remote = remote
        self.up = up
        self.decided: Trace | None = None
        self._after: tuple[Callable[[Trace], Trace], ...] = ()

    def then(self, change: Callable[[Trace], Trace]) -> Undecided:
        """Let ``change`` have a look at what is decided."""
        self._after = (*self._after, change)
        return self

    def settled(self, facts: Facts) -> Trace:
        """The trace as it was decided, once: spans below may have begun meanwhile."""
        if self.decided is None:
            trace = self.rule.settle(self, facts)
            for change in self._after:
                trace = change(trace)
            self.decided = trace
        return self.decided


class Every(Rule):
    """All of them, or none."""

    sampled: bool

    def __init__(self, sampled: bool) -> None:
        self.sampled = sampled

    def trace(self, id: int, random: int, state: str) -> Trace:
        return Trace(id, random | SAMPLED if self.sampled else random, state, self.sampled)

    def below(self, parent: Trace, up: Any) -> Trace:
        flags = parent.flags & RANDOM
        return Trace(parent.id, flags | SAMPLED if self.sampled else flags, parent.state, self.sampled)


class Bound(Rule):
    """Those whose id's low 64 bits are below a bound: the SDK's sampler by ratio."""

    def __init__(self, bound: int) -> None:
        self.bound = bound

    def trace(self, id: int, random: int, state: str) -> Trace:
        sampled = id & _LOW < self.bound
        return Trace(id, random | SAMPLED if sampled else random, state, sampled)
