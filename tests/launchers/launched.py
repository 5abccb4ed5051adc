"""Servers as users launch them: started, asked by several clients at once, stopped; what they print is kept."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from support.program import TRACING_RUN, environment
from support.sink import Received, Sink

#: Seconds after which something that is awaited will not come.
HANGS = 60.0


def needs(*modules: str) -> None:
    """Skip without these modules, saying so; where the group `launchers` is installed they have to be there."""
    for name in modules:
        if importlib.util.find_spec(name) is None:
            line = f"not run: {name} is not installed; pip install --group launchers"
            if os.environ.get("TEST_LAUNCHERS") == "required":
                pytest.fail(line, pytrace=False)
            pytest.skip(line)


def awaited(condition: Callable[[], Any], what: str) -> Any:
    """What ``condition`` gives as soon as that is true; fails the test if it never is."""
    deadline = time.monotonic() + HANGS
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {HANGS} s"
        time.sleep(0.01)


def free_port() -> int:
    """A port for servers that can't be told to take any."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
        return port


class Launched:
    """A program that was started: its lines (both streams), the port it says it listens on, who answered what."""

    def __init__(self, process: subprocess.Popen[str], port: int = 0) -> None:
        self.process = process
        self.lines: list[str] = []
        self.answers: dict[str, int] = {}
        self._port = port
        self._count = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    def said(self, pattern: str, times: int = 1) -> list[str]:
        """Wait until ``times`` lines match; the lines."""
        lines: list[str] = awaited(lambda: self._found(pattern, times), f"{pattern!r} in {self.lines}")
        return lines

    def says(self, pattern: str, times: int, within: float) -> bool:
        """Whether ``times`` lines match ``within`` seconds."""
        deadline = time.monotonic() + within
        while not self._found(pattern, times):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def _found(self, pattern: str, times: int) -> list[str] | None:
        running = self._reader.is_alive()
        matching = [line for line in list(self.lines) if re.search(pattern, line)]
        assert len(matching) >= times or running, f"ended: {self.lines}"
        return matching if len(matching) >= times else None

    @property
    def port(self) -> int:
        """Where it listens."""
        if not self._port:
            said = self.said(r"127\.0\.0\.1:[1-9]\d*")
            self._port = int(re.search(r"127\.0\.0\.1:([1-9]\d*)", said[0])[1])  # type: ignore[index]
        return self._port

    def ask(self, path: str) -> Any:
        """The answer to one request, as soon as there is one: some name their port before they listen on it.

        None where the server cut the connection: some that end had taken it, but not yet read the request.
        """

        def answer() -> Any:
            assert self.process.poll() is None, f"ended: {self.lines}"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=HANGS) as response:
                    return json.loads(response.read())
            except URLError as error:
                if isinstance(error.reason, ConnectionRefusedError):
                    return None
                if isinstance(error.reason, ConnectionError):
                    raise error.reason from None
                raise

        try:
            return awaited(answer, f"{path} of {self.lines}")
        except ConnectionError:
            return None

    def work(self, until: Callable[[set[int]], bool]) -> set[int]:
        """Let four clients ask, always for something else, until ``until(pids)`` of those who answered; their pids."""
        pids: set[int] = set()

        def one(number: int) -> None:
            path = f"/work/{number}"
            pid = self.ask(path)
            if pid is not None:
                self.answers[path] = pid
                pids.add(pid)

        def some() -> bool:
            with ThreadPoolExecutor(4) as clients:
                list(clients.map(one, range(self._count, self._count + 8)))
            self._count += 8
            return until(pids)

        awaited(some, "requests answered by others")
        return pids

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; the exit status."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Its exit status, once it and all that share its output have ended."""
        status = self.process.wait(HANGS)
        self._reader.join(HANGS)
        assert not self._reader.is_alive(), f"a child outlives it: {self.lines}"
        return status

    @property
    def ours(self) -> list[str]:
        """The agent's own lines."""
        return [line for line in self.lines if line.startswith("tracing-agent")]


@contextmanager
def launched(
    *command: str | Path, cwd: Path, sink: Sink | None = None, traced: bool = True, port: int = 0, **variables: str
) -> Iterator[Launched]:
    """A command that runs in a session of its own, all of which is killed at the end."""
    if sink is not None:
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = sink.endpoint
    process = subprocess.Popen(
        [*(TRACING_RUN if traced else []), *map(str, command)],
        cwd=cwd,
        env=environment(PYTHONUNBUFFERED="1", **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield Launched(process, port)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def served(spans: list[Received]) -> dict[str, int]:
    """The pids of server spans by path; fails if a path was served twice."""
    found = [(span["attributes"]["url.path"], span.pid) for span in spans if span["kind"] == "SERVER"]
    assert len(dict(found)) == len(found), "a request came twice"
    return dict(found)


def one_service(spans: list[Received], name: str) -> None:
    """Whether all are of the service ``name``, and each process of it has an instance id of its own."""
    assert {span["resource"]["service.name"] for span in spans} == {name}
    instances = {(span.pid, span["resource"]["service.instance.id"]) for span in spans}
    assert len(instances) == len({pid for pid, _ in instances}) == len({instance for _, instance in instances})
