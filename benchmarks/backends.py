"""The servers that workloads ask: PostgreSQL, Redis and Kafka as the tests start them, and a page of our own."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from types import TracebackType

import environments
from agents import AGENTS
from sinks import Sink

# What a workload's script reads, and what the tests' services call it.
VARIABLES = {
    "postgres": ("BENCH_POSTGRES", "TEST_POSTGRES_DSN"),
    "redis": ("BENCH_REDIS", "TEST_REDIS_URL"),
    "kafka": ("BENCH_KAFKA", "TEST_KAFKA_BOOTSTRAP"),
}
KEEPER = "TEST_SERVICES_PID"


class Backends:
    """Servers started when first needed and stopped at the end; a context manager.

    `addresses` are the variables of each that runs, `missing` the reason for each that cannot be had.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.addresses: dict[str, dict[str, str]] = {}
        self.missing: dict[str, str] = {}
        self._keepers: dict[str, str] = {}
        self._page: Sink | None = None

    def want(self, names: Iterable[str]) -> str | None:
        """Have the servers run; the reason if one cannot be had."""
        for name in names:
            if name == "page":
                if self._page is None:
                    self._page = Sink()
                    self.addresses[name] = {"BENCH_PAGE": f"{self._page.url}/page"}
            elif name not in self.addresses and name not in self.missing:
                self._start(name)
            if name in self.missing:
                return f"{name} cannot be had: {self.missing[name]}"
        return None

    def _start(self, name: str) -> None:
        ours, theirs = VARIABLES[name]
        if theirs not in os.environ:
            self.say(f"starting {name}")
        printed, errors = _services("up", name)
        words = [word for line in printed.splitlines() for word in shlex.split(line) if "=" in word]
        found = {key: value for key, _, value in (word.partition("=") for word in words)}
        if KEEPER in found:
            self._keepers[name] = found[KEEPER]
        if theirs not in found:
            self.missing[name] = (errors.strip().splitlines() or ["it gave no address"])[-1]
            return
        self.addresses[name] = {ours: found[theirs]}
        if name == "kafka":
            self._fill()

    def _fill(self) -> None:
        """Put messages into the topic that is consumed."""
        bare = AGENTS["bare"]
        command = ["python", "kafka_fill.py"]
        environment = {**environments.environment(bare), **self.addresses["kafka"]}
        folder = environments.ROOT / "benchmarks" / "workloads"
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.missing["kafka"] = "its topic could not be filled: " + done.stderr.strip().splitlines()[-1]

    def __enter__(self) -> "Backends":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for keeper in self._keepers.values():
            _services("down", **{KEEPER: keeper})
        if self._page is not None:
            self._page.__exit__(None, None, None)


def _services(*words: str, **variables: str) -> tuple[str, str]:
    """What the tests' services print, and their errors: through a file, as a pipe would stay open with the servers."""
    command = [sys.executable, "-m", "services", *words]
    folder, environment = environments.ROOT / "tests", {**os.environ, **variables}
    with tempfile.TemporaryFile("w+") as errors:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True, check=False
        )
        errors.seek(0)
        return done.stdout, errors.read()
