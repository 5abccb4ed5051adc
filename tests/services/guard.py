"""Ends the servers of a process that died without ending them; as a script it reads lines from that process.

A line is `watch PID SIGNAL`, `forget PID` or `folder PATH`. The end of file means that the parent is gone: a
killed test run cannot tell anyone, but the kernel closes its end of the pipe.
"""

import atexit
import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from typing import IO

PATIENCE = 10.0


def main(lines: IO[str]) -> None:
    """Follow the lines to their end, then end every process still watched and remove the folders."""
    watched: dict[int, int] = {}
    folders: list[str] = []
    for line in lines:
        verb, _, rest = line.rstrip("\n").partition(" ")
        if verb == "watch":
            process, _, ending = rest.partition(" ")
            watched[int(process)] = int(ending)
        elif verb == "forget":
            watched.pop(int(rest), None)
        elif verb == "folder":
            folders.append(rest)
    for pid, number in watched.items():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    deadline = time.monotonic() + PATIENCE
    while any(map(alive, watched)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def alive(pid: int) -> bool:
    """Whether the process runs: False also when it has ended and its parent has not yet asked how."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Guard:
    """The parent's end: one guard process, started at the first use."""

    def __init__(self) -> None:
        self._lines: IO[str] | None = None
        self._lock = threading.Lock()

    def watch(self, pid: int, number: int) -> None:
        """End `pid` with signal `number` if this process dies first."""
        self._tell(f"watch {pid} {number}")

    def forget(self, pid: int) -> None:
        """Leave `pid` alone from now on: it has ended, and its number may be given to another process."""
        self._tell(f"forget {pid}")

    def folder(self, path: str) -> None:
        """Remove `path` when this process has ended, however it ended."""
        self._tell(f"folder {path}")

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._lines is None:
                self._lines = self._start()
            self._lines.write(line + "\n")
            self._lines.flush()

    def _start(self) -> IO[str]:
        # A session of its own: an interrupt typed at the terminal must reach the tests and not their guard.
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Inherited, it would keep `… 2>&1 | anything` waiting for as long as the services run.
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        # Never waited for, as it outlives this process by design; this says so to Popen's finaliser.
        process.returncode = 0
        assert process.stdin is not None
        atexit.register(process.stdin.close)
        return process.stdin


if __name__ == "__main__":
    main(sys.stdin)
