"""The export thread: a thread of the system, in a context where nothing is traced, and gone while the process forks."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from tracing_agent.export.native import original
from tracing_agent.trace.sdk import SILENT_KEY, SUPPRESS_KEY, Context, attach

if TYPE_CHECKING:
    from collections.abc import Callable

# Python warns of forks in a process of several threads since 3.12, and counts them in this folder.
_TASKS = "/proc/self/task" if sys.version_info >= (3, 12) and os.path.isdir("/proc/self/task") else ""


def spawn(run: Callable[[], Any]) -> None:
    """Run ``run`` in a thread of the system.

    It is not known to `threading`, so that a program that counts or joins its threads is none the wiser, and no
    greenlet where gevent or eventlet has replaced threads: it waits in ways that would stop all greenlets.
    """
    original("_thread", "start_new_thread")(run, ())


def silence() -> None:
    """Make this thread's context one in which nothing is traced, by us or by other instrumentations."""
    attach(Context({SUPPRESS_KEY: True, SILENT_KEY: True}))


def tasks() -> int:
    """Threads that the system knows of this process; 0 where it does not matter."""
    return len(os.listdir(_TASKS)) if _TASKS else 0


def wait_until_gone(before: int) -> None:
    """Wait a moment until the system has forgotten a thread that ended; there were ``before``."""
    sleep = original("time", "sleep")
    for _ in range(200):
        if not before or tasks() < before:
            return
        sleep(0.0002)
