"""`scripts/harm`: runs the suites bare and traced, prints what differs, and keeps the logs."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harm import runs
from harm.compare import Difference, different, judged
from harm.explained import reason, unneeded
from harm.sources import CACHE, ROOT, NotRun, Wanted, prepare
from harm.suites import SUITES

BY_NAME = {suite.name: suite for suite in SUITES}
DESCRIPTION = """\
Runs the libraries' own test-suites bare and under tracing-run, and prints each test that does not come out the same.
Exit code: 0 all the same or explained, 1 a difference that nobody has explained or a fault of the
agent's own, 2 a suite that could not be run whole.
"""


@dataclass
class Result:
    """A row of the table. ``faults`` are the agent's own; ``trouble`` is why a suite was not run, or not whole."""

    name: str
    version: str = "-"
    tests: int = 0
    passed: int = 0
    spans: int = 0
    differences: list[Difference] = field(default_factory=list)
    messages: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    trouble: str = ""

    @property
    def harmed(self) -> bool:
        """Whether anything counts against the agent: a difference that nobody has explained, or a fault of its own."""
        return bool(self.faults) or any(entry.unexplained for entry in self.differences)

    def row(self) -> tuple[str, ...]:
        """The cells: suite, version, tests, how many of them pass bare, same, different, explained, flaky, spans."""
        explained = sum(1 for entry in self.differences if not entry.flaky and entry.reason is not None)
        flaky = sum(1 for entry in self.differences if entry.flaky)
        counts = (
            self.tests,
            self.passed,
            self.tests - len(self.differences),
            len(self.differences) - explained - flaky,
            explained,
            flaky,
            self.spans,
        )
        return (self.name, self.version, *(f"{count:,}" for count in counts))


HEADINGS = ("suite", "version", "tests", "pass", "same", "different", "explained", "flaky", "spans")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code."""
    parser = argparse.ArgumentParser(
        prog="scripts/harm", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE[==VERSION][@CHECKOUT]", help=f"default: all of {', '.join(BY_NAME)}"
    )
    parser.add_argument("--limit", type=float, default=720.0, metavar="SECONDS", help="for each run (default 720)")
    options = parser.parse_args(arguments)
    # Every way out then passes through the finally blocks that end the runs and their servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    wanted = [_wanted(parser, text) for text in options.suites or list(BY_NAME)]
    results = []
    for one in wanted:
        result = _examine(one, options.limit)
        results.append(result)
        if len(wanted) > 1:
            _print([result])
    _print(results)
    if any(result.harmed for result in results):
        return 1
    return 2 if any(result.trouble for result in results) else 0


def _wanted(parser: argparse.ArgumentParser, text: str) -> Wanted:
    found = re.fullmatch(r"([\w-]+)(?:==([\w.]+))?(?:@(.+))?", text)
    if found is None or found[1] not in BY_NAME:
        parser.error(f"no suite is called {text}; there are {', '.join(BY_NAME)}")
    checkout = Path(found[3]).resolve() if found[3] else None
    if checkout is not None and not checkout.is_dir():
        parser.error(f"{found[3]} is no folder; a checkout of {found[1]} is one that holds its tests")
    return Wanted(BY_NAME[found[1]], found[2], checkout)


def _examine(wanted: Wanted, limit: float) -> Result:
    """Run one suite bare and traced, and what differs once more each."""
    result = Result(wanted.suite.name)
    try:
        source = prepare(wanted)
        result.version = source.version
        bare = runs.bare(source, "bare", limit)
        _say(f"{result.name} {result.version} bare: {bare.summary}")
        traced = runs.traced(source, "traced", limit)
        _say(f"{result.name} {result.version} traced: {traced.summary}; {traced.spans} spans")
        result.tests = len({**bare.outcomes.tests, **traced.outcomes.tests})
        result.passed = list(bare.outcomes.tests.values()).count("passed")
        result.spans = traced.spans
        result.messages = {**bare.outcomes.messages, **traced.outcomes.messages}
        result.faults = sorted(traced.outcomes.faults)
        result.trouble = _trouble(wanted, bare, traced, limit)
        tests = different(bare.outcomes.tests, traced.outcomes.tests)
        if tests:
            again = (
                runs.bare(source, "bare-again", limit, tests).outcomes.tests,
                runs.traced(source, "traced-again", limit, tests).outcomes.tests,
            )
            result.differences = judged(
                bare.outcomes.tests, traced.outcomes.tests, again, lambda test: reason(result.name, test)
            )
    except NotRun as error:
        result.trouble = f"not run: {error}"
    return result


def _trouble(wanted: Wanted, bare: runs.Run, traced: runs.Run, limit: float) -> str:
    for label, run in (("bare", bare), ("traced", traced)):
        if run.outcomes.status is None:
            how = f"was cut short at {limit:.0f} s" if run.seconds >= limit else "died"
            return f"the {label} run {how} after {len(run.outcomes.tests)} tests: {run.summary}"
        if run.outcomes.status not in (0, 1):
            return f"the {label} run did not come to its tests: {run.summary}"
    if wanted.suite.spans and not traced.spans:
        return "no span was received, so nothing was compared"
    return ""


def _print(results: Sequence[Result]) -> None:
    rows = [HEADINGS, *(result.row() for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    print()
    for row in rows:
        # Two columns of words, the others of numbers.
        words = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        print("  ".join(words + [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]))
    for result in results:
        if result.trouble:
            print(f"{result.name}: {result.trouble}")
        for fault in result.faults:
            print(f"{result.name}: the agent reported a fault of its own: {fault}")
        for difference in result.differences:
            print(f"{result.name}: {difference}")
            if difference.unexplained and difference.test in result.messages:
                print(f"    {result.messages[difference.test]}")
        if result.tests and not result.trouble:
            for pattern in unneeded(result.name, [difference.test for difference in result.differences]):
                print(f"{result.name}: explained.py explains {pattern}, which is the same here; take it out")
    print(f"logs: {CACHE.relative_to(ROOT)}", flush=True)


def _say(text: str) -> None:
    print(f"harm: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
