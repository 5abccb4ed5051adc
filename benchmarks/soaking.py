"""The soak: one long run, whose lines `N requests: RSS X MB` are shown as they come and kept."""

import re
import tempfile
from collections.abc import Generator, Sequence

from agents import Agent
from catalogue import Workload
from runs import Bench, ended, start
from samples import Comparison, RunFailed, Sample

LINE = re.compile(r"(\d+) requests: RSS ([\d.]+) MB")


def soaking(
    agents: Sequence[Agent], workload: Workload, bench: Bench, comparison: Comparison
) -> Generator[None, None, None]:
    """One run an agent; a sample has resident memory in MB by the number of requests, `after_N`."""
    for agent in comparison.going(agents):
        try:
            comparison.add(agent.name, _soak(agent, workload, bench))
        except RunFailed as failure:
            comparison.add(agent.name, failure)
    yield


def _soak(agent: Agent, workload: Workload, bench: Bench) -> Sample:
    sample: Sample = {}
    with tempfile.TemporaryFile() as errors:
        process = start(agent, workload, bench, errors, lines=True)
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdin.close()
        with process.stdout:
            for line in process.stdout:
                print(line, end="", flush=True)
                if found := LINE.match(line):
                    sample[f"after_{found[1]}"] = float(found[2])
        ended(process, errors)
    return sample
