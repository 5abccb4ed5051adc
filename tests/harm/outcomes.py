"""What a pytest run did, test by test, read from the log that pytest-reportlog writes while it goes.

The log and not JUnit's XML: it holds pytest's own test ids, with which single tests are run again, tells xfailed from
skipped, and is there up to the last finished test when a run is cut short.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: From the best to the worst: a test is the worst that one of its phases was.
ORDER = ("passed", "skipped", "xfailed", "xpassed", "failed", "error")
#: What the agent says of a fault of its own, as `tracing_agent.faults` words it.
FAULT = re.compile(r"tracing-agent: (?:warning|error): ((?:[^;\"\\]*? failed \(|\S+: switched off )[^;\"\\]*)")


@dataclass
class Outcomes:
    """One run: ``tests`` maps ids to a word of `ORDER`; ``messages`` has the first line of what failed.

    ``faults`` are those that the agent reported on standard error, which a log of pytest's holds for each test.
    ``status`` is pytest's exit status, 0 or 1 for a run of all tests; None if it did not get there.
    """

    tests: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    faults: set[str] = field(default_factory=set)
    status: int | None = None

    def add(self, entry: dict[str, Any]) -> None:
        """Take one line of the log."""
        kind = entry.get("$report_type")
        if kind == "SessionFinish":
            self.status = entry["exitstatus"]
        elif kind == "TestReport" or (kind == "CollectReport" and entry["outcome"] == "failed"):
            test, outcome = entry["nodeid"], _outcome(entry)
            if ORDER.index(outcome) >= ORDER.index(self.tests.get(test, "passed")):
                self.tests[test] = outcome
            if outcome in ("failed", "error"):
                self.messages.setdefault(test, _message(entry.get("longrepr")))


def read(log: Path) -> Outcomes:
    """The outcomes in ``log``; a last line that was not written whole is left out."""
    outcomes = Outcomes()
    if log.exists():
        with log.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                except ValueError:
                    break
                outcomes.add(entry)
                outcomes.faults.update(FAULT.findall(line))
    return outcomes


def _outcome(entry: dict[str, Any]) -> str:
    outcome = str(entry["outcome"])
    if "wasxfail" in entry:
        return {"skipped": "xfailed", "passed": "xpassed"}.get(outcome, outcome)
    return "error" if outcome == "failed" and entry.get("when") != "call" else outcome


def _message(longrepr: Any) -> str:
    if isinstance(longrepr, dict):
        longrepr = ((longrepr.get("reprcrash") or {}).get("message")) or longrepr.get("longrepr") or ""
    lines = [line for line in str(longrepr).splitlines() if line.strip()]
    return lines[0].strip() if lines else ""
