"""An application with other packages than the agent would have: its own win; where that cannot be, a line says so."""

from __future__ import annotations

import os
import shutil
import sys
import venv
from pathlib import Path

import pytest

from launch.test_target import FLASK, NEEDED, copy, with_requirements
from support.program import ROOT, run
from support.sink import Sink

pytestmark = pytest.mark.process

APP = """
import sys
import flask

app = flask.Flask("shop")
app.add_url_rule("/", view_func=lambda: "home")
print(app.test_client().get("/").text)
for name in sys.argv[1:]:
    __import__(name)
    print(name, sys.modules[name].__file__)
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent's own folder: it, and what it needs, as they are installed here."""
    folder = tmp_path_factory.mktemp("agent") / "DIR"
    for source in ("agent/tracing_agent", "instrumentations/tracing_instrumentations"):
        shutil.copytree(ROOT / source, folder / Path(source).name)
    shutil.copytree(ROOT / "sitecustomize" / "tracing_sitecustomize", folder / "tracing_sitecustomize")
    copy(with_requirements(NEEDED), folder)
    return folder


class Application:
    """An environment of its own, with Flask and older packages than the agent's."""

    def __init__(self, folder: Path, agent: Path) -> None:
        venv.create(folder / "venv", symlinks=os.name != "nt")
        self.python = folder / "venv" / "bin" / "python"
        self.packages = next((folder / "venv").glob("lib/python*/site-packages"))
        self.script = folder / "app.py"
        self.script.write_text(APP)
        self.path = str(agent / "tracing_sitecustomize" / "onpath")
        copy(FLASK, self.packages)

    def install(self, name: str, version: str, files: dict[str, str]) -> None:
        """A distribution, as far as it is looked at."""
        information = self.packages / f"{name.replace('-', '_')}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (information / "RECORD").write_text("".join(f"{file},,\n" for file in files))
        for file, text in files.items():
            (self.packages / file).parent.mkdir(parents=True, exist_ok=True)
            (self.packages / file).write_text(text)

    def run(self, *modules: str, traced: bool = True, **variables: str) -> tuple[list[str], str]:
        """(what it printed, what was said on stderr)"""
        path = {"PYTHONPATH": self.path} if traced else {}
        done = run(self.python, self.script, *modules, traced=False, **path, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines(), done.stderr


@pytest.fixture
def application(tmp_path: Path, folder: Path) -> Application:
    return Application(tmp_path, folder)


def test_packages_that_the_agent_can_do_without(application: Application, sink: Sink) -> None:
    """User-pain row 3: beside an old protobuf, urllib3 and wrapt the program is traced, and has its own copies."""
    application.install("protobuf", "3.20.3", {"google/protobuf/__init__.py": "__version__ = '3.20.3'\n"})
    application.install("urllib3", "1.25.11", {"urllib3/__init__.py": "__version__ = '1.25.11'\n"})
    modules = ["google.protobuf", "urllib3"]
    # The API has needed it until a later version.
    if "wrapt" not in with_requirements(NEEDED):
        application.install("wrapt", "1.10.11", {"wrapt/__init__.py": "__version_info__ = ('1', '10', '11')\n"})
        modules.append("wrapt")
    seen, stderr = application.run(*modules, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    assert (seen, stderr) == (application.run(*modules, traced=False)[0], "")
    assert seen[0] == "home"
    assert all(line.split(" ", 1)[1].startswith(str(application.packages)) for line in seen[1:])
    assert [span["name"] for span in sink.wait(len)] == ["GET /"]


def test_grpc_with_an_old_protobuf(application: Application) -> None:
    """User-pain row 3: what protobuf is needed for is left out, with one line at the start, and one for the spans."""
    application.install("protobuf", "3.20.3", {"google/protobuf/__init__.py": "__version__ = '3.20.3'\n"})
    seen, stderr = application.run("google.protobuf", OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    assert seen == application.run("google.protobuf", traced=False)[0]
    first, second = stderr.splitlines()
    assert first.startswith("tracing-agent: warning: spans are not exported: OTEL_EXPORTER_OTLP_PROTOCOL=grpc needs ")
    assert second.startswith("tracing-agent: warning: 1 span")


OLD_API = {
    "opentelemetry/trace/__init__.py": "class Tracer: ...\n",
    "opentelemetry/util/types.py": "Attributes = dict\n",
    "opentelemetry/context/__init__.py": "",
}


@pytest.mark.parametrize(
    ("name", "version", "files", "module"),
    [
        ("opentelemetry-api", "0.17b0", OLD_API, "opentelemetry.trace"),
        pytest.param(
            *("typing-extensions", "3.7.4.3", {"typing_extensions.py": "Protocol = object\n"}, "typing_extensions"),
            marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="the oldest API does without it"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_packages_that_the_agent_cannot_work_with(
    application: Application, name: str, version: str, files: dict[str, str], module: str
) -> None:
    """User-pain row 3: the agent stands aside with one line that names the package and its version."""
    application.install(name, version, files)
    seen, stderr = application.run(module)
    assert seen == application.run(module, traced=False)[0]
    assert seen[1].startswith(f"{module} {application.packages}")
    assert stderr.startswith(f"tracing-agent: warning: not tracing: {name} {version} does not fit ")
    assert stderr.endswith("; install a newer one\n")
    assert stderr.count("\n") == 1
