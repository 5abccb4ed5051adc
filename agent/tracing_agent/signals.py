"""Signals that end the process: what is queued is sent before they do."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from tracing_agent import ending
from tracing_agent.patching.targets import like

if TYPE_CHECKING:
    from types import FrameType

#: `signal.signal` as the program found it; None until the process is watched.
_set: Any = None


def watch() -> None:
    """Send what is queued before SIGTERM ends the process, wherever the program leaves that signal to the system.

    Also where it takes the signal for a while and gives it back, as uvicorn does before it raises the signal again.
    The program sees, and calls, nothing but the system's default.
    """
    global _set
    if _set is None:
        _set = signal.signal
        signal.signal = like(_setting(_set), _set)
        signal.getsignal = like(_getting(signal.getsignal), signal.getsignal)
    try:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and not _caught(signal.SIGTERM):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
    except ValueError:
        pass  # not the main thread


def _caught(number: int) -> bool:
    """Whether a handler that Python knows nothing of is set, as uWSGI's; False where the system does not tell."""
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"SigCgt:"):
                    return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    except (OSError, ValueError, IndexError):
        pass
    return False


def _setting(original: Any) -> Any:
    def set_handler(signalnum: int, handler: Any) -> Any:
        if signalnum == signal.SIGTERM and (handler is signal.SIG_DFL or (type(handler) is int and handler == 0)):
            handler = _terminated
        before = original(signalnum, handler)
        return signal.SIG_DFL if before is _terminated else before

    return set_handler


def _getting(original: Any) -> Any:
    def handler_of(signalnum: int) -> Any:
        handler = original(signalnum)
        return signal.SIG_DFL if handler is _terminated else handler

    return handler_of


def _terminated(number: int, frame: FrameType | None) -> None:
    # What is being sent at this moment, because the process ends anyway, is sent.
    ending.interrupt(_die)


def _die() -> None:
    # Past the replaced one: now the system's default is meant.
    _set(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
