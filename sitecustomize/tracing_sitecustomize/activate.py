"""Registers the import hooks, before the application's first line: imports nothing but the agent's own modules."""

from __future__ import annotations

import os

from tracing_agent.patching.imports import when_imported
from tracing_instrumentations.registry import LIBRARIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_done = False


def activate() -> str | None:
    """Hook the imports of everything that is traced; a sentence if that is not wanted and the user should know."""
    global _done
    if _done or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    _done = True
    for library in LIBRARIES:
        for trigger in library.triggers:
            when_imported(trigger, _Hook(library.name, trigger))
    # The program's own spans need our provider before it asks for a tracer.
    when_imported("opentelemetry.trace", _api_imported)
    return None


class _Hook:
    __slots__ = ("library", "trigger")

    def __init__(self, library: str, trigger: str) -> None:
        self.library = library
        self.trigger = trigger

    def __call__(self, module: ModuleType) -> None:
        from tracing_agent.agent import library_imported

        library_imported(self.library, self.trigger, module)


def _api_imported(module: ModuleType) -> None:
    # While the agent itself imports the API, its own start goes on anyway.
    import sys

    if "tracing_agent.agent" in sys.modules:
        return
    from tracing_agent.agent import start

    start()
