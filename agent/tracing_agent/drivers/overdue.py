"""Ends what a program leaves open: a message that is in process for too long, or still when the process ends.

One thread of the process looks once in a while at what is open; nothing is counted or timed for a single message.
"""

from __future__ import annotations

import os
from _queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

from tracing_agent import ending
from tracing_agent.export.thread import silence, spawn
from tracing_agent.faults import fault

if TYPE_CHECKING:
    from tracing_agent.drivers.processing import Cursor

#: The events that say why a span was ended without the program.
TIMEOUT, EXIT = "message in process for too long", "process ended while the message was in process"
# Seconds between two looks, at least and at most; a quarter of the shortest limit in between.
_SOONEST, _LATEST = 0.1, 60.0


class Overdue:
    """Watches cursors: each as long as it lives, from a thread that starts with the first one."""

    def __init__(self) -> None:
        self._cursors: WeakSet[Cursor] = WeakSet()
        # Of each cursor, the span that was open at the last look, and since when.
        self._seen: WeakKeyDictionary[Cursor, tuple[int, float]] = WeakKeyDictionary()
        self._shortest = 4 * _LATEST
        self._pid = 0
        self._wake: SimpleQueue[None] = SimpleQueue()

    def watch(self, cursor: Cursor) -> None:
        """Watch ``cursor`` from now on."""
        self._cursors.add(cursor)
        if self._pid != os.getpid():
            # The first one in this process, which may be forked from one that had such a thread.
            if not self._pid:
                ending.call(self.end)
            self._pid = os.getpid()
            self._wake = SimpleQueue()
            try:
                spawn(self._run)
            except RuntimeError:
                pass  # no thread can be had: what is open ends with the process, or by the program
        if cursor.limit < self._shortest:
            self._shortest = cursor.limit
            self._wake.put(None)

    def cursors(self) -> list[Cursor]:
        """All that there are."""
        while True:
            try:
                return list(self._cursors)
            except RuntimeError:  # another thread added one
                continue

    def end(self) -> None:
        """The process ends."""
        for cursor in self.cursors():
            try:
                cursor.expire(EXIT)
            except Exception as error:
                cursor.fault(error)

    def look(self, now: float) -> None:
        """End what is open for longer than its limit; ``now`` in seconds of any clock."""
        for cursor in self.cursors():
            opened = cursor.opened()
            seen, since = self._seen.get(cursor, (0, now))
            if opened != seen:
                self._seen[cursor] = opened, now
            elif opened and now - since >= cursor.limit:
                cursor.expire(TIMEOUT)

    def _run(self) -> None:
        silence()
        wake = self._wake
        while True:
            try:
                wake.get(True, min(max(self._shortest / 4, _SOONEST), _LATEST))
            except Empty:
                pass
            try:
                self.look(monotonic())
            except Exception as error:
                fault("ending messages that are in process for too long", error)


OVERDUE = Overdue()
