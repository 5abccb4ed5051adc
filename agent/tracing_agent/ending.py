"""The end of the process: what the agent has to do then, after everything that the program does.

Registered by the bootstrap, before the program can register anything, as `atexit` runs the last one first. Imports
nothing else.
"""

from __future__ import annotations

import atexit
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_registered = False
_calls: list[Callable[[], None]] = []


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
    while _calls:
        _calls.pop()()


def _run() -> None:
    run()
    if getattr(sys, "last_type", None) is KeyboardInterrupt and not hasattr(sys, "ps1"):  # not at a prompt
        # An interrupted program ends by SIGINT, unless Python compiled text since (an import of ours may): the
        # interpreter remembers the interrupt of the text that it ran last.
        try:
            exec("raise KeyboardInterrupt")
        except KeyboardInterrupt:
            pass
