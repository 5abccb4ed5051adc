"""What is said of context that came in and cannot be read: a line, and rarely, as it is callers who send it."""

from __future__ import annotations

from tracing_agent.faults import WARN, Rarely

UNREADABLE = Rarely(WARN, "context propagation failure")
_SHOWN = 60


def unreadable(header: str, value: str) -> None:
    """A header that should hold context holds something else; the unit of work begins a trace of its own."""
    shown = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
    UNREADABLE.say(
        f"a {header} header came in that cannot be read ({shown!a}): a new trace was begun; whoever sent it should "
        "send 00-<32 digits>-<16 digits>-<2 digits>",
        direction="in",
        error=f"malformed {header}",
    )
