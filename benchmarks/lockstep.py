"""A round of a workload whose script times itself: one process an agent, taking short turns.

What else the machine does then falls on all agents alike, which whole runs one after the other do not give.
"""

import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from types import TracebackType

from agents import Agent
from catalogue import Workload
from runs import TIMEOUT, Bench, ended, last_line, received, start
from samples import Comparison, RunFailed, Sample

TURN_SECONDS = 0.05


class Script:
    """A workload's process under an agent, that waits for its turns. Every method raises `RunFailed`."""

    def __init__(self, agent: Agent, workload: Workload, bench: Bench) -> None:
        self.workload, self.sink = workload, bench.sinks[agent.name]
        self.sink.reset()
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by __exit__, as the process lives as long
        self.process: subprocess.Popen[str] = start(agent, workload, bench, self.errors, lines=True)

    def expect(self, word: str) -> None:
        """Wait for an answer."""
        line = self._line()
        if line != word:
            raise RunFailed(f"it answered {line!r} instead of {word!r}")

    def tell(self, line: str, word: str) -> None:
        """Say a line and wait for the answer to it."""
        self._say(line)
        self.expect(word)

    def end(self) -> Sample:
        """Have it flush, and end; its figures, and the CPU of its whole life as its parent sees it."""
        self._say("end")
        sample: Sample = json.loads(self._line())
        sample["process_cpu_s"] = ended(self.process, self.errors)
        return {**sample, **received(self.sink, sample["units"], self.workload.kind)}

    def __enter__(self) -> "Script":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        self.errors.close()

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise RunFailed(f"it has ended: {last_line(self.errors)}") from error

    def _line(self) -> str:
        assert self.process.stdout is not None
        overdue = threading.Timer(TIMEOUT, self.process.kill)
        overdue.start()
        line = self.process.stdout.readline().strip()
        overdue.cancel()
        if not line:
            ended(self.process, self.errors)
            raise RunFailed(f"it ended without an answer: {last_line(self.errors)}")
        return line


def lockstep(
    agents: Sequence[Agent], workload: Workload, bench: Bench, comparison: Comparison
) -> Generator[None, None, None]:
    """Rounds of a workload, each with new processes; goes on to the next round when asked."""
    while True:
        _round(comparison.going(agents), workload, bench, comparison)
        yield


def _round(agents: Sequence[Agent], workload: Workload, bench: Bench, comparison: Comparison) -> None:
    with ExitStack() as stack:
        scripts = {agent.name: stack.enter_context(Script(agent, workload, bench)) for agent in agents}

        def each(act: Callable[[Script], Sample | None]) -> None:
            for agent in comparison.going(agents):
                try:
                    sample = act(scripts[agent.name])
                except RunFailed as failure:
                    comparison.add(agent.name, failure)
                else:
                    if sample is not None:
                        comparison.add(agent.name, sample)

        each(lambda script: script.expect("ready"))
        each(lambda script: script.tell(f"run {bench.seconds / 3}", "done"))
        each(lambda script: script.tell("begin", "begun"))
        for _ in range(round(bench.seconds / TURN_SECONDS)):
            each(lambda script: script.tell(f"run {TURN_SECONDS}", "done"))
        each(Script.end)
