"""What every service offers, whether it was started here or given from outside."""

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from services.daemon import GUARD, Daemon

if TYPE_CHECKING:
    from typing_extensions import Self


class Missing(Exception):
    """A service cannot be started on this machine; the message is the whole line for the user."""

    def __init__(self, title: str, reason: str, remedy: str) -> None:
        super().__init__(f"not run: {title} tests, because {reason}; {remedy}")


class NotOurs(RuntimeError):
    """A service given from outside was asked to stop or start."""


class Service:
    """A server, or a group of them, that stays at the same address from `start` to `close`.

    `host` and `port` are where it listens; `ours` says whether it was started here, so that `stop`, `start`
    and `restart` work.
    """

    title: ClassVar[str]

    def __init__(self, host: str, port: int, folder: Path | None = None, *daemons: Daemon) -> None:
        self.host = host
        self.port = port
        self.folder = folder
        self.daemons = daemons
        self._owner = os.getpid()
        if folder is not None:
            atexit.register(self.close)

    @property
    def ours(self) -> bool:
        """Whether it was started here."""
        return self.folder is not None

    def environment(self) -> dict[str, str]:
        """The variables that hand this service to another program, e.g. `TEST_REDIS_URL`."""
        raise NotImplementedError

    def start(self) -> None:
        """Start what was stopped, at the same address and with the same data; returns when it is ready."""
        self._require_ours()
        for daemon in self.daemons:
            daemon.start()

    def stop(self, number: signal.Signals | None = None) -> None:
        """Stop it in good order, or by the signal `number`, e.g. `SIGKILL` for a crash; its data stays."""
        self._require_ours()
        for daemon in self.daemons:
            daemon.stop(number)

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End it at once and remove its data; does nothing in a forked child or the second time."""
        # A child forked by a test inherits the exit handlers and must not end the servers of its parent.
        if self.folder is None or os.getpid() != self._owner:
            return
        for daemon in self.daemons:
            daemon.stop(daemon.end)
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)

    def _require_ours(self) -> None:
        if not self.ours:
            raise NotOurs(f"{self.title} at {self.host}:{self.port} was given from outside: not ours to stop")

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def folder_for(name: str) -> Path:
    """A new temporary folder that any account may pass through (a server may run as another user)."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    folder.chmod(0o711)
    GUARD.folder(str(folder))
    return folder
