"""The command line of the benchmarks: `scripts/bench`."""

import argparse
import json
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import environments
from agents import AGENTS, Agent
from catalogue import WORKLOADS, Workload, soak
from environments import SetupFailed
from harness import Plan, agents_named, chosen, measure
from machine import description, loads
from report import inserted, report
from samples import Comparison

ROUNDS, SECONDS = 5, 1.5
QUICK_ROUNDS, QUICK_SECONDS = 2, 0.4


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report. 0 whatever the figures are and whatever could not be measured; 2 for a wrong command line."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(argv)
    workloads = _workloads(options)
    # Servers and sinks are stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        agents = _agents(options)
    except SetupFailed as error:
        say(f"nothing can be measured: {error}")
        return 0
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    seconds = QUICK_SECONDS if options.quick else SECONDS
    about = description(shlex.join(["scripts/bench", *argv]), rounds, seconds)
    found = measure(Plan(workloads, agents, rounds, seconds), say)
    about["Load average (1, 5 min) after"] = loads()
    text = report(about, found, [workload for workload in workloads if workload.kind == "soak"])
    print(f"\n{text}", flush=True)
    _write(options, about, found, text)
    return 0


def say(line: str) -> None:
    """Tell what is being done."""
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure this agent beside no agent and two others.", epilog=_names()
    )
    parser.add_argument("--quick", action="store_true", help="two short rounds: a look, not a measurement")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="workloads whose names begin so")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"rounds of each workload (default {ROUNDS})")
    parser.add_argument("--agents", default=",".join(AGENTS), help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put the tables between the file's markers")
    parser.add_argument("--soak", type=int, metavar="N", help="only a soak of N Flask requests under tracing-run")
    parser.add_argument("--update", action="store_true", help="resolve the newest versions again")
    return parser


def _names() -> str:
    return f"workloads: {' '.join(WORKLOADS)}"


def _workloads(options: argparse.Namespace) -> list[Workload]:
    names, unknown = chosen(options.only, list(WORKLOADS))
    if unknown:
        _parser().error(f"no workload begins with {', '.join(unknown)}; {_names()}")
    if options.soak:
        return [*([WORKLOADS[name] for name in names] if options.only else []), soak(options.soak)]
    return [WORKLOADS[name] for name in names]


def _agents(options: argparse.Namespace) -> list[Agent]:
    names = options.agents.split(",")
    unknown = [name for name in names if name not in AGENTS]
    if unknown:
        _parser().error(f"no agent is called {', '.join(unknown)}; there are {', '.join(AGENTS)}")
    agents = agents_named(names)
    failed = environments.prepare(agents, say, update=options.update)
    for name, reason in failed.items():
        say(f"{AGENTS[name].title} is left out: {reason}")
    return [agent for agent in agents if agent.name not in failed]


def _write(options: argparse.Namespace, about: dict[str, str], found: dict[str, Comparison], text: str) -> None:
    if options.json:
        samples = {name: {"rounds": each.rounds, "failures": each.failures} for name, each in found.items()}
        options.json.write_text(json.dumps({"about": about, "workloads": samples}, indent=1) + "\n")
    if options.markdown:
        try:
            options.markdown.write_text(inserted(options.markdown.read_text(), text))
        except (OSError, ValueError) as error:
            say(f"{options.markdown} was not written: {error}")


if __name__ == "__main__":
    sys.exit(main())
