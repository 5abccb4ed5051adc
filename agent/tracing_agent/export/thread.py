"""The export thread: a thread of the system, in a context where nothing is traced, that no fork catches importing."""

from __future__ import annotations

import _thread
import sys
from _queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from tracing_agent.trace.sdk import SILENT_KEY, SUPPRESS_KEY, Context, attach

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds that a fork waits at most.
_FORK_WAIT = 0.25


def spawn(run: Callable[[], Any]) -> None:
    """Run ``run`` in a thread of the system.

    It is not known to `threading`, so that a program that counts or joins its threads is none the wiser, and no
    greenlet where gevent has replaced threads: it waits in ways that would stop all greenlets.
    """
    monkey = sys.modules.get("gevent.monkey")
    start = _thread.start_new_thread if monkey is None else monkey.get_original("_thread", "start_new_thread")
    start(run, ())


def silence() -> None:
    """Make this thread's context one in which nothing is traced, by us or by other instrumentations."""
    attach(Context({SUPPRESS_KEY: True, SILENT_KEY: True}))


class Gate:
    """Keeps forks and the export thread's imports apart.

    A child that is forked in the middle of an import can never import that module: its lock stays taken for ever.
    """

    def __init__(self) -> None:
        # Holds one token: whoever has taken it may import, or fork.
        self._token: SimpleQueue[None] = SimpleQueue()
        self._token.put(None)
        self._forking = False

    def run(self, import_: Callable[[], Any]) -> None:
        """Run what imports; no fork happens meanwhile, if it does not take too long."""
        token = self._token
        token.get()
        try:
            import_()
        finally:
            token.put(None)

    def before_fork(self) -> None:
        """Wait until nothing is being imported; not for ever, as the import may need what the forking thread holds."""
        try:
            self._token.get(True, _FORK_WAIT)
            self._forking = True
        except Empty:
            pass

    def after_fork(self) -> None:
        """In the parent; the child has a gate of its own."""
        if self._forking:
            self._forking = False
            self._token.put(None)
