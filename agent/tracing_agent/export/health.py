"""The agent's own health in numbers: kept where spans are exported, so that counting costs the application nothing."""

from __future__ import annotations

from time import sleep, time_ns
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracing_agent.export.pipeline import Pipeline
    from tracing_agent.trace.provider import TracerProvider

FULL, LATE = "queue full", "after shutdown"


class Health:
    """Counts of one process since it started or was forked.

    ``taken`` spans left the queue; each of them ends in ``exported``, in ``failed`` by reason, or in ``inherited``
    (begun before a fork by the parent process, which exports it). ``overflowed`` and ``late`` spans never entered it.
    ``down`` is true while the other side takes nothing. Times are nanoseconds since the epoch, 0 for never.

    Written by whoever exports, but for ``overflowed`` and ``late``: the application's threads add to these, in a
    statement without a call, between whose steps CPython does not change threads.
    """

    def __init__(self) -> None:
        self.overflowed = 0
        self.late = 0
        self.taken = 0
        self.exported = 0
        self.inherited = 0
        self.failed: dict[str, int] = {}
        self.retries = 0
        self.requests = 0
        self.bytes = 0
        self.down = False
        #: Where spans are sent, without secrets; empty before the first request.
        self.where = ""
        self.last_error = ""
        #: The error that was printed last.
        self.told = ""
        self.last_error_time = 0
        self.last_success_time = 0
        #: Odd while the numbers and the queue are being changed together.
        self.version = 0

    def fail(self, count: int, reason: str, error: str) -> None:
        """``count`` spans are lost; ``error`` is for people, ``reason`` is one of few words."""
        self.failed[reason] = self.failed.get(reason, 0) + count
        self.last_error = error
        self.last_error_time = time_ns()

    def succeed(self, count: int, size: int = 0) -> None:
        """``count`` spans were accepted, in a request of ``size`` bytes before compression."""
        self.exported += count
        self.bytes += size
        self.last_success_time = time_ns()

    def sending(self) -> int:
        """Spans that left the queue and whose end is not known yet."""
        return self.taken - self.exported - self.inherited - sum(self.failed.values())

    def dropped(self) -> dict[str, int]:
        """Spans that never entered the queue, by reason."""
        counts = {FULL: self.overflowed, LATE: self.late}
        return {reason: count for reason, count in counts.items() if count}

    def lost(self) -> dict[str, int]:
        """Spans that will not arrive, by reason."""
        counts = self.dropped()
        for reason, count in self.failed.copy().items():
            counts[reason] = counts.get(reason, 0) + count
        return counts


def reasons(counts: dict[str, int]) -> str:
    """Counts by reason for people, e.g. ``3 timeout, 1 rejected``."""
    return ", ".join(f"{count} {reason}" for reason, count in counts.items())


def snapshot(provider: TracerProvider, pipeline: Pipeline) -> dict[str, Any]:
    """Every number at one moment. Of spans: ``ended`` (and sampled) are ``exported`` + ``failed`` + ``dropped`` +
    ``queued`` + ``sending``; ``started`` are ``sampled`` + unsampled; ``sampled`` - ``ended`` are still open.
    """
    health = pipeline.health
    for _ in range(200):
        version = health.version
        found = _read(health, len(pipeline.queue))
        if not version & 1 and version == health.version:
            break
        sleep(0.0002)
    # Read last: a span is started before it ends.
    started, unsampled = provider.begun()
    found["started"], found["sampled"] = started, started - unsampled
    found["queue_limit"] = pipeline.limit
    return found


def _read(health: Health, queued: int) -> dict[str, Any]:
    dropped, failed = health.dropped(), health.failed.copy()
    taken, exported, inherited = health.taken, health.exported, health.inherited
    return {
        "ended": taken - inherited + queued + sum(dropped.values()),
        "exported": exported,
        "failed": failed,
        "dropped": dropped,
        "queued": queued,
        "sending": taken - exported - inherited - sum(failed.values()),
        "inherited": inherited,
        "retries": health.retries,
        "requests": health.requests,
        "bytes": health.bytes,
        "down": health.down,
        "last_error": health.last_error,
        "last_error_time": health.last_error_time,
        "last_success_time": health.last_success_time,
    }
