"""Runs the command of `tracing-run watch -- COMMAND…` as a child process that sends its spans here."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from types import FrameType

# What would lead traces elsewhere than the general settings do.
OVERRULING = (
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
)

# `python -m tracing_sitecustomize.command`, but the working directory is not searched: a ./types.py of the program
# would be taken for Python's own. (-P is not in Python 3.10.)
TRACING_RUN = """\
import sys
"" in sys.path and sys.path.remove("")
from tracing_sitecustomize.command import main
sys.exit(main())
"""

Run = Callable[[list[str], dict[str, str]], list[str]]
"""Takes a command and the environment it will get (and may change that); gives the arguments to execute."""


def traced(command: list[str], environment: dict[str, str]) -> list[str]:
    """`tracing-run COMMAND…`, by the interpreter that runs now."""
    return [sys.executable, "-c", TRACING_RUN, *command]


def pointed_at(endpoint: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with its traces sent to `endpoint`, soon after they end unless it sets a delay."""
    pointed = {name: value for name, value in environment.items() if name not in OVERRULING}
    pointed["OTEL_TRACES_EXPORTER"] = "otlp"
    pointed["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
    pointed["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf"
    pointed.setdefault("OTEL_BSP_SCHEDULE_DELAY", "500")
    return pointed


def unusable(command: str) -> tuple[str, int] | None:
    """Why a shell could not start the command, and the exit code it would give; None if it could."""
    if shutil.which(command) is not None:
        return None
    if os.path.dirname(command) and os.path.exists(command):
        return f"{command}: not executable", 126
    return f"{command}: command not found", 127


def exit_code(returncode: int) -> int:
    """As a shell gives it: 128 and the signal's number for a process that a signal ended."""
    return 128 - returncode if returncode < 0 else returncode


def start(arguments: list[str], environment: dict[str, str], stdout: int | None = None) -> subprocess.Popen[bytes]:
    """Starts the child, with another standard output if that is given, and from then on hands SIGTERM and SIGINT on.

    Not so a Ctrl-C, which the terminal sends to the child by itself. This process ends when the child
    does: one that goes on after a signal is watched on.
    """
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and _in_terminal_foreground():
            return
        if process is None:
            early.append(number)
        else:
            process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        # An ignored signal stays ignored, here and in the child: so does nohup work.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, forward)
    # What this process was handed open, such as a socket to serve, is meant for the command; its own files do
    # not pass on (PEP 446).
    process = subprocess.Popen(arguments, env=environment, stdout=stdout, close_fds=False)
    for signal_number in early:
        process.send_signal(signal_number)
    return process


def _in_terminal_foreground() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
