"""The agent outside of the application's environment: `pip install --target DIR`, and a folder on PYTHONPATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from support.program import ROOT, run
from support.sink import Sink

pytestmark = pytest.mark.process

#: What the agent imports in a program that uses Flask (with what that needs in turn), and what Flask needs.
NEEDED = ["opentelemetry-api", "opentelemetry-sdk"]
FLASK = ["flask", "werkzeug", "jinja2", "markupsafe", "click", "blinker", "itsdangerous"]


def with_requirements(names: Iterable[str]) -> set[str]:
    """Installed distributions and all that they require here, extras left out."""
    found: set[str] = set()
    left = [name.lower() for name in names]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            for requirement in map(Requirement, distribution(name).requires or ()):
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                    left.append(requirement.name.lower())
    return found


def copy(names: Iterable[str], folder: Path) -> None:
    """Copy installed distributions as they are, which spares the tests a download."""
    for name in names:
        for file in distribution(name).files or ():
            if not str(file).startswith("..") and file.suffix != ".pyc":
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), target)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it is published."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def target(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DIR after `pip install --target DIR` of the project and what it needs."""
    folder = tmp_path_factory.mktemp("target") / "DIR"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, wheel]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    copy(with_requirements(NEEDED), folder)
    return folder


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an application's own environment, with Flask and a typing_extensions of its own."""
    folder = tmp_path_factory.mktemp("application") / "venv"
    venv.create(folder, symlinks=os.name != "nt")
    packages = next(folder.glob("lib/python*/site-packages"))
    copy([*FLASK, "typing-extensions"], packages)
    with (packages / "typing_extensions.py").open("a") as file:
        file.write("\nOWN = True\n")
    return folder / "bin" / "python"


APP = """
import os, sys
from flask import Flask

app = Flask(__name__)

@app.get("/")
def home():
    return "home"

assert app.test_client().get("/").text == "home"
import typing_extensions
print(os.getpid(), typing_extensions.OWN, *sys.path)
"""


@pytest.mark.parametrize("by", ["PYTHONPATH", "command"])
def test_a_program_of_another_environment(by: str, application: Path, target: Path, sink: Sink, tmp_path: Path) -> None:
    """User-pain row 3: the agent's folder goes last on sys.path, so that the program's own packages win."""
    (tmp_path / "app.py").write_text(APP)
    bare = run(application, "app.py", cwd=tmp_path, traced=False)
    assert (bare.returncode, bare.stderr) == (0, "")
    command = target / "tracing_sitecustomize" / "command.py"
    path = run(sys.executable, command, "--print-path", cwd=tmp_path, traced=False).stdout.strip()
    prefix: list[str | Path] = [] if by == "PYTHONPATH" else [application, command]
    variables = {"PYTHONPATH": path} if by == "PYTHONPATH" else {}
    variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = sink.endpoint
    traced = run(*prefix, application, "app.py", cwd=tmp_path, traced=False, **variables)
    assert (traced.returncode, traced.stderr) == (0, "")
    assert traced.stdout.split()[1:] == [*bare.stdout.split()[1:], str(target)]
    (span,) = sink.wait(len)
    assert (span["name"], span.pid) == ("GET /", int(traced.stdout.split()[0]))


def test_disabled_outside(application: Path, target: Path, tmp_path: Path) -> None:
    """User-pain row 24: switched off, the agent's folder does not come onto sys.path either."""
    (tmp_path / "app.py").write_text(APP)
    folder = str(target / "tracing_sitecustomize" / "onpath")
    outputs = [
        run(application, "app.py", cwd=tmp_path, traced=False, OTEL_SDK_DISABLED="true", **path).stdout.split()[1:]
        for path in ({}, {"PYTHONPATH": folder})
    ]
    assert outputs[0] == outputs[1]


def test_the_command_by_its_path(application: Path, target: Path) -> None:
    """After `pip install --target DIR` the command runs by its path, in an interpreter that does not see DIR."""
    ended = run(application, target / "tracing_sitecustomize" / "command.py", "--version", traced=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("tracing-run ")


def test_another_environments_packages(application: Path, wheel: Path, tmp_path: Path) -> None:
    """The site-packages of another environment that has the agent do not come onto sys.path; one line says so."""
    packages = tmp_path / "lib" / "python3.99" / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    folder = packages / "tracing_sitecustomize" / "onpath"
    process = run(application, "-c", "import sys; print(*sys.path)", traced=False, PYTHONPATH=str(folder))
    assert process.returncode == 0
    assert str(tmp_path) not in process.stdout
    assert process.stderr == (
        f"tracing-agent: warning: not tracing: tracing-agent is not installed for {application}; install it there\n"
    )


def test_an_agent_that_needs_more_than_there_is(application: Path, wheel: Path, tmp_path: Path) -> None:
    """Where what the agent needs was not installed beside it, one line says what is missing, and the program runs."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "DIR")
    (tmp_path / "app.py").write_text(APP)
    folder = tmp_path / "DIR" / "tracing_sitecustomize" / "onpath"
    process = run(application, "app.py", cwd=tmp_path, traced=False, PYTHONPATH=str(folder))
    assert (process.returncode, process.stderr.count("\n")) == (0, 1)
    assert "opentelemetry" in process.stderr


def test_the_folder_for_pythonpath(wheel: Path) -> None:
    """What goes onto PYTHONPATH holds one file, so that no module of a program can be hidden by another of ours."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert [name for name in names if "/onpath/" in name] == ["tracing_sitecustomize/onpath/sitecustomize.py"]
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    packages = ("agent", "doctor", "instrumentations", "sitecustomize", "watch")
    assert tops == {f"tracing_{name}" for name in packages}
