"""Sink processes as the harness sees them: started, asked, and ended with it."""

import json
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import cast

SCRIPT = Path(__file__).with_name("sink.py")


class Sink:
    """A running sink process; a context manager. `url` has no path."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def reset(self) -> None:
        """Forget what was counted."""
        self._get("/reset")

    def stats(self) -> dict[str, int]:
        """Requests, bytes and spans since the last reset, unreadable bodies, and the spans at the workload's mark."""
        return self._get("/stats")

    def _get(self, path: str) -> dict[str, int]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            return cast("dict[str, int]", json.loads(connection.getresponse().read()))
        finally:
            connection.close()

    def __enter__(self) -> "Sink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
