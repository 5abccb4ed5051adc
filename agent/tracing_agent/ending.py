"""The end of the process: what the agent has to do then, after everything that the program does.

Registered by the bootstrap, before the program can register anything, as `atexit` runs the last one first. Imports
nothing else.

What is sent then, for two seconds at most, are spans that have ended. One that has not is not sent: when it ends, and
how, is not known, and a span that says otherwise would be read as work that was done. Its children that did end name
it as their parent. What ends it in the last moment (a `finally`, an `atexit` handler, a `with` that SystemExit or
KeyboardInterrupt leaves) is in time; what a daemon thread ends after that is lost, and so is everything at `os._exit`,
at SIGKILL, and where a program in C ends the process, but for the children of pools.
"""

from __future__ import annotations

import atexit
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_registered = False
_underway = False
_calls: list[Callable[[], None]] = []
#: What ends the process as soon as everything was called, if anything does.
_interrupted: list[Callable[[], None]] = []


def register() -> None:
    """Be told of the end, once."""
    global _registered
    if not _registered:
        _registered = True
        atexit.register(_run)


def call(function: Callable[[], None]) -> None:
    """Call ``function`` at the end."""
    register()
    _calls.append(function)


def run() -> None:
    """Call what is to be called at the end, the last one first and each once: atexit does, or whoever ends first."""
    global _underway
    _underway = True
    try:
        while _calls:
            _calls.pop()()
    finally:
        _underway = False
        if _interrupted:
            _interrupted[-1]()


def interrupt(die: Callable[[], None]) -> None:
    """End by ``die()``, after what is to be called; at once where that is under way and was interrupted before."""
    if _underway and _interrupted:
        die()
        return
    _interrupted.append(die)
    if not _underway:
        run()


def unexported(started: int, unsampled: int) -> str:
    """The line for a process that began ``started`` spans, lost none and exported none; empty if it began none."""
    if not started:
        return ""
    if started == unsampled:
        which = "the only span" if started == 1 else f"all {started} spans"
        return f"nothing was exported: {which} belonged to traces that are not sampled; see OTEL_TRACES_SAMPLER"
    count = started - unsampled
    return f"nothing was exported: {count} span{'s' * (count != 1)} had not ended when the process did"


def _run() -> None:
    run()
    if getattr(sys, "last_type", None) is KeyboardInterrupt and not hasattr(sys, "ps1"):  # not at a prompt
        # An interrupted program ends by SIGINT, unless Python compiled text since (an import of ours may): the
        # interpreter remembers the interrupt of the text that it ran last.
        try:
            exec("raise KeyboardInterrupt")
        except KeyboardInterrupt:
            pass
