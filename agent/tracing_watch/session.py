"""One run of the viewer: spans come from the receiver's threads, the main one prints traces."""

from __future__ import annotations

import queue
import threading
import time

from tracing_watch.assemble import Assembly
from tracing_watch.model import Span
from tracing_watch.screen import Screen

# Requests that wait to be assembled, and how long (s) one more waits for a place before it is turned away.
ROOM = 8
ROOM_WAIT = 5.0

# How long (s) the end waits for spans that other processes may still be sending.
GRACE = 1.0


class Session:
    """`take` may be called from any thread, `end` also from a signal's handler, all else from one thread."""

    def __init__(self, screen: Screen, ends_unread: bool) -> None:
        """With `ends_unread` the session ends when nobody reads what it shows; else it goes on."""
        self._screen = screen
        self._ends_unread = ends_unread
        self._assembly = Assembly()
        # SimpleQueue.put is reentrant: a signal's handler may call it while the main thread is in get.
        self._arrivals: queue.SimpleQueue[list[Span] | None] = queue.SimpleQueue()
        self._room = threading.BoundedSemaphore(ROOM)
        self._spans = 0

    def take(self, spans: list[Span]) -> bool:
        """Accepts spans; False when they come faster than they can be shown."""
        if not self._room.acquire(timeout=ROOM_WAIT):
            return False
        self._arrivals.put(spans)
        return True

    def end(self) -> None:
        """Makes `show_until_end` return."""
        self._arrivals.put(None)

    def show_until_end(self) -> None:
        """Prints traces as they finish, until `end` is called."""
        while not (self._screen.gone and self._ends_unread):
            due = self._assembly.next_due()
            wait = None if due is None else max(0.0, due - time.monotonic())
            try:
                if not self._assemble(self._arrivals.get(timeout=wait)):
                    return
            except queue.Empty:
                pass
            for trace in self._assembly.due(time.monotonic()):
                self._screen.show(trace)

    def show_rest(self) -> None:
        """Prints all that has come, after a moment for what is still on its way."""
        deadline = time.monotonic() + GRACE
        while True:
            try:
                self._assemble(self._arrivals.get_nowait())
                continue
            except queue.Empty:
                pass
            left = deadline - time.monotonic()
            if left <= 0 or not self._assembly.incomplete():
                break
            try:
                # A second Ctrl-C, or a second end of the command, ends the wait.
                if not self._assemble(self._arrivals.get(timeout=left)):
                    break
            except queue.Empty:
                break
        for trace in self._assembly.drain():
            self._screen.show(trace)

    def account(self) -> str:
        """One line on what came and what of it was not shown."""
        screen = self._screen
        if not self._spans:
            return "no spans came: nothing traced ran, or OTEL_SDK_DISABLED or a sampler turned tracing off"
        line = f"{_count(screen.traces, 'trace')}, {_count(self._spans, 'span')}"
        if screen.hidden:
            line += f"; {_count(screen.hidden, 'more trace')} did not match the options"
        if screen.left_out:
            line += f"; {_count(screen.left_out, 'span')} left out of traces that had too many"
        return line

    def _assemble(self, spans: list[Span] | None) -> bool:
        if spans is None:
            return False
        self._room.release()
        self._spans += len(spans)
        self._assembly.add(spans, time.monotonic())
        return True


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
