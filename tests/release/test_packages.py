"""The wheel and the sdist: what is in them, and that they install and work in an empty environment."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

import tracing_agent
from support.program import ROOT, environment
from support.sink import Sink

pytestmark = pytest.mark.process

SOURCES = {
    "tracing_agent": "agent",
    "tracing_doctor": "agent",
    "tracing_watch": "agent",
    "tracing_instrumentations": "instrumentations",
    "tracing_sitecustomize": "sitecustomize",
}
NAME = f"tracing_agent-{tracing_agent.__version__}"


def execute(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `python -m build` fills: a wheel made from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    done = execute(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def sources() -> set[str]:
    """Every file of the packages, as it is named in a wheel."""
    return {
        path.relative_to(ROOT / root).as_posix()
        for package, root in SOURCES.items()
        for path in (ROOT / root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_names(built: Path) -> None:
    """One wheel for every Python and platform, and one sdist, with the version that the code has."""
    assert sorted(path.name for path in built.iterdir()) == [f"{NAME}-py3-none-any.whl", f"{NAME}.tar.gz"]


def test_the_wheel_holds_the_packages_and_no_more(built: Path) -> None:
    """The wheel's files are those of the packages, each typed, and its own metadata: no test, no stray top level."""
    names = set(zipfile.ZipFile(built / f"{NAME}-py3-none-any.whl").namelist())
    metadata = {name for name in names if name.startswith(f"{NAME}.dist-info/")}
    assert names - metadata == sources()
    assert {f"{package}/py.typed" for package in SOURCES} <= names
    assert "tracing_sitecustomize/onpath/sitecustomize.py" in names
    assert {name.partition("/")[2] for name in metadata} == {
        "METADATA",
        "WHEEL",
        "RECORD",
        "entry_points.txt",
        "licenses/LICENSE",
    }


def test_the_sdist_holds_what_is_built_from(built: Path) -> None:
    """The sdist's files are the packages and what their build and readers need: no test, example or figure."""
    with tarfile.open(built / f"{NAME}.tar.gz") as archive:
        names = {member.name.removeprefix(f"{NAME}/") for member in archive.getmembers() if member.isfile()}
    assert {f"{SOURCES[name.partition('/')[0]]}/{name}" for name in sources()} <= names
    rest = {name for name in names if not name.startswith(("agent/", "instrumentations/", "sitecustomize/"))}
    assert rest == {".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}


def test_the_metadata(built: Path) -> None:
    """The metadata name the five dependencies, the oldest Python, and the README as the description."""
    with zipfile.ZipFile(built / f"{NAME}-py3-none-any.whl") as wheel:
        metadata = message_from_bytes(wheel.read(f"{NAME}.dist-info/METADATA"))
    assert metadata["Version"] == tracing_agent.__version__
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["License-Expression"] == "Apache-2.0"
    names = [re.split("[<>=!~;\\[ ]", requirement)[0] for requirement in metadata.get_all("Requires-Dist", [])]
    assert sorted(names) == [
        "importlib-metadata",
        "opentelemetry-api",
        "opentelemetry-exporter-otlp",
        "opentelemetry-sdk",
        "wrapt",
    ]
    assert str(metadata.get_payload()).startswith("# tracing-agent")


def test_the_version_is_in_one_place() -> None:
    """Nothing but the package itself says which version this is."""
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    said = re.compile(rf"\b{re.escape(tracing_agent.__version__)}\b")
    found = [
        name
        for name in sources()
        if name.endswith(".py") and said.search((ROOT / SOURCES[name.partition("/")[0]] / name).read_text("utf-8"))
    ]
    assert found == ["tracing_agent/__init__.py"]


PROGRAM = """
import os
from opentelemetry import trace
with trace.get_tracer("shop").start_as_current_span("work"):
    print(os.environ["GREETING"])
"""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a virtual environment with nothing but pip, of the Python that runs the tests."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    return folder / "bin"


@pytest.mark.parametrize("kind", [f"{NAME}-py3-none-any.whl", f"{NAME}.tar.gz"], ids=["wheel", "sdist"])
def test_it_installs_and_works(built: Path, empty: Path, kind: str, sink: Sink, tmp_path: Path) -> None:
    """In an empty environment either package installs with what it needs, traces a program, watches, and is healthy."""
    pip = [empty / "python", "-m", "pip", "--disable-pip-version-check"]
    done = execute(*pip, "install", "--quiet", built / kind)
    assert done.returncode == 0, done.stderr
    assert execute(*pip, "check").returncode == 0
    command = empty / "tracing-run"
    assert execute(command, "--version").stdout == f"tracing-run {tracing_agent.__version__}\n"
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "OTEL_SERVICE_NAME": "shop", "GREETING": "hello"}
    traced = execute(command, empty / "python", program, **settings)
    assert (traced.returncode, traced.stdout, traced.stderr) == (0, "hello\n", "")
    assert [span["name"] for span in sink.wait(len)] == ["work"]
    watched = execute(command, "watch", "--", empty / "python", program, GREETING="hello")
    assert watched.returncode == 0, watched.stderr
    assert "work" in watched.stdout
    doctor = execute(command, "doctor", "--json", "--send", "--run", "--", empty / "python", program, **settings)
    report: dict[str, Any] = json.loads(doctor.stdout)
    assert report["agent"]["location"].startswith(str(empty.parent))
    assert report["send"]["ok"], report["send"]
    assert {library["state"] for library in report["libraries"]} <= {"not installed", "not imported"}
    assert execute(*pip, "uninstall", "--quiet", "--yes", "tracing-agent").returncode == 0
    assert not list(empty.parent.glob("lib/python*/site-packages/tracing_*"))
