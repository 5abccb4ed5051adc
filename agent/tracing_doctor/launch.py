"""Starts what is to be examined, under the agent, and collects the reports of its processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracing_doctor.probe import VARIABLE
from tracing_watch.child import start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Seconds that a program's imports may take.
PATIENCE = 60.0


@dataclass(frozen=True)
class Found:
    """The reports of a command's processes, and how the command itself ended (None: it was stopped)."""

    reports: list[dict[str, Any]] = field(default_factory=list)
    code: int | None = None
    said: str = ""


def examine(command: Sequence[str], environ: Mapping[str, str], run: bool) -> Found:
    """Start ``command`` (none: a Python that imports what is installed) in ``environ``, which has the agent."""
    flag = isolated(command)
    if flag and not run:
        return Found(said=f"{flag} keeps Python from reading PYTHONPATH or sitecustomize", code=0)
    mode = "run" if run else "imports" if command else "libraries"
    with tempfile.TemporaryDirectory(prefix="tracing-doctor-") as folder:
        told = {**environ, VARIABLE: f"{mode}:{folder}"}
        argv = list(command) or [sys.executable, "-c", ""]
        code, said = _run(argv, told) if run else _stop(argv, told)
        return Found([_read(path) for path in sorted(Path(folder).glob("*.json"))], code, said)


def isolated(command: Sequence[str]) -> str:
    """The option of a Python command that keeps the agent out, "" if there is none."""
    if not command or not os.path.basename(command[0]).startswith("python"):
        return ""
    for argument in command[1:]:
        if not argument.startswith("-") or argument[:2] in ("-c", "-m", "--"):
            break
        if not argument.startswith(("-W", "-X")) and set("IES") & set(argument):
            return argument
    return ""


def _read(path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


def _stop(argv: list[str], environ: dict[str, str]) -> tuple[int | None, str]:
    """Up to its imports; (exit code, its last words)."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            argv, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        code: int | None
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _kill(process)
        output.seek(0)
        return code, output.read()[-20_000:].decode("utf-8", "replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """And whatever it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def _run(argv: list[str], environ: dict[str, str]) -> tuple[int, str]:
    """To its end, on this terminal; its output goes to standard error, as the report goes to standard output."""
    return start(argv, environ, sys.stderr.fileno()).wait(), ""
