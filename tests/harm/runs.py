"""One run of a suite: bare, or under `tracing-run` with a receiver of ours to send the spans to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread

from harm.outcomes import Outcomes, read
from harm.sources import CACHE, NotRun, Source
from services.catalogue import open_service
from services.daemon import ServerFailed
from services.redis import RedisCluster
from services.service import Missing
from tracing_watch.model import Span
from tracing_watch.receiver import Receiver

#: Neither fewer plugins nor other settings than the suite's own, but for what a comparison needs: no memory of the run
#: before, a limit for each test that ends the test and not the run, and a log.
PYTEST = ("-m", "pytest", "-q", "--cache-clear", "--timeout=120", "--timeout-method=signal")
#: More test ids than this are not named on a command line: the run again is of the whole suite.
NAMEABLE = 400
SUMMARY = re.compile(r"\d+ [a-z]+ in [\d.]+s")
DROPPED = ("OTEL_", "PYTHON", "PYTEST", "_TRACING", "TEST_", "VIRTUAL_ENV")


class Received:
    """Counts the spans that a run exports; listens on a free port of the loopback."""

    def __init__(self) -> None:
        self.spans = 0
        self.refused: list[str] = []
        self._lock = Lock()
        self._receiver = Receiver("127.0.0.1", 0, self._take, self.refused.append)
        Thread(target=self._receiver.serve_forever, args=(0.05,), daemon=True).start()

    def _take(self, spans: list[Span]) -> bool:
        with self._lock:
            self.spans += len(spans)
        return True

    def variables(self) -> dict[str, str]:
        """What a user would set for a traced program."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._receiver.port}",
            "OTEL_SERVICE_NAME": "harm",
        }

    def close(self) -> None:
        """Stop listening."""
        self._receiver.shutdown()
        self._receiver.server_close()


@dataclass
class Run:
    """What a run did: its outcomes, pytest's last line, its seconds, and how many spans arrived."""

    outcomes: Outcomes
    summary: str
    seconds: float
    spans: int = 0


def bare(source: Source, label: str, limit: float, tests: Sequence[str] = ()) -> Run:
    """Run the suite, or only ``tests``, as without the agent. ``limit`` is in seconds."""
    return _run(source, [str(source.python)], {}, label, limit, tests)


def traced(source: Source, label: str, limit: float, tests: Sequence[str] = ()) -> Run:
    """Run the suite, or only ``tests``, under `tracing-run`."""
    received = Received()
    try:
        command = [str(source.python.with_name("tracing-run")), str(source.python)]
        run = _run(source, command, received.variables(), label, limit, tests)
    finally:
        received.close()
    run.spans = received.spans
    return run


def _run(
    source: Source, command: list[str], variables: Mapping[str, str], label: str, limit: float, tests: Sequence[str]
) -> Run:
    source.renew()
    folder = CACHE / source.suite.name
    log, output = folder / f"{label}.jsonl", folder / f"{label}.txt"
    log.unlink(missing_ok=True)
    started = time.monotonic()
    with _services(source.suite.services) as addresses:
        # Ids of tests are paths from there, also where the library keeps no settings for pytest.
        place = (f"--rootdir={source.folder}", f"--report-log={log}")
        argv = [*command, *PYTEST, *place, *_arguments(source, addresses, tests)]
        environment = {**_environment(source, addresses), **variables}
        with output.open("wb") as stream:
            _finish(argv, source.folder, environment, stream.fileno(), limit)
    return Run(read(log), _summary(output.read_text(errors="replace").splitlines()), time.monotonic() - started)


def _summary(lines: Sequence[str]) -> str:
    """Pytest's last line, after which threads may have said more; else the last one there is."""
    said = [line.strip("= ") for line in lines if line.strip()]
    return next((line for line in reversed(said) if SUMMARY.search(line)), said[-1] if said else "no output")


def _arguments(source: Source, addresses: Mapping[str, str], tests: Sequence[str]) -> list[str]:
    options = [option.format(**addresses) for option in source.suite.options]
    return [*options, *(tests if 0 < len(tests) <= NAMEABLE else source.suite.paths)]


def _environment(source: Source, addresses: Mapping[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(DROPPED)}
    kept["PATH"] = os.pathsep.join([str(source.python.parent), kept.get("PATH", os.defpath)])
    # Parameters taken from sets give the same ids in each run.
    kept["PYTHONHASHSEED"] = "0"
    kept.update({key: value.format(**addresses) for key, value in source.suite.variables.items()})
    return kept


def _finish(argv: Sequence[str], cwd: Path, environment: Mapping[str, str], output: int, limit: float) -> None:
    """Wait for the command, at most ``limit`` seconds; what is left of its session is killed then."""
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        pass
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


@contextmanager
def _services(names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Real servers, started for this run alone; their addresses as variables. Raises `NotRun`."""
    addresses: dict[str, str] = {}
    with ExitStack() as stack:
        for name in names:
            try:
                service = stack.enter_context(open_service(name))
            except (Missing, ServerFailed) as error:
                raise NotRun(str(error)) from error
            addresses.update(service.environment())
            if isinstance(service, RedisCluster):
                addresses["TEST_REDIS_CLUSTER_URL"] = service.url
        yield addresses
