"""`os.exec*`: what is queued is sent before the process becomes another program, which knows nothing of it."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Any

from tracing_agent.faults import LINES, WARN, fault
from tracing_agent.patching.targets import like

if TYPE_CHECKING:
    from tracing_agent.export.pipeline import Pipeline

# Seconds in which nothing is tried again that failed: a search along PATH is many calls.
_PATIENCE = 10.0


def watch(pipeline: Pipeline, timeout: float) -> None:
    """Flush ``pipeline``, for at most ``timeout`` seconds, in the two functions of `os` on which all others stand."""
    leaving = Leaving(pipeline, timeout)
    for name in ("execv", "execve"):
        original = getattr(os, name, None)
        if original is None or hasattr(original, "__wrapped__"):
            continue
        replacement = like(_become(original, leaving), original)
        setattr(os, name, replacement)
        if original in os.supports_fd:
            os.supports_fd.add(replacement)


class Leaving:
    """The flush before an exec. It closes nothing, as an exec may fail, and the program go on."""

    def __init__(self, pipeline: Pipeline, timeout: float) -> None:
        self.pipeline = pipeline
        self.timeout = timeout
        self._not_before = 0.0

    def flush(self) -> None:
        """Send what is queued, and say what could not be."""
        pipeline = self.pipeline
        if pipeline.pid != os.getpid() or pipeline.closed or not pipeline.pending() or monotonic() < self._not_before:
            return
        if not pipeline.flush(self.timeout):
            self._not_before = monotonic() + _PATIENCE
            count = pipeline.pending()
            LINES.write(
                WARN, f"{count} span{'s' * (count != 1)} not exported before this process became another program"
            )


def _become(original: Any, leaving: Leaving) -> Any:
    def become(*args: Any, **kwargs: Any) -> Any:
        try:
            leaving.flush()
        except Exception as error:
            fault("the flush before os.exec*", error)
        return original(*args, **kwargs)

    return become
