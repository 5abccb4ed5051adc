"""Registers the import hooks, before the application's first line: imports nothing but the agent's own modules."""

from __future__ import annotations

import os
import sys

from tracing_agent import ending
from tracing_agent.faults import WARN, fault, say
from tracing_agent.patching.imports import when_executed, when_imported
from tracing_instrumentations.registry import BESIDE, LIBRARIES
from tracing_sitecustomize import children
from tracing_sitecustomize.bystanders import bystander

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

#: How the one folder ends that children inherit through PYTHONPATH.
_FOLDER = os.path.join("tracing_sitecustomize", "onpath")

_done = _beside = False
#: Why this process is not traced although it imported something to trace; said once.
_aside: str | None = None


def activate() -> None:
    """Hook the imports of everything that is traced; once in a process."""
    global _done
    if _done:
        return
    _done = True
    apart = bystander(sys.orig_argv, os.environ, sys.executable)
    if apart and not _to_be_examined(apart):
        return
    ending.register()
    children.watch()
    for library in LIBRARIES:
        for trigger in library.triggers:
            when_imported(trigger, _Hook(library.name, trigger))
    # The program's own spans need our provider before it asks for a tracer.
    for trigger in ("opentelemetry.trace", "opentelemetry.propagate"):
        when_imported(trigger, _api_imported)
    for name in ("logging", "structlog._base", "loguru._logger"):
        when_imported(name, _logging_imported)
    # Untraced, a name in OTEL_PROPAGATORS that nobody knows makes this import, and all of FastAPI with it, fail.
    when_executed("opentelemetry.propagate", _propagate)
    _mark()
    _asked()


def _mark() -> None:
    """Add a slash to our folder on PYTHONPATH, by which children know that it was a traced program who started them.

    That may start anything, and may read its stderr: what cannot be traced says nothing of it then.
    """
    path = os.environ.get("PYTHONPATH", "")
    marked = os.pathsep.join(entry + os.sep if entry.endswith(_FOLDER) else entry for entry in path.split(os.pathsep))
    if marked != path:
        os.environ["PYTHONPATH"] = marked


def _to_be_examined(apart: str) -> bool:
    """Whether the doctor wants to see this process all the same: a supervisor, in place of what it would start."""
    told = os.environ.get("_TRACING_AGENT_DOCTOR", "")
    if told and "supervisor" not in apart:
        say(WARN, f"not tracing: the agent leaves {apart} alone; name the program that is to be traced")
    return told.startswith("imports:") and "supervisor" in apart


def _asked() -> None:
    """What only those who look for a fault ask for."""
    wanted, told = os.environ.get("OTEL_PYTHON_DOCTOR_SIGNAL"), os.environ.get("_TRACING_AGENT_DOCTOR")
    try:
        if wanted:
            from tracing_doctor.live import listen

            listen(wanted)
        if told:
            from tracing_doctor.probe import begin

            begin(told)
    except Exception as error:
        fault("the doctor", error)


class _Hook:
    __slots__ = ("library", "trigger")

    def __init__(self, library: str, trigger: str) -> None:
        self.library = library
        self.trigger = trigger

    def __call__(self, module: ModuleType) -> None:
        if _agent_usable():
            from tracing_agent.agent import library_imported

            library_imported(self.library, self.trigger, module)
            _started()


def _api_imported(module: ModuleType) -> None:
    agent = sys.modules.get("tracing_agent.agent")
    if agent is not None and not hasattr(agent, "start"):
        return  # the agent's own import of the API: whoever imports the agent starts it
    if _agent_usable():
        from tracing_agent.agent import start

        start()
        _started()


def _started() -> None:
    """Once the agent is there: patch what is only worth it then."""
    global _beside
    if not _beside:
        _beside = True
        for library in BESIDE:
            for trigger in library.triggers:
                when_imported(trigger, _Hook(library.name, trigger))


def _logging_imported(module: ModuleType) -> None:
    if os.environ.get("OTEL_PYTHON_LOG_IDS", "").strip().lower() != "false":
        from tracing_agent.logs.correlation import correlate

        correlate(module)
    # Whoever asks for records wants those of a program, too, that imports nothing else to trace.
    if module.__name__ == "logging" and os.environ.get("OTEL_LOGS_EXPORTER", "").strip().lower() not in ("", "none"):
        _api_imported(module)


def _propagate(module: ModuleType, execute: Callable[[ModuleType], None]) -> None:
    names = None
    # Whatever of ours fails here (two threads may each be importing what the other needs), the program gets its module.
    try:
        if _aside is None and _in_the_way() is None:
            # First, as its import starts the agent, which may need the next module whole.
            import opentelemetry.trace  # noqa: F401

            from tracing_agent.propagation.configured import execute_propagate, names_from

            names = names_from(os.environ)
    except Exception as error:
        fault("setting up OTEL_PROPAGATORS", error)
    if names is None:
        execute(module)
    else:
        execute_propagate(module, lambda: execute(module), names, lambda line: say(WARN, line))


def _agent_usable() -> bool:
    """Whether the agent and what it needs can be imported; if not, that was said."""
    global _aside
    if _aside is None and "tracing_agent.agent" not in sys.modules:
        _aside = _in_the_way()
        if _aside is None:
            try:
                import tracing_agent.agent  # noqa: F401
            except Exception as error:
                from tracing_sitecustomize.conflict import reason

                _aside = reason(error)
        if _aside is not None:
            say(WARN, f"not tracing: {_aside}")
    return _aside is None


def _in_the_way() -> str | None:
    """A module of the program's own where the OpenTelemetry API should be: ours would import, and run, that one."""
    from importlib.machinery import PathFinder
    from importlib.util import find_spec

    name = "opentelemetry"
    found = sys.modules.get(name)
    if found is not None:
        file, places = getattr(found, "__file__", None), getattr(found, "__path__", None)
    else:
        spec = find_spec(name)
        if spec is None:
            return None
        file = spec.origin if spec.has_location else None
        places = spec.submodule_search_locations
    # The API's package has no file of its own; one that has may still hold the API.
    if file is None or (places is not None and PathFinder.find_spec(f"{name}.trace", places) is not None):
        return None
    return f"{file} stands in the place of the package {name}; rename it to have this program traced"
