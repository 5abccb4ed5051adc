"""Programs that run Python inside of them: what keeps the agent from its work there is said."""

from __future__ import annotations

import sys

from tracing_agent.faults import WARN, say


def watch() -> None:
    """Say that uWSGI runs without threads: in old versions it does, unless told otherwise.

    Its module is there before the application's. Threads of Python then run while a request is served, and only then.
    """
    if getattr(sys.modules.get("uwsgi"), "has_threads", 1) == 0:
        say(
            WARN,
            "uWSGI runs without threads, so that spans are sent only while requests are served; "
            "start it with --enable-threads",
        )
