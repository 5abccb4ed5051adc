"""The agent as images carry it: the steps of their recipe done in folders, and a Python that has it from there only."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from support.program import ROOT

RECIPE = ROOT / ".github" / "image" / "Dockerfile"
_LIMIT = 300.0


def steps(stage: str) -> list[str]:
    """The commands of the RUN lines of one stage of the recipe."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in RECIPE.read_text().splitlines():
        if line.startswith("FROM "):
            name = line.rpartition(" AS ")[2] if " AS " in line else ""
            found[name] = []
        elif line.startswith("RUN "):
            found[name].append(line.removeprefix("RUN "))
    return found[stage]


def build(folder: Path, *stages: str) -> None:
    """Do the steps of these stages with ``folder`` as the root; the checkout is what is installed."""
    for step in (step for stage in stages for step in steps(stage)):
        # A wheel of the checkout is what pip makes of it anyway.
        command = step.replace("/dist/*.whl", f"--disable-pip-version-check -q {ROOT}")
        command = re.sub(r"(?<=\s)python(?= -m pip)", sys.executable, f" {command}")
        command = re.sub(r"(?<=\s)/(?=otel\b|autoinstrumentation\b)", f"{folder}/", command)
        subprocess.run(["sh", "-e", "-c", command], check=True, timeout=_LIMIT, stdin=subprocess.DEVNULL)


def interpreter(folder: Path) -> Path:
    """A Python with the libraries of this one and without the agent, as an application's image has it."""
    venv.create(folder, with_pip=False)
    base = str(folder)
    site = sysconfig.get_path("purelib", vars={"base": base, "platbase": base})
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    # What a path file names is searched, but the path files there, an editable install's, are not read.
    (Path(site) / "libraries.pth").write_text("".join(f"{path}\n" for path in sorted(libraries)))
    python = folder / "bin" / "python"
    done = subprocess.run([python, "-c", "import flask, tracing_agent"], check=False, capture_output=True, text=True)
    assert "No module named 'tracing_agent'" in done.stderr, done.stderr
    return python
