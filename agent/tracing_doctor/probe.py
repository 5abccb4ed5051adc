"""In a process that the doctor started: reports on it once its imports are done, or when it ends.

The process is told by ``_TRACING_AGENT_DOCTOR``: ``MODE:FOLDER``. Each process leaves ``FOLDER/<pid>.json``.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from tracing_agent import ending
from tracing_agent.faults import LINES

#: Told to processes by this variable, which their children inherit.
VARIABLE = "_TRACING_AGENT_DOCTOR"
#: ``libraries``: import every installed library, then stop. ``imports``: stop when the program's imports are done.
#: ``run``: let the program run, and report at its end.
MODES = ("libraries", "imports", "run")

#: Programs in Python that start the one that is meant.
_LAUNCHERS = frozenset(
    ("tracing-run", "opentelemetry-instrument", "ddtrace-run", "newrelic-admin", "poetry", "pipenv", "pdm", "hatch")
)
_LEVELS = ("none", "error", "warning", "info", "debug")


class Probe:
    """What is found out in one process. ``lines`` are those that the agent would have printed."""

    def __init__(self, mode: str, folder: str) -> None:
        self.mode = mode
        self.folder = folder
        self.lines: list[dict[str, str]] = []
        self.failed: dict[str, str] = {}
        self._stopped = False
        self._write = LINES.write

    def begin(self) -> None:
        """From now on note the agent's lines; stop the program, or wait for its end."""
        # Not by a subclass: others hold the bound methods of this object.
        LINES.write = self._note  # type: ignore[method-assign]
        if self.mode == "run":
            ending.call(self.report)
        else:
            sys.addaudithook(self)

    def _note(self, level: int, message: str, **fields: object) -> None:
        line = {"level": _LEVELS[level], "line": message.replace("\n", " ")}
        if line not in self.lines:
            self.lines.append(line)
        if self.mode == "run":
            self._write(level, message, **fields)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook: the program's main module is about to be executed, or something serves without one."""
        if self._stopped or event not in ("exec", "socket.listen", "socket.bind"):
            return
        caller = sys._getframe().f_back
        if os.path.basename(sys.argv[0] if sys.argv else "") in _LAUNCHERS:
            return
        # The interpreter itself executes it, or `runpy` for -m.
        if event == "exec" and not (caller is None or caller.f_code.co_name == "_run_code"):
            return
        self._stopped = True
        error = ""
        if event == "exec":
            if self.mode == "libraries":
                from tracing_doctor.libraries import import_all

                self.failed = import_all()
            else:
                from tracing_doctor.imports import carry_out

                error = carry_out(arguments[0])
        self.report(error)
        sys.stdout = sys.stderr = None
        os._exit(0)

    def report(self, error: str = "") -> None:
        """Leave the report of this process in the folder."""
        from tracing_doctor.process import report

        # At the end of a process nothing can be started any more.
        found = report(start=self.mode != "run")
        found["error"] = error
        found["lines"] = self.lines
        for library in found["libraries"]:
            if library["name"] in self.failed:
                library["state"] = "failed"
                library["reason"] = f"it cannot be imported: {self.failed[library['name']]}"
                library["next"] = f"mend the installation of {library['distribution']}"
        # What the doctor itself needs to send as this process would.
        found["environ"] = {
            name: value
            for name, value in os.environ.items()
            if name.startswith("OTEL_") or name.lower().endswith("_proxy")
        }
        path = os.path.join(self.folder, f"{os.getpid()}.json")
        with open(path + ".part", "w", encoding="utf-8") as file:
            json.dump(found, file, default=str)
        os.replace(path + ".part", path)


def begin(told: str) -> None:
    """Start as ``told`` by the variable."""
    mode, _, folder = told.partition(":")
    if mode in MODES and os.path.isdir(folder):
        Probe(mode, folder).begin()
