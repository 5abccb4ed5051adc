"""Random ids of traces and spans."""

from __future__ import annotations

from _random import Random
from os import urandom

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator


class Ids(RandomIdGenerator):
    """Random ids from a generator of our own: the program may seed `random`, and a fork must not share one."""

    def __init__(self) -> None:
        self.reseed()

    def reseed(self) -> None:
        """Start a sequence of its own; called in a forked child."""
        self.bits = Random(int.from_bytes(urandom(16), "big")).getrandbits

    def generate_span_id(self) -> int:
        return self.bits(64) or 1

    def generate_trace_id(self) -> int:
        return self.bits(128) or 1
