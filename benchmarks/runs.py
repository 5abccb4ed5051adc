"""What runs under an agent share: the command, its environment, its end, and what reached the sink."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import environments
from agents import Agent
from catalogue import Workload
from samples import Comparison, RunFailed, Sample
from sinks import Sink

SCRIPTS = Path(__file__).with_name("workloads")
TIMEOUT = 60.0
# Units before the sink's mark, as in workloads/measure.py.
MARKED = 100


@dataclass(frozen=True)
class Bench:
    """What runs share: a sink for each agent, the variables of each server, seconds of a timed part."""

    sinks: Mapping[str, Sink]
    addresses: Mapping[str, Mapping[str, str]]
    seconds: float


def variables(agent: Agent, workload: Workload, bench: Bench) -> dict[str, str]:
    """The environment of a run."""
    sink = bench.sinks[agent.name]
    return {
        **environments.environment(agent),
        # Only what it needs: an application imports the libraries of the servers that it has an address for.
        **{name: value for need in workload.needs for name, value in bench.addresses.get(need, {}).items()},
        **agent.variables(sink.url, always_off=workload.always_off),
        **workload.environment,
        "BENCH_AGENT": agent.name,
        "BENCH_SINK_PORT": str(sink.port),
    }


def start(agent: Agent, workload: Workload, bench: Bench, errors: IO[bytes], *, lines: bool) -> "subprocess.Popen[str]":
    """Start the workload's command under the agent; with `lines`, standard input and output are pipes."""
    pipe = subprocess.PIPE if lines else subprocess.DEVNULL
    return subprocess.Popen(
        [*agent.launcher, *workload.command],
        cwd=SCRIPTS,
        env={**variables(agent, workload, bench), **({"BENCH_LOCKSTEP": "1"} if lines else {})},
        stdin=pipe,
        stdout=pipe,
        stderr=errors,
        text=True,
    )


def ended(process: "subprocess.Popen[str]", errors: IO[bytes]) -> float:
    """Wait for the end; CPU in seconds, of its own children too. Kills it after `TIMEOUT`, or if we are ended.

    Raises `RunFailed` for an exit status other than 0.
    """
    overdue = threading.Timer(TIMEOUT, process.kill)
    overdue.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        raise
    finally:
        overdue.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode == -signal.SIGKILL:
        raise RunFailed(f"killed: it had not gone on after {TIMEOUT:.0f} s")
    if process.returncode != 0:
        raise RunFailed(f"exit status {process.returncode}: {last_line(errors)}")
    return usage.ru_utime + usage.ru_stime


def last_line(errors: IO[bytes]) -> str:
    """The end of what a process wrote to standard error."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing on standard error"


def whole_runs(
    agents: Sequence[Agent], workload: Workload, bench: Bench, comparison: Comparison
) -> Generator[None, None, None]:
    """Whole processes, one an agent each round; goes on to the next round when asked."""
    while True:
        for agent in comparison.going(agents):
            with tempfile.TemporaryFile() as errors:
                try:
                    comparison.add(agent.name, _whole(agent, workload, bench, errors))
                except RunFailed as failure:
                    comparison.add(agent.name, failure)
        yield


def _whole(agent: Agent, workload: Workload, bench: Bench, errors: IO[bytes]) -> Sample:
    """A process from its start to its end: wall and CPU in ms."""
    begin = time.perf_counter()
    process = start(agent, workload, bench, errors, lines=False)
    cpu = ended(process, errors)
    return {"wall_ms": (time.perf_counter() - begin) * 1000, "cpu_ms": cpu * 1000}


def received(sink: Sink, units: float, kind: str) -> Sample:
    """Spans for each of `units` at the sink, and the share that they are of those made."""
    stats = sink.stats()
    sample: Sample = {"spans": stats["spans"] / units, "sent_kb": stats["bytes"] / 1024, "unread": stats["unread"]}
    # A span script makes one a unit; of others it is known from the units before the mark.
    each = 1.0 if kind == "span" else stats["marked"] / MARKED
    if each:
        sample["arrived"] = sample["spans"] / each
    return sample
