"""Where everything that goes wrong inside the agent ends: one line for a person, never an exception for the program.

Imported by the bootstrap, so it imports nothing but `sys`.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NONE, ERROR, WARN, INFO, DEBUG = 0, 1, 2, 3, 4

#: Seconds between two lines about what comes often.
PERIOD = 60.0
#: Faults in one instrumentation after which it is switched off for the process.
BREAKER_LIMIT = 10

_LABELS = {ERROR: "error", WARN: "warning", INFO: "info", DEBUG: "debug"}
# Distinct lines remembered so that each is printed once; past it nothing new is printed.
_REMEMBERED = 256


class Lines:
    """The agent's own lines on stderr, each at most once.

    ``level`` is one of `NONE` … `DEBUG` (``OTEL_LOG_LEVEL``); a line above it is not printed.
    ``json`` makes each line a JSON object, with the fields of what happened.
    ``strict`` makes `fault` raise: tests set it, so that a fault of ours cannot hide.
    ``repeats`` counts what was not printed again, by line.
    """

    def __init__(self) -> None:
        self.level = WARN
        self.json = False
        self.strict = False
        self.repeats: dict[str, int] = {}

    def say(self, level: int, message: str, *, key: str | None = None) -> None:
        """Print one line, unless ``key`` (by default the message) was printed before."""
        if level > self.level:
            return
        key = key or message
        repeats = self.repeats
        if key in repeats:
            repeats[key] += 1
            return
        if len(repeats) >= _REMEMBERED:
            return
        repeats[key] = 0
        self.write(level, message)

    def write(self, level: int, message: str, **fields: object) -> None:
        """Print one line regardless of what was printed before (but not above ``level``).

        ``fields`` are for programs that read lines as JSON; ``event`` among them names what happened.
        """
        if level > self.level:
            return
        # A single write, so that lines of several processes do not mix; stderr may be None (pythonw) or closed.
        try:
            text = message.replace("\r", " ").replace("\n", " ")
            line = _json(level, text, fields) if self.json else f"tracing-agent: {_LABELS[level]}: {text}"
            sys.stderr.write(line + "\n")
        except Exception:
            pass


def _json(level: int, message: str, fields: dict[str, object]) -> str:
    from json import dumps
    from os import getpid
    from time import gmtime, strftime

    time = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime())
    head = {"time": time, "level": _LABELS[level], "logger": "tracing-agent", "pid": getpid(), "message": message}
    return dumps({**head, **fields}, default=str)


LINES = Lines()
say = LINES.say


class Rarely:
    """One event that may come often: a line at first, then at most one in `PERIOD` seconds, which says how often."""

    def __init__(self, level: int, event: str) -> None:
        self.level = level
        self.event = event
        self._said = 0
        self._next = 0.0

    def say(self, message: str, **fields: object) -> None:
        """It happened once more."""
        count = LINES.repeats[self.event] = LINES.repeats.get(self.event, 0) + 1
        if self.level > LINES.level:
            return
        from time import monotonic

        now = monotonic()
        if count > 1 and now < self._next:
            return
        before = count - self._said - 1 if count > 1 else 0
        self._said, self._next = count, now + PERIOD
        more = f" ({before} more since the last such line)" if before else ""
        LINES.write(self.level, message + more, event=self.event, count=count, **fields)


def describe(error: BaseException) -> str:
    """The exception as ``Type: message at file:line``, safe against exceptions that cannot be printed."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:
        text = type(error).__name__
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return text
    name = traceback.tb_frame.f_code.co_filename.replace("\\", "/").rsplit("/", 1)[-1]
    return f"{text} at {name}:{traceback.tb_lineno}"


def fault(where: str, error: BaseException) -> None:
    """Report an internal error of the agent: one line for each place and type; raised again under test."""
    if LINES.strict:
        raise error
    LINES.say(
        WARN,
        f"{where} failed ({describe(error)}); the program goes on, with less telemetry",
        key=f"{where}:{type(error).__name__}",
    )


class Breaker:
    """Counts the faults of one instrumentation and opens after `BREAKER_LIMIT`, for the rest of the process.

    ``open`` is read by every driver before it records; ``last`` is the last fault as text, for the doctor.
    """

    __slots__ = ("count", "last", "limit", "name", "on_open", "open")

    def __init__(self, name: str, limit: int = BREAKER_LIMIT, on_open: Callable[[], None] | None = None) -> None:
        self.name = name
        self.limit = limit
        self.count = 0
        self.open = False
        self.last = ""
        self.on_open = on_open

    def fault(self, error: BaseException) -> None:
        """Report one fault; the limit-th one switches the instrumentation off."""
        self.count += 1
        self.last = describe(error)
        if self.count >= self.limit and not self.open:
            self.open = True
            if not LINES.strict:
                LINES.say(
                    WARN,
                    f"{self.name}: switched off after {self.count} faults (last: {self.last}); "
                    "please report it, or set "
                    f"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS={self.name} to silence this",
                )
        fault(f"{self.name} instrumentation", error)
