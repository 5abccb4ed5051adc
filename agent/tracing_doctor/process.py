"""What this process is to the agent: everything the doctor knows without asking anybody else, as plain values."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING, Any

from tracing_agent import __version__
from tracing_agent.config import Settings
from tracing_agent.faults import LINES, WARN, describe, say
from tracing_doctor.libraries import libraries
from tracing_doctor.others import others
from tracing_doctor.settings import changed, resolved

if TYPE_CHECKING:
    from tracing_agent.agent import Agent

#: Changes when a key of the report is renamed, removed, or means something else; not when one is added.
SCHEMA = 1


def report(start: bool) -> dict[str, Any]:
    """The report of this process; with ``start`` the agent is started if it was not, for what it would be."""
    module = sys.modules.get("tracing_agent.agent")
    agent = _started() if start else module.running() if module is not None else None
    settings = Settings(os.environ)
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "agent": {"version": __version__, "location": _above(__file__)},
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
            "platform": _platform(),
        },
        "pid": os.getpid(),
        "argv": list(sys.argv),
        "sitecustomize": sitecustomize(),
        "settings": changed(settings),
        "rejected": settings.rejected,
        "misspelt": settings.hints,
        "without_effect": settings.notes,
        "libraries": libraries(),
        "export": resolved(settings),
        "other_agents": others(),
        "propagators": list(settings.propagation.names),
        "sampler": "",
        "resource": {},
        "provider": "",
        "health": {},
    }
    if agent is not None:
        found.update(_of(agent))
    return found


def _started() -> Agent | None:
    try:
        from tracing_agent.agent import start
    except Exception as error:
        if not any(line.startswith("not tracing") for line in LINES.repeats):
            say(WARN, f"not tracing: {describe(error)}")
        return None
    return start()


def _of(agent: Agent) -> dict[str, Any]:
    from tracing_agent.introduction import sampler

    provider = agent.provider
    return {
        "sampler": sampler(provider),
        "resource": {key: _plain(value) for key, value in sorted(provider.resource.attributes.items())},
        "provider": agent.adopted or "tracing-agent",
        "health": agent.health(),
    }


def sitecustomize() -> dict[str, str]:
    """Who owns that module: the file of the ``agent``, and of the ``program``, "" where there is none."""
    theirs = getattr(sys.modules.get("sitecustomize"), "__file__", None) or ""
    ours = ""
    for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if os.path.isfile(os.path.join(folder, "sitecustomize.py")):
            first = os.path.join(folder, "sitecustomize.py")
            ours = first if os.path.basename(os.path.dirname(os.path.dirname(first))) == "tracing_sitecustomize" else ""
            break
    return {"agent": ours, "program": theirs if theirs != ours else ""}


def _platform() -> str:
    libc = " ".join(part for part in platform.libc_ver() if part) if sys.platform == "linux" else ""
    return " ".join(part for part in (platform.system(), platform.machine(), libc) if part)


def _above(file: str) -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(file)))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (tuple, list)) else value
