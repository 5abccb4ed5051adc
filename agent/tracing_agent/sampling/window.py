"""At most so many in a second: all of them at low traffic, a share that is drawn at high."""

from __future__ import annotations

from _random import Random
from itertools import count
from os import urandom
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Of what is admitted at most, what is aimed at: chance would else have used up most windows before their end.
_AIM = 0.9
_draw = Random(int.from_bytes(urandom(16), "big")).random


class Window:
    """Admits ``per_second`` at most, counted in windows of a second (of more for less than one).

    What the window before had decides the share that this one draws, so that a busy second is not sampled in its first
    milliseconds alone. Where that gives too few, as when the traffic has ebbed away, more are admitted. ``clock`` gives
    seconds, ``draw`` numbers from 0 to 1.
    """

    __slots__ = ("_clock", "_draw", "_length", "_most", "_now")

    def __init__(
        self, per_second: float, clock: Callable[[], float] = monotonic, draw: Callable[[], float] = _draw
    ) -> None:
        self._length = max(1.0, 1.0 / per_second)
        self._most = max(1, int(per_second * self._length))
        self._clock = clock
        self._draw = draw
        self._now = _Second(clock(), 1.0)

    def admits(self) -> bool:
        """Whether there is room for one more, which is taken."""
        now = self._now
        passed = self._clock() - now.since
        if passed >= self._length:
            now, passed = self._next(now, passed), 0.0
        now.seen += 1
        if now.share < 1.0 and self._draw() >= now.share:
            elapsed = passed / self._length
            # What should have been admitted by now: half of what is due, and near the end what is left.
            if now.taken + 1 > self._most * max(elapsed / 2, 1.5 * elapsed - 0.45):
                return False
        if now.taken >= self._most:
            return False
        # The next number is nobody else's, however many threads ask.
        place = next(now.places)
        if place >= self._most:
            return False
        now.taken = place + 1
        return True

    def _next(self, last: _Second, passed: float) -> _Second:
        try:
            last.turn.pop()
        except IndexError:
            return self._now  # another thread is at it
        seen = last.seen * self._length / passed
        share = 1.0 if seen <= self._most else _AIM * self._most / seen
        self._now = _Second(last.since + passed, share)
        return self._now


class _Second:
    """One window: since when, the share to draw, what was seen and taken of it so far."""

    __slots__ = ("places", "seen", "share", "since", "taken", "turn")

    def __init__(self, since: float, share: float) -> None:
        self.since = since
        self.share = share
        self.seen = self.taken = 0
        self.places = count()
        # Popped by the one thread that begins the next.
        self.turn = [True]
