"""What became of each library that can be traced, in this process, and what to do about it."""

from __future__ import annotations

import os
import sys
from importlib import import_module, metadata
from typing import Any

from tracing_agent.config import Settings
from tracing_agent.faults import describe
from tracing_agent.patching.versions import outside
from tracing_instrumentations.registry import LIBRARIES, Library

#: The states that a library can be in; only the last five are problems.
STATES = (
    "patched",
    "not imported",
    "not installed",
    "disabled",
    "untested",
    "target missing",
    "failed",
    "switched off",
    "unhooked",
)

_MISSING = "not patched: "


def libraries() -> list[dict[str, Any]]:
    """Each supported library as plain values: ``name``, ``distribution``, ``installed`` (a version, "" if not),
    ``tested`` (the oldest version and the first that was not tested), ``in_range``, ``state`` (one of `STATES`),
    ``reason`` and ``next``.
    """
    return [_library(library) for library in LIBRARIES]


def import_all() -> dict[str, str]:
    """Import every installed library as a program would; by name, why that failed."""
    failed = {}
    for library in LIBRARIES:
        if _installed(library) and not _excluded(library):
            try:
                import_module(library.triggers[0])
            except Exception as error:
                failed[library.name] = describe(error)
    return failed


def _library(library: Library) -> dict[str, Any]:
    installed = _installed(library)
    oldest, untested = ((".".join(map(str, version))) for version in library.tested)
    state, reason, following = _state(library, installed)
    return {
        "name": library.name,
        "distribution": library.distribution,
        "installed": installed,
        "tested": [oldest, untested],
        "in_range": not outside(installed, library.tested),
        "state": state,
        "reason": reason,
        "next": following,
    }


def _state(library: Library, installed: str) -> tuple[str, str, str]:
    """(state, reason, what to do)."""
    name = library.name
    agent_module = sys.modules.get("tracing_agent.agent")
    agent = agent_module.running() if agent_module is not None else None
    found = agent.states.get(name, "") if agent is not None else ""
    if agent_module is not None:
        breaker = agent_module.BREAKERS.get(name)
        if breaker is not None and breaker.open:
            return (
                "switched off",
                f"after {breaker.count} faults of the agent, the last: {breaker.last}",
                "report it with this line; the next start of the process traces it again",
            )
    if found == "patched":
        return "patched", "", ""
    excluded = _excluded(library)
    if excluded:
        change = f"add {name} to" if excluded.startswith("not in") else f"take {name} (or *) out of"
        return "disabled", excluded.removeprefix("disabled "), f"{change} {excluded.rpartition(' ')[2]} to trace it"
    if found.startswith(_MISSING):
        return _unpatched(library, found.removeprefix(_MISSING))
    if any(trigger in sys.modules for trigger in library.triggers):
        return (
            "unhooked",
            "it was imported, and the agent could not patch it",
            "see the lines of the agent; the program must not set up imports before the agent does",
        )
    if not installed:
        return "not installed", "", ""
    return "not imported", "", f"it is traced as soon as the program imports {library.triggers[0]}"


def _unpatched(library: Library, reason: str) -> tuple[str, str, str]:
    """The same, where patching was given up for ``reason``."""
    oldest, untested = (".".join(map(str, version)) for version in library.tested)
    install = f"install {library.distribution} {oldest} or later, before {untested}"
    if reason.endswith(" to have it traced all the same"):
        reason, _, following = reason.partition("; ")
        return "untested", reason, f"{install}, or {following}"
    if reason.endswith(("is missing", "is not imported")) or reason.startswith("AttributeError("):
        return "target missing", reason, f"{install}, or a later version of tracing-agent"
    return "failed", reason, f"report it with this line, or {install}"


def _installed(library: Library) -> str:
    try:
        return str(metadata.version(library.distribution))
    except Exception:
        return ""


def _excluded(library: Library) -> str:
    return Settings(os.environ).excluded(library.name)
