"""What `scripts/harm` makes of two runs of a suite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harm.compare import judged
from harm.explained import EXPLAINED, Explained, reason, unneeded
from harm.outcomes import read
from harm.suites import SUITES

KNOWN = (Explained("shop", "tests/test_a.py::test_*[one]", "as meant"),)


def report(test: str, outcome: str, when: str = "call", **more: Any) -> dict[str, Any]:
    """A line of the log."""
    return {"$report_type": "TestReport", "nodeid": test, "when": when, "outcome": outcome, **more}


def written(folder: Path, *lines: dict[str, Any], end: str = "") -> Path:
    """A log of these lines."""
    log = folder / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines) + end)
    return log


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([report("t", "passed", "setup"), report("t", "passed"), report("t", "passed", "teardown")], "passed"),
        ([report("t", "passed", "setup"), report("t", "failed"), report("t", "passed", "teardown")], "failed"),
        ([report("t", "failed", "setup"), report("t", "passed", "teardown")], "error"),
        ([report("t", "passed"), report("t", "failed", "teardown")], "error"),
        ([report("t", "skipped", "setup")], "skipped"),
        ([report("t", "skipped", wasxfail="")], "xfailed"),
        ([report("t", "passed", wasxfail="")], "xpassed"),
    ],
)
def test_a_test_is_the_worst_of_its_phases(tmp_path: Path, reports: list[dict[str, Any]], expected: str) -> None:
    """A test's outcome is the worst of its phases', and an expected failure is not a skipped test."""
    assert read(written(tmp_path, *reports)).tests == {"t": expected}


def test_a_file_that_cannot_be_collected(tmp_path: Path) -> None:
    """A module whose import fails is an error under its own name."""
    failed = {"$report_type": "CollectReport", "nodeid": "tests/test_a.py", "outcome": "failed", "longrepr": "no shop"}
    outcomes = read(written(tmp_path, failed, {"$report_type": "SessionFinish", "exitstatus": 2}))
    assert (outcomes.tests, outcomes.status) == ({"tests/test_a.py": "error"}, 2)
    assert outcomes.messages == {"tests/test_a.py": "no shop"}


def test_a_run_that_was_cut_short(tmp_path: Path) -> None:
    """The log of a run that was killed has what came before, and no status."""
    outcomes = read(written(tmp_path, report("t", "passed"), end='{"$report_type": "TestRep'))
    assert (outcomes.tests, outcomes.status) == ({"t": "passed"}, None)
    assert read(tmp_path / "never.jsonl").tests == {}


def test_faults_of_the_agent_are_found(tmp_path: Path) -> None:
    """What the agent says of its own faults during a test is found, although the test passed."""
    said = "tracing-agent: warning: shop instrumentation failed (KeyError: 'a' at shop.py:60); the program goes on"
    outcomes = read(written(tmp_path, report("t", "passed", sections=[["Captured stderr call", said]])))
    assert outcomes.faults == {"shop instrumentation failed (KeyError: 'a' at shop.py:60)"}


def test_differences_are_judged() -> None:
    """What differs in two bare runs is flaky, what is known is explained, and all else counts, lost tests too."""
    bare = {
        "same": "passed",
        "flaky": "passed",
        "broken": "passed",
        "once": "passed",
        "gone": "failed",
        "lost": "passed",
    }
    traced = {"same": "passed", "flaky": "failed", "broken": "failed", "once": "failed", "new": "passed"}
    again = (
        {"flaky": "failed", "broken": "passed", "once": "passed", "gone": "failed"},
        {"flaky": "failed", "broken": "failed", "once": "passed", "new": "passed"},
    )
    found = {entry.test: entry for entry in judged(bare, traced, again, {"gone": "as meant"}.get)}
    assert {test for test, entry in found.items() if entry.unexplained} == {"broken", "once", "new", "lost"}
    assert found["flaky"].flaky
    assert str(found["gone"]) == "gone: failed bare, absent traced (explained: as meant)"
    assert str(found["once"]) == "once: passed bare, failed traced (alone passed traced)"


@pytest.mark.parametrize(
    ("suite", "test", "expected"),
    [
        ("shop", "tests/test_a.py::test_b[one]", "as meant"),
        ("shop", "tests/test_a.py::test_b[none]", None),
        ("shop", "tests/test_a.py::test_b[one]-more", None),
        ("bank", "tests/test_a.py::test_b[one]", None),
    ],
)
def test_explanations_are_for_the_tests_they_name(suite: str, test: str, expected: str | None) -> None:
    """Only a star stands for any text, and an explanation holds for one suite."""
    assert reason(suite, test, KNOWN) == expected


def test_explanations_go_when_they_are_not_needed() -> None:
    """An explanation of a test that is the same is named, and one of another suite is not."""
    assert unneeded("shop", ["tests/test_a.py::test_c[two]"], KNOWN) == ["tests/test_a.py::test_*[one]"]
    assert unneeded("shop", ["tests/test_a.py::test_b[one]"], KNOWN) == unneeded("bank", [], KNOWN) == []


def test_explanations_name_suites() -> None:
    """Every explanation belongs to a suite that there is."""
    assert {entry.suite for entry in EXPLAINED} <= {suite.name for suite in SUITES}
