"""The export thread: a thread of the system, in a context where nothing is traced, and gone while the process forks."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` wraps, without its enums
import _thread
import os
import sys
from time import monotonic
from typing import TYPE_CHECKING, Any

from tracing_agent.export.native import original
from tracing_agent.trace.sdk import SILENT_KEY, SUPPRESS_KEY, Context, attach

if TYPE_CHECKING:
    from collections.abc import Callable

# The threads of this process as Linux sees them.
_TASKS = "/proc/self/task"
#: Whether the thread ends for a fork, rather than keep still: Python warns of forks in a process of several threads
#: since 3.12. The end is where it must be known to be over, as what a thread does last it does under locks.
ENDS_FOR_FORK = sys.version_info >= (3, 12) and os.path.isdir(_TASKS)

#: Whether the thread ends with its last batch: an interpreter that is not the main one, as mod_wsgi makes, may not end
#: before its threads (Python aborts). From 3.12 on Python tells which it is.
ENDS_WITH_INTERPRETER = not getattr(_thread, "_is_main_interpreter", lambda: True)()


def spawn(run: Callable[[], Any]) -> None:
    """Run ``run`` in a thread of the system.

    It is not known to `threading`, so that a program that counts or joins its threads is none the wiser, and no
    greenlet where gevent or eventlet has replaced threads: it waits in ways that would stop all greenlets.

    Signals are blocked in it, from its first instruction: one that it took would not interrupt what the main thread
    waits for, and Python's handlers run in the main thread.
    """
    start, mask = original("_thread", "start_new_thread"), getattr(_signal, "pthread_sigmask", None)
    if mask is None:
        start(run, ())
        return
    before = mask(_signal.SIG_BLOCK, ())
    try:
        mask(_signal.SIG_BLOCK, _signal.valid_signals())
        start(run, ())
    finally:
        mask(_signal.SIG_SETMASK, before)


def silence() -> None:
    """Make this thread's context one in which nothing is traced, by us or by other instrumentations."""
    attach(Context({SUPPRESS_KEY: True, SILENT_KEY: True}))


def wait_until_gone(thread: int) -> None:
    """Wait until the system has forgotten a thread that ended, by its number in the system; a second at most."""
    sleep, until = original("time", "sleep"), monotonic() + 1.0
    while os.path.isdir(f"{_TASKS}/{thread}") and monotonic() < until:
        sleep(0.0002)
