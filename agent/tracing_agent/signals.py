"""Signals that end the process: what is queued is sent before they do."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tracing_agent import ending

if TYPE_CHECKING:
    from types import FrameType


def watch() -> None:
    """Send what is queued before SIGTERM ends the process, where the program leaves that signal to the system."""
    try:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _terminated)
    except ValueError:
        pass  # not the main thread


def _terminated(number: int, frame: FrameType | None) -> None:
    # A handler that the program set since, and that calls the one before it: for it there was none.
    if signal.getsignal(number) != _terminated:
        return
    ending.run()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
