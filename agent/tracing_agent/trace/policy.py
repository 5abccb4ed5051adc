"""Who decides about spans, who sees them, and who gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracing_agent.trace import sdk

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.trace.rule import Rule
    from tracing_agent.trace.sketch import Intake, Sketch
    from tracing_agent.trace.span import Span


class Drawn:
    """The intake of a queue for sketches that have to be spans at once: ``take`` gets them."""

    __slots__ = ("_take",)
    queue, act_at = (), 0

    def __init__(self, take: Callable[[Span], None]) -> None:
        self._take = take

    def admit(self, sketch: Sketch, length: int) -> None:
        """Take a sketch."""
        self._take(sketch[0].span(sketch))


class Policy:
    """What an engine reads for every span.

    ``take`` is where an ended, sampled span goes (the exporter's queue), and ``sketches`` where a sketch of one goes,
    None where there have to be spans. ``deferred`` is true when every begun span has to be shown to somebody (a custom
    sampler, span processors).
    """

    def __init__(self, sampler: sdk.sampling.Sampler) -> None:
        self.watched = False
        self.take: Callable[[Span], None] | None = None
        self._intake: Intake | None = None
        self.sampled_by(sampler)

    def sampled_by(self, sampler: sdk.sampling.Sampler) -> None:
        """Let ``sampler`` decide."""
        self.sampler = sampler
        rule = self.rule = self.rule_of(sampler)
        #: Whether the parent of a span decides: one in this process, and any.
        self.parented = rule is not None and rule.within
        self.followed = rule is not None and rule.parented
        self.deferred = self.watched or rule is None or rule.late
        #: The lower-case names of the request headers that decide.
        self.headers = () if rule is None else rule.headers
        self._settle()

    def deliver(self, take: Callable[[Span], None] | None, intake: Intake | None = None) -> None:
        """Hand ended, sampled spans to ``take`` (None: nobody), and sketches of them to ``intake``, if it is given."""
        self.take = take
        self._intake = intake
        if intake is None and take is not None:
            self._intake = Drawn(take)
        self._settle()

    def _settle(self) -> None:
        """Sketch, unless somebody wants to see spans while they are made."""
        self.sketches = self._intake if self.parented and not self.deferred else None
        #: Whether every call without a parent is sampled.
        self.roots = self.rule is not None and bool(self.rule.sampled)

    def rule_of(self, sampler: sdk.sampling.Sampler) -> Rule | None:
        """What decides instead of ``sampler``; None where that has to be asked."""
        return sdk.plain_rule(sampler)

    def watch(self) -> None:
        """Span processors were added: they see every span from now on."""
        self.watched = True
        self.deferred = True
        self._settle()
