"""So many traces in a second, and no more: a bucket that fills with time."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from tracing_agent.sampling.probability import with_threshold
from tracing_agent.trace.identity import SAMPLED, Trace
from tracing_agent.trace.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Callable


class Bucket:
    """Fills with ``rate`` a second, up to a second's worth (but one at least); full at first."""

    __slots__ = ("_clock", "_level", "_most", "_rate", "_since")

    def __init__(self, rate: float, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._most = max(1.0, rate) if rate > 0 else 0.0
        self._level = self._most
        self._clock = clock
        self._since = clock()

    def take(self) -> bool:
        """Whether there is one to take, which is taken."""
        now = self._clock()
        # From here on nothing is called, so that threads do not take the same one.
        level = self._level + (now - self._since) * self._rate
        level = min(level, self._most)
        self._since = now
        taken = level >= 1.0
        self._level = level - 1.0 if taken else level
        return taken


class Limited(Rule):
    """So many new traces in a second: nobody knows with what probability, so none is said."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def trace(self, id: int, random: int, state: str) -> Trace:
        sampled = self._bucket.take()
        return Trace(id, random | SAMPLED if sampled else random, with_threshold(state, None), sampled)
