"""The differences that are known and meant: which tests, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Explained:
    """Tests of ``suite`` whose id fits ``tests`` may differ because of ``reason``; ``*`` stands for any text."""

    suite: str
    tests: str
    reason: str

    def fits(self, suite: str, test: str) -> bool:
        """Whether this is the explanation of that test's difference."""
        return self.suite == suite and re.fullmatch(".*".join(map(re.escape, self.tests.split("*"))), test) is not None


EXPLAINED = (
    Explained(
        "requests",
        "tests/test_requests.py::TestRequests::test_response_iter_lines_reentrant",
        "the server echoes the request's headers, so that with a traceparent the lines are longer, and the block of 512"
        " bytes that the test loses on purpose ends in another line",
    ),
)


def reason(suite: str, test: str, known: tuple[Explained, ...] = EXPLAINED) -> str | None:
    """Why this test may differ; None if nobody has said."""
    return next((entry.reason for entry in known if entry.fits(suite, test)), None)
