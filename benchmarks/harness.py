"""Runs workloads under agents in rounds, interleaved, so that a machine that changes pace changes it for all."""

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from agents import AGENTS, Agent
from backends import Backends
from catalogue import Workload
from lockstep import lockstep
from runs import Bench, whole_runs
from samples import Comparison
from serving import under_load
from sinks import Sink
from soaking import soaking

Say = Callable[[str], None]
Rounds = Callable[[Sequence[Agent], Workload, Bench, Comparison], Generator[None, None, None]]


@dataclass(frozen=True)
class Kind:
    """How the workloads of a kind are run, with how many rounds for each asked for, and the figure shown meanwhile."""

    rounds: Rounds
    times: int
    shown: str


# A start and a turn under load are short, and so there are more of them.
KINDS = {
    "unit": Kind(lockstep, 1, "cpu_us"),
    "span": Kind(lockstep, 1, "cpu_us"),
    "startup": Kind(whole_runs, 3, "wall_ms"),
    "server": Kind(under_load, 3, "requests_s"),
    "soak": Kind(soaking, 1, ""),
}


@dataclass(frozen=True)
class Plan:
    """What is to be measured: `rounds` of each workload under each of `agents`, a timed part lasting `seconds`."""

    workloads: Sequence[Workload]
    agents: Sequence[Agent]
    rounds: int
    seconds: float


def measure(plan: Plan, say: Say) -> dict[str, Comparison]:
    """The samples by the workload's name; one that cannot be run holds the reasons instead."""
    found: dict[str, Comparison] = {}
    with ExitStack() as stack:
        backends = stack.enter_context(Backends(say))
        sinks = {agent.name: stack.enter_context(Sink()) for agent in plan.agents}
        bench = Bench(sinks, backends.addresses, plan.seconds)
        for number, workload in enumerate(plan.workloads, 1):
            agents = [agent for agent in plan.agents if agent.name in workload.agents]
            say(f"[{number}/{len(plan.workloads)}] {workload.name}: {workload.title}")
            comparison = found[workload.name] = Comparison(workload.spans)
            missing = backends.want(workload.needs)
            if missing is not None:
                say(f"    not run: {missing}")
                comparison.failures.update({agent.name: missing for agent in agents})
            elif agents:
                rounds = 1 if workload.kind == "soak" else plan.rounds * KINDS[workload.kind].times
                _rounds(workload, agents, bench, comparison, rounds, say)
    return found


def _rounds(
    workload: Workload, agents: Sequence[Agent], bench: Bench, comparison: Comparison, rounds: int, say: Say
) -> None:
    kind = KINDS[workload.kind]
    with closing(kind.rounds(agents, workload, bench, comparison)) as going:
        for number in range(1, rounds + 1):
            next(going)
            latest = [(name, comparison.rounds.get(name, [])[number - 1 : number]) for name in AGENTS]
            shown = [f"{name} {now[kind.shown]:.1f}" for name, nows in latest for now in nows if now and kind.shown]
            if shown:
                say(f"    round {number}: {', '.join(shown)} {kind.shown}")
    for name, reason in comparison.failures.items():
        say(f"    {AGENTS[name].title} failed: {reason}")


def chosen(names: Sequence[str], known: Sequence[str]) -> tuple[list[str], list[str]]:
    """The known names that begin with one of `names` (all if there is none), and those of `names` that none does."""
    if not names:
        return list(known), []
    unknown = [name for name in names if not any(each.startswith(name) for each in known)]
    return [each for each in known if any(each.startswith(name) for name in names)], unknown


def agents_named(names: Sequence[str]) -> list[Agent]:
    """The agents, always in the same order."""
    return [agent for agent in AGENTS.values() if agent.name in names]
