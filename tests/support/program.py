"""Whole programs, run as a user would run them: under `tracing-run`, or with the folder on PYTHONPATH, or untraced."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: The folder that `tracing-run` puts on PYTHONPATH.
ONPATH = ROOT / "sitecustomize" / "tracing_sitecustomize" / "onpath"
TRACING_RUN = [sys.executable, "-m", "tracing_sitecustomize.command"]


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without OTEL_* and PYTHON* variables, and with ``variables``."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "PYTHON", "_TRACING", "COV_"))
    }
    # The interpreter that runs the tests is the `python` of the programs under test, with its console scripts.
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    kept.update({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", **variables})
    return kept


def run(
    *command: str | Path, cwd: Path | None = None, timeout: float = 60.0, traced: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, under `tracing-run` unless ``traced`` is false; output as text."""
    prefix = TRACING_RUN if traced else []
    return subprocess.run(
        [*prefix, *map(str, command)],
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def start(
    *command: str | Path, cwd: Path | None = None, traced: bool = True, piped: bool = False, **variables: str
) -> subprocess.Popen[str]:
    """Start a command; its output is on pipes, and its input if ``piped``. The caller waits for it or kills it."""
    prefix = TRACING_RUN if traced else []
    return subprocess.Popen(
        [*prefix, *map(str, command)],
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.PIPE if piped else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
