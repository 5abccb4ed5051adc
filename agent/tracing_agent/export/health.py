"""The agent's own health in numbers: kept where spans are exported, so that counting costs the application nothing."""

from __future__ import annotations

from time import time_ns


class Health:
    """Counts of one process since it started or was forked.

    ``taken`` spans left the queue; each of them ends in ``exported``, in ``failed`` by reason, or in ``inherited``
    (begun before a fork by the parent process, which exports it). ``dropped`` never entered the queue, by reason.
    """

    def __init__(self) -> None:
        self.taken = 0
        self.exported = 0
        self.inherited = 0
        self.dropped: dict[str, int] = {}
        self.failed: dict[str, int] = {}
        self.retries = 0
        self.requests = 0
        self.bytes = 0
        self.last_error = ""
        self.last_error_time = 0
        self.last_success_time = 0

    def fail(self, count: int, reason: str, error: str) -> None:
        """``count`` spans are lost; ``error`` is for people, ``reason`` is one of few words."""
        self.failed[reason] = self.failed.get(reason, 0) + count
        self.last_error = error
        self.last_error_time = time_ns()

    def succeed(self, count: int, size: int = 0) -> None:
        """``count`` spans were accepted."""
        self.exported += count
        self.bytes += size
        self.last_success_time = time_ns()

    def lost(self) -> dict[str, int]:
        """Spans that will not arrive, by reason."""
        counts = dict(self.dropped)
        for reason, count in self.failed.items():
            counts[reason] = counts.get(reason, 0) + count
        return counts
