"""Times a unit of work inside the process that an agent runs in: CPU of all threads, the export and a flush included.

A workload's script calls `sync`, `asynchronous` or `follow` with what it repeats. Under the harness (BENCH_LOCKSTEP) it
then follows lines on standard input: `run SECONDS` repeats for that long and answers `done`, `begin` makes what comes
count, `end` flushes and answers with the figures as JSON. So the processes of several agents can take turns. By hand
it runs once, for BENCH_SECONDS.
"""

import json
import os
import resource
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

AGENT = os.environ.get("BENCH_AGENT", "bare")
SECONDS = float(os.environ.get("BENCH_SECONDS", "1"))
# Units between two looks at the clock.
STEP = 20
# Units run before all others; from the spans of these the harness knows how many a unit makes.
MARKED = 100


@dataclass
class Stretch:
    """Work done: units, seconds of wall time, and of CPU of the threads that did it."""

    units: int = 0
    wall: float = 0.0
    thread: float = 0.0

    def add(self, other: "Stretch") -> None:
        self.units += other.units
        self.wall += other.wall
        self.thread += other.thread


@dataclass
class Account:
    """What counts since `begin`, and all units of the process's life."""

    flush: Callable[[], object]
    life: int = 0
    done: Stretch = field(default_factory=Stretch)
    cpu: float = 0.0
    usage: resource.struct_rusage = field(default_factory=lambda: resource.getrusage(resource.RUSAGE_SELF))

    def begin(self) -> None:
        """Flush what was warm-up, and count from here."""
        self.flush()
        self.done = Stretch()
        self.usage = resource.getrusage(resource.RUSAGE_SELF)
        self.cpu = time.process_time()

    def add(self, stretch: Stretch) -> None:
        self.life += stretch.units
        self.done.add(stretch)

    def end(self) -> dict[str, float]:
        """Flush, and the cost of a unit in microseconds: CPU since `begin`, idle turns and the flush included."""
        resident = memory_kib("VmRSS")
        self.flush()
        cpu, usage = time.process_time(), resource.getrusage(resource.RUSAGE_SELF)
        each = 1e6 / self.done.units
        return {
            "cpu_us": (cpu - self.cpu) * each,
            "user_us": (usage.ru_utime - self.usage.ru_utime) * each,
            "system_us": (usage.ru_stime - self.usage.ru_stime) * each,
            "thread_us": self.done.thread * each,
            "wall_us": self.done.wall * each,
            "rss_mb": resident / 1024,
            "peak_mb": memory_kib("VmHWM") / 1024,
            "life_cpu_s": cpu,
            "units": self.life,
        }


def sync(unit: Callable[[], object]) -> None:
    """Time `unit`."""

    def repeat(seconds: float) -> Stretch:
        begin, thread, units = time.perf_counter(), time.thread_time(), 0
        while (wall := time.perf_counter() - begin) < seconds or not units:
            for _ in range(STEP):
                unit()
            units += STEP
        return Stretch(units, wall, time.thread_time() - thread)

    flush = flusher()
    for _ in range(MARKED):
        unit()
    flush()
    mark()
    follow(repeat, flush, MARKED)


async def asynchronous(unit: Callable[[], Awaitable[object]]) -> None:
    """The same for a unit that is awaited."""
    flush = flusher()
    for _ in range(MARKED):
        await unit()
    flush()
    mark()
    account = Account(flush, MARKED)
    for seconds in turns(account):
        begin, thread, units = time.perf_counter(), time.thread_time(), 0
        while (wall := time.perf_counter() - begin) < seconds or not units:
            for _ in range(STEP):
                await unit()
            units += STEP
        account.add(Stretch(units, wall, time.thread_time() - thread))


def follow(repeat: Callable[[float], Stretch], flush: Callable[[], object], before: int = 0) -> None:
    """Time what `repeat` does in the seconds that it is given; `before` units were done already."""
    account = Account(flush, before)
    for seconds in turns(account):
        account.add(repeat(seconds))


def turns(account: Account) -> Iterator[float]:
    """The seconds of each turn, as the harness asks for them; between two of these the process is idle."""
    if "BENCH_LOCKSTEP" not in os.environ:
        yield SECONDS / 3
        account.begin()
        yield SECONDS
        answer(json.dumps(account.end()))
        return
    answer("ready")
    for line in sys.stdin:
        word, _, seconds = line.strip().partition(" ")
        if word == "run":
            yield float(seconds)
            answer("done")
        elif word == "begin":
            account.begin()
            answer("begun")
        else:
            answer(json.dumps(account.end()))
            return


def answer(line: str) -> None:
    """Say something to the harness."""
    print(line, flush=True)


def mark() -> None:
    """Tell the sink, over a bare socket, that `MARKED` units are done and flushed."""
    if "BENCH_SINK_PORT" in os.environ:
        with socket.create_connection(("127.0.0.1", int(os.environ["BENCH_SINK_PORT"]))) as sink:
            sink.sendall(b"GET /mark HTTP/1.1\r\n\r\n")
            sink.recv(1024)


def flusher() -> Callable[[], object]:
    """The call that makes the agent send what it holds, looked up now so that the look-up is not timed."""
    if AGENT == "dd":
        from importlib import import_module

        return cast("Callable[[], object]", import_module("ddtrace.trace").tracer.flush)
    if AGENT == "bare":
        return lambda: None
    from opentelemetry.trace import get_tracer_provider

    flush: Callable[[], object] = getattr(get_tracer_provider(), "force_flush", lambda: None)
    return flush


def memory_kib(field: str) -> int:
    """A memory figure of this process in KiB: VmRSS (resident now) or VmHWM (its peak)."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))


def option(name: str, default: str = "") -> str:
    """The value of `name=value` on the command line; no dashes, as a launcher may take options for its own."""
    prefix = f"{name}="
    return next((word[len(prefix) :] for word in sys.argv if word.startswith(prefix)), default)
