"""What was measured for one workload, and what follows from it: medians, spread, what an agent adds, ratios."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median

from agents import Agent

Sample = dict[str, float]


class RunFailed(Exception):
    """A run did not give a figure; the message says why."""


@dataclass(frozen=True)
class Spread:
    """A median with the least and the most of its rounds."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        return cls(median(values), min(values), max(values))


@dataclass
class Comparison:
    """The samples of one workload: for each agent one a round, in the order of the rounds; None for a failed run.

    `expected` is how many spans a unit ought to make.
    """

    expected: int = 1
    rounds: dict[str, list[Sample | None]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, agent: str, outcome: Sample | RunFailed) -> None:
        """A round's outcome under the agent; one that failed is not tried again."""
        if isinstance(outcome, RunFailed):
            self.failures[agent] = str(outcome)
        self.rounds.setdefault(agent, []).append(None if isinstance(outcome, RunFailed) else outcome)

    def going(self, agents: Iterable[Agent]) -> list[Agent]:
        """Those of the agents that have not failed, in another order each time: who follows whom must not matter."""
        left = [agent for agent in agents if agent.name not in self.failures]
        return random.sample(left, len(left))

    def spread(self, agent: str, metric: str) -> Spread | None:
        """The agent's own figure."""
        values = [sample[metric] for sample in self.rounds.get(agent, []) if sample and metric in sample]
        return Spread.of(values) if values else None

    def middle(self, agent: str, metric: str) -> float | None:
        """The agent's median."""
        spread = self.spread(agent, metric)
        return None if spread is None else spread.middle

    def added(self, agent: str, metric: str) -> Spread | None:
        """What the agent adds to bare, by differences within a round: a machine that slows down slows both."""
        values = [sample[metric] - bare[metric] for sample, bare in self._pairs(agent, "bare") if metric in sample]
        return Spread.of(values) if values else None

    def added_ratio(self, agent: str, other: str, metric: str) -> float | None:
        """What `agent` adds as a share of what `other` adds."""
        ours, theirs = self.added(agent, metric), self.added(other, metric)
        if ours is None or theirs is None or theirs.middle <= 0 or self.silent(agent) or self.silent(other):
            return None
        return ours.middle / theirs.middle

    def ratio(self, agent: str, other: str, metric: str) -> float | None:
        """The agent's figure over the other's: the median of the rounds' ratios."""
        values = [sample[metric] / against[metric] for sample, against in self._pairs(agent, other) if against[metric]]
        return median(values) if values else None

    def silent(self, agent: str) -> bool:
        """Whether the agent sent no span where it should: it does not trace this, and its figures say nothing."""
        return self.expected > 0 and self.middle(agent, "spans") == 0

    def _pairs(self, agent: str, other: str) -> Iterator[tuple[Sample, Sample]]:
        for sample, against in zip(self.rounds.get(agent, []), self.rounds.get(other, []), strict=False):
            if sample and against:
                yield sample, against
