"""What people are told about spans that do not arrive: one line when it begins, one when it ends, counts in between."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from tracing_agent.export.health import FULL, reasons
from tracing_agent.faults import DEBUG, ERROR, LINES, WARN

if TYPE_CHECKING:
    from tracing_agent.export.health import Health

#: Seconds between two lines about the same thing.
PERIOD = 60.0


class Outage:
    """Whether the other side takes spans: a line when it stops doing so, and one when it does again.

    One failed try is no outage: the line comes with the second one in a row, or when spans were lost. An other side
    that comes and goes is reported once in `PERIOD`.
    """

    def __init__(self, health: Health, items: str = "spans") -> None:
        self.health = health
        self.items = items
        self._failures = 0
        self._said = False
        self._said_at = -PERIOD

    def failed(self, error: str, *, lost: bool, silent: bool = False) -> None:
        """A try failed; ``lost`` if it was the last; ``silent`` at the end of the process, which has its own line."""
        self._failures += 1
        health = self.health
        if lost or self._failures > 1:
            health.down = True
        if health.down and not self._said and not silent and monotonic() - self._said_at >= PERIOD:
            self._said = True
            self._said_at = monotonic()
            health.told = error
            LINES.write(
                WARN,
                f"cannot export {self.items}: {error}; further failures are counted, not printed",
                event="exporter failure",
                exporter=self.items,
                error=error,
                retries=health.retries,
            )

    def worked(self, where: str) -> None:
        """Spans were taken."""
        self._failures = 0
        self.health.down = False
        if self._said:
            self._said = False
            LINES.write(
                WARN,
                f"exporting {self.items} again: {where} takes them{_meanwhile(self.health, self.items)}",
                event="exporter recovery",
                exporter=self.items,
            )


def exported(items: str, where: str, count: int, size: int) -> None:
    """A batch was taken: ``count`` items, in ``size`` bytes before compression (0: not known)."""
    if LINES.level >= DEBUG:
        LINES.write(
            DEBUG,
            f"exported {count} {items} to {where}" + (f", {size} bytes" if size else ""),
            event="batch exported",
            exporter=items,
            count=count,
            bytes=size,
        )


class Losses:
    """Tells of lost spans while the process runs: at once when the queue overflows first, then once in `PERIOD`."""

    def __init__(
        self, health: Health, limit: int, items: str = "spans", variable: str = "OTEL_BSP_MAX_QUEUE_SIZE"
    ) -> None:
        self.health = health
        self.limit = limit
        self.items = items
        self.variable = variable
        self._said = 0
        self._said_at = monotonic()
        self._overflowed = False

    def tell(self) -> None:
        """Print a line if there is news. Not while the other side is down: that was said, and the end of it will be."""
        health = self.health
        lost = health.lost()
        total = sum(lost.values())
        if total == self._said or health.down:
            return
        event, level = f"{self.items} lost", WARN
        if FULL in lost and not self._overflowed:
            self._overflowed = True
            event, level = f"{self.items[:-1]} queue full", ERROR
            line = (
                f"{self.items[:-1]} queue full ({self.limit} {self.items}): new ones are dropped while it is, "
                f"{lost[FULL]} so far; {self.variable} sets its size"
            )
        elif monotonic() - self._said_at >= PERIOD:
            line = f"{total} {self.items} lost so far ({reasons(lost)})"
        else:
            return
        self._said, self._said_at = total, monotonic()
        LINES.write(level, line, event=event, limit=self.limit, lost=lost)


def farewell(health: Health, pending: int, items: str = "spans") -> str:
    """The line for the end of the process; empty if nothing was lost. ``pending`` items were not answered for."""
    lost = health.lost()
    if pending > 0:
        lost["not sent before the exit"] = pending
    if not lost:
        return ""
    total = sum(lost.values())
    last = ""
    if health.last_error not in ("", health.told):
        last = f"; last error: {health.last_error}"
    elif pending > 0 and health.where and not health.last_error:
        last = f"; {health.where} has not answered"
    return f"{total} {items if total != 1 else items[:-1]} not exported ({reasons(lost)}){last}"


def _meanwhile(health: Health, items: str) -> str:
    lost = health.lost()
    return f"; {sum(lost.values())} {items} lost so far ({reasons(lost)})" if lost else ""
