"""Random ids of traces and spans."""

from __future__ import annotations

from _random import Random
from os import urandom
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

if TYPE_CHECKING:
    from collections.abc import Callable


class Ids(RandomIdGenerator):
    """Random ids from a generator of our own: the program may seed `random`, and a fork must not share one."""

    def __init__(self) -> None:
        self._random = Random()
        #: ``bits(n)`` is a random integer of n bits; stays the same function.
        self.bits = self._random.getrandbits
        self.reseed()

    def reseed(self) -> None:
        """Start a sequence of its own; called in a forked child."""
        self._random.seed(int.from_bytes(urandom(16), "big"))

    def generate_span_id(self) -> int:
        return self.bits(64) or 1

    def generate_trace_id(self) -> int:
        return self.bits(128) or 1


def bits_of(ids: Any) -> Callable[[int], int] | None:
    """What an id is made of, for those who make many: ``bits(n) or 1``; None where the generator has to be asked."""
    return ids.bits if type(ids) is Ids else None
