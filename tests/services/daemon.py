"""One server as a child process: started until it is ready, stopped by its process id, startable again."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.guard import Guard

GUARD = Guard()


class ServerFailed(RuntimeError):
    """A server ended or stayed silent instead of becoming ready; the message ends with its log."""


@dataclass
class Daemon:
    """A server's command line and how it says that it is ready.

    `ready` is a piece of its output and `user` an account to run it as (root only). `halt` is the signal that
    ends it in good order, `end` the one for when its data is no longer needed. `patience` is in seconds.
    """

    name: str
    argv: Sequence[str]
    folder: Path
    ready: bytes
    user: str | None = None
    halt: signal.Signals = signal.SIGTERM
    end: signal.Signals = signal.SIGKILL
    patience: float = 60.0
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it and wait until it is ready; raises `ServerFailed`."""
        if self._process is not None:
            return
        log = self.folder / f"{self.name}.log"
        with log.open("ab") as output:
            begin = output.tell()
            self._process = subprocess.Popen(
                self.argv,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # An interrupt typed at the terminal is for the tests, which then stop their servers in order.
                start_new_session=True,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
            )
        GUARD.watch(self._process.pid, self.end)
        deadline = time.monotonic() + self.patience
        while self.ready not in _from(log, begin):
            if self._process.poll() is not None:
                self._forget()
                raise ServerFailed(f"{self.name} ended while starting:\n{_tail(log)}")
            if time.monotonic() > deadline:
                self.stop(self.end)
                raise ServerFailed(f"{self.name} was not ready after {self.patience:.0f} s:\n{_tail(log)}")
            time.sleep(0.02)

    def stop(self, number: signal.Signals | None = None) -> None:
        """End it by `number` (default: `halt`) and wait until it has ended; nothing if it does not run."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number or self.halt)
        try:
            self._process.wait(self.patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _forget(self) -> None:
        assert self._process is not None
        GUARD.forget(self._process.pid)
        self._process = None


def free_port(*offsets: int) -> int:
    """A port of 127.0.0.1 that is free, and free at each of `offsets` above it as well.

    It lies below the range from which the kernel gives ports to outgoing connections: while a server is down
    for a restart, a client that keeps trying could otherwise be given its port and connect to itself.
    """
    picks = random.SystemRandom()
    while True:
        port = picks.randrange(10_000, 22_000)
        if all(_bindable(port + offset) for offset in (0, *offsets)):
            return port


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _from(log: Path, begin: int) -> bytes:
    with log.open("rb") as stream:
        stream.seek(begin)
        return stream.read()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
