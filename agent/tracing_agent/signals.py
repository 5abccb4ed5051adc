"""Signals that end the process: what is queued is sent before they do."""

from __future__ import annotations

import _thread
import os
import signal
from _thread import get_ident
from typing import TYPE_CHECKING, Any

from tracing_agent import ending
from tracing_agent.patching.targets import like

if TYPE_CHECKING:
    from types import FrameType

#: `signal.signal` as the program found it; None until the process is watched.
_set: Any = None
_get: Any = None
# The signal masks of threads that are forking, as they were before.
_masks: dict[int, Any] = {}
#: Which thread the interpreter takes for the main one; there since Python 3.13.
_main: Any = getattr(_thread, "_get_main_thread_ident", None)
#: Whether handlers written in Python may never run, so that SIGTERM is left to the system.
_deaf = False
# The main thread before a fork.
_before = 0


def watch() -> None:
    """Send what is queued before SIGTERM ends the process, wherever the program leaves that signal to the system.

    Also where it takes the signal for a while and gives it back, as uvicorn does before it raises the signal again.
    The program sees, and calls, nothing but the system's default.
    """
    global _set, _get
    if _set is None:
        _set, _get = signal.signal, signal.getsignal
        signal.signal = like(_setting(_set), _set)
        signal.getsignal = like(_getting(_get), _get)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=_forking, after_in_parent=_forked, after_in_child=_forked_child)
    try:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and not _caught(signal.SIGTERM):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
    except ValueError:
        pass  # not the main thread


def _forking() -> None:
    global _before
    # A child forgets the signals that came before it runs Python code. By the system's default SIGTERM would have ended
    # it; with our handler it would live on, and who joins it would wait for ever. So it waits outside for that moment.
    if _get(signal.SIGTERM) is _terminated:
        _masks.setdefault(get_ident(), signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,)))
    if _main is not None:
        _before = _main()


def _forked() -> None:
    mask = _masks.pop(get_ident(), None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _forked_child() -> None:
    global _deaf
    if _main is not None and get_ident() != _before:
        # From 3.13 on, signals in a child that another thread than the main one has forked set a mark where no thread
        # looks: their handlers run when a call of the system is interrupted, or never.
        _deaf = True
        if _get(signal.SIGTERM) is _terminated:
            _set(signal.SIGTERM, signal.SIG_DFL)
    _forked()


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
        default = handler is signal.SIG_DFL or (type(handler) is int and handler == 0)
        if default and signalnum == signal.SIGTERM and not _deaf:
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
