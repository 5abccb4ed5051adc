"""The workflow and the image's recipe: that they are well formed, and do what the project's own scripts do."""

from __future__ import annotations

import os
import re
from typing import Any

import yaml

from support.program import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
RECIPE = ROOT / ".github" / "image" / "Dockerfile"


def workflow() -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return found


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_workflow_is_well_formed() -> None:
    """Every job has a machine, a time limit and steps that each run or use one thing, and waits for jobs that exist."""
    jobs = workflow()["jobs"]
    for job in jobs.values():
        assert set(job) <= {
            "if",
            "needs",
            "runs-on",
            "timeout-minutes",
            "environment",
            "permissions",
            "strategy",
            "env",
            "steps",
        }
        assert job["runs-on"] and job["timeout-minutes"] <= 60
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])
        assert set(job.get("needs", [])) <= set(jobs)
        for step in job["steps"]:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[\w./-]+", step.get("uses", "a/b@v1"))
    # YAML takes the key `on` for a boolean.
    assert workflow()[True]["push"]["tags"] == ["v*"]


def test_it_does_what_ci_does() -> None:
    """All that .ci/run runs is run by the workflow, by scripts that exist."""
    run = [
        line for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines() if line.startswith("scripts/")
    ]
    jobs = workflow()["jobs"]
    told = [command for job in jobs.values() for command in commands(job)]
    assert run and set(run) <= set(told)
    for command in told:
        script = next((word for word in command.split() if word.startswith("scripts/")), "scripts/test")
        assert os.access(ROOT / script, os.X_OK)


def test_every_interpreter() -> None:
    """Every minor version from the oldest supported one on is tested once."""
    jobs = workflow()["jobs"]
    all_at_once = next(
        step["with"]["python-version"] for step in jobs["all"]["steps"] if "setup-python" in step.get("uses", "")
    )
    found = [*all_at_once.split(), *jobs["between"]["strategy"]["matrix"]["python"]]
    minors = sorted(int(version.partition(".")[2]) for version in found)
    assert minors == list(range(10, 15))
    # The last one that is set up is `python3`.
    assert all_at_once.split()[-1] == "3.11"


def test_publishing() -> None:
    """A tag alone publishes, after everything else, without a stored secret."""
    publish = workflow()["jobs"]["publish"]
    assert publish["if"] == "startsWith(github.ref, 'refs/tags/v')"
    assert {"lint", "all", "backends", "between", "build"} == set(publish["needs"])
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"] == "pypi"
    assert "secrets." not in WORKFLOW.read_text(encoding="utf-8")
    assert "python -m build" in commands(workflow()["jobs"]["build"])


def test_the_image_holds_the_tree_alone() -> None:
    """The last stage is empty but for one copy of the folder that `pip install --target` filled."""
    lines = [line for line in RECIPE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    last = max(number for number, line in enumerate(lines) if line.startswith("FROM "))
    assert lines[last:] == ["FROM scratch", "COPY --from=tree /otel /otel"]
    assert any("pip install" in line and "--target /otel" in line for line in lines[:last])
