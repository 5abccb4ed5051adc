"""Which tests came out differently under the agent, and what is known about each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

ABSENT = "absent"


@dataclass(frozen=True)
class Difference:
    """One test: its outcome ``bare`` and ``traced``, again alone in the same order, and why that may be, if known."""

    test: str
    bare: str
    traced: str
    again: tuple[str, str]
    reason: str | None = None

    @property
    def flaky(self) -> bool:
        """Whether two runs without the agent differ: then a third one with it says nothing.

        A test that did not take part in the second run is none: nothing is known of it.
        """
        return self.again[0] not in (self.bare, ABSENT)

    @property
    def unexplained(self) -> bool:
        """Whether it counts: neither flaky nor known."""
        return not self.flaky and self.reason is None

    def __str__(self) -> str:
        text = f"{self.test}: {self.bare} bare, {self.traced} traced"
        if self.flaky:
            return f"{text} (flaky: {self.again[0]} in a second bare run)"
        if self.reason is not None:
            return f"{text} (explained: {self.reason})"
        return text if self.again[1] == self.traced else f"{text} (alone {self.again[1]} traced)"


def different(bare: Mapping[str, str], traced: Mapping[str, str]) -> list[str]:
    """The ids of the tests that did not come out the same, in order."""
    return sorted(test for test in {**bare, **traced} if bare.get(test) != traced.get(test))


def judged(
    bare: Mapping[str, str],
    traced: Mapping[str, str],
    again: tuple[Mapping[str, str], Mapping[str, str]],
    reason: Callable[[str], str | None],
) -> list[Difference]:
    """Each difference of two runs; ``again`` has the outcomes of the differing tests alone, bare and traced."""
    return [
        Difference(
            test,
            bare.get(test, ABSENT),
            traced.get(test, ABSENT),
            (again[0].get(test, ABSENT), again[1].get(test, ABSENT)),
            reason(test),
        )
        for test in different(bare, traced)
    ]
