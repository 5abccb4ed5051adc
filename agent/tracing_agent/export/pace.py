"""How long exporting may take, and how its thread is woken: safe from any thread, signal handlers included."""

from __future__ import annotations

from _queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracing_agent.export.health import Health

# Stands for "no limit" where the system wants a number of seconds.
_UNLIMITED = 3600.0
# Seconds that a fork may take.
_FORK_MAX = 10.0


class Command:
    """What somebody asks of the export thread: that everything queued be sent, or that it keep still for a fork.

    ``closing`` when the process ends after it; ``parking`` for a fork; ``withdrawn`` once nobody waits for it any more.
    Its answer comes through a `SimpleQueue`, which unlike a lock stays what it is when gevent replaces `_thread`.
    """

    __slots__ = ("_answer", "_go_on", "closing", "parking", "withdrawn")

    def __init__(self, *, closing: bool = False, parking: bool = False) -> None:
        self.closing = closing
        self.parking = parking
        self.withdrawn = False
        self._answer: SimpleQueue[bool] = SimpleQueue()
        self._go_on: SimpleQueue[None] = SimpleQueue()

    def done(self, as_asked: bool = True) -> None:
        """Answer."""
        self._answer.put(as_asked)

    def wait(self, seconds: float) -> bool:
        """Whether it was carried out within ``seconds``; if not, it is withdrawn."""
        try:
            return self._answer.get(True, max(0.0, seconds))
        except Empty:
            self.withdrawn = True
            return False

    def keep_still(self) -> None:
        """Wait until the fork is over; not for ever, in case it is never said."""
        try:
            self._go_on.get(True, _FORK_MAX)
        except Empty:
            pass

    def go_on(self) -> None:
        """The fork is over."""
        self._go_on.put(None)


class Pace:
    """The time of one process's exports. All times are on the monotonic clock, in seconds.

    ``waiting`` holds commands that came while something else was waited for. ``pressed`` while another full batch waits
    already: each time that the export thread then gives way, it has to wait for the interpreter's lock.
    """

    def __init__(self, health: Health) -> None:
        self.health = health
        self.waiting: list[Command] = []
        self.pressed = False
        self._wake: SimpleQueue[Command | None] = SimpleQueue()
        self._deadline = 0.0
        self._end: float | None = None

    @property
    def hurried(self) -> bool:
        """Whether the process is about to end, so that nothing is tried twice."""
        return self._end is not None

    def begin(self, seconds: float) -> None:
        """A batch may take so long (0: as long as it takes), but not past the end of the process."""
        self._deadline = monotonic() + (seconds or _UNLIMITED)

    def hurry(self, seconds: float) -> None:
        """The process ends, and waits so long at most."""
        self._end = monotonic() + seconds

    def left(self) -> float:
        """Seconds that the batch has left; never negative."""
        end = self._deadline if self._end is None else min(self._deadline, self._end)
        return max(0.0, end - monotonic())

    def pause(self, seconds: float) -> bool:
        """Wait before another try; false if there is no time for one, because the process ends or the batch's is up.

        A flush that is asked for meanwhile cuts the wait short; a fork does not.
        """
        if self.hurried or seconds >= self.left():
            return False
        until = monotonic() + seconds
        while (remaining := until - monotonic()) > 0:
            try:
                command = self._wake.get(True, remaining)
            except Empty:
                break
            if command is not None and command.parking:
                # Nothing is in the middle of anything here; but what is to be tried again is in our hands.
                command.done(False)
            elif command is not None:
                self.waiting.append(command)
                break
        return not self.hurried

    def next(self, seconds: float) -> Command | None:
        """The next command, or None when only woken, or after ``seconds``."""
        if self.waiting:
            return self.waiting.pop(0)
        try:
            return self._wake.get(True, seconds)
        except Empty:
            return None

    def collect(self) -> bool:
        """Whether commands wait; what only woke the thread is forgotten."""
        try:
            while True:
                command = self._wake.get(False)
                if command is not None:
                    self.waiting.append(command)
        except Empty:
            return bool(self.waiting)

    def wake(self, command: Command | None = None) -> None:
        """Wake the thread. Reentrant, so that a signal handler may call it anywhere."""
        self._wake.put(command)
