"""Python that is started while the agent, or the interpreter itself, is set up: no agents without end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.program import run
from support.sink import Sink

pytestmark = pytest.mark.process

#: A distribution whose parts each start Python; that ends by itself should the agent not stop it.
PARTS = """
import os, subprocess, sys
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.resources import Resource, ResourceDetector
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

CODE = "import work; work.one('not traced')"

def started():
    with open(os.environ["STARTS"], "a") as file:
        file.write(f"{os.getpid()}\\n")
    with open(os.environ["STARTS"]) as file:
        return len(file.readlines()) > 6

class Detector(ResourceDetector):
    def detect(self):
        if not started():
            subprocess.run([sys.executable, "-c", CODE], check=True)
        return Resource({})

def sampler(argument):
    if not started():
        subprocess.check_output(f'"{sys.executable}" -c "{CODE}"', shell=True, env={**os.environ, "MORE": "1"})
    return ALWAYS_ON

class IdGenerator(RandomIdGenerator):
    def __init__(self):
        if not started():
            os.system(f'"{sys.executable}" -c "{CODE}"')

class Propagator(TextMapPropagator):
    fields = frozenset()
    def __init__(self):
        if not started():
            os.waitpid(os.posix_spawn(sys.executable, [sys.executable, "-c", CODE], os.environ), 0)
    def extract(self, carrier, context=None, getter=None):
        return context
    def inject(self, carrier, context=None, setter=None):
        pass
"""
ENTRIES = """
[opentelemetry_resource_detector]
starting = parts:Detector
[opentelemetry_traces_sampler]
starting = parts:sampler
[opentelemetry_id_generator]
starting = parts:IdGenerator
[opentelemetry_propagator]
starting = parts:Propagator
"""
WORK = """
from opentelemetry import trace
def one(name):
    trace.get_tracer("own").start_span(name).end()
    getattr(trace.get_tracer_provider(), "force_flush", lambda milliseconds: None)(30_000)
"""
PROGRAM = """
import subprocess, sys, work
work.one("parent")
subprocess.run([sys.executable, "-c", "import work; work.one('child')"], check=True)
"""


def written(folder: Path) -> dict[str, str]:
    """The distribution, and the program's module; the variables to find them."""
    (folder / "parts.py").write_text(PARTS)
    (folder / "work.py").write_text(WORK)
    info = folder / "parts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: parts\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    return {"PYTHONPATH": str(folder), "STARTS": str(folder / "starts")}


@pytest.mark.parametrize(
    "variable",
    [
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS",
        "OTEL_TRACES_SAMPLER",
        "OTEL_PYTHON_ID_GENERATOR",
        "OTEL_PROPAGATORS",
    ],
)
def test_parts_that_start_python(variable: str, sink: Sink, tmp_path: Path) -> None:
    """A part of the agent that starts Python is set up once in each process of the program, and nowhere else."""
    variables = {**written(tmp_path), variable: "starting", "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint}
    done = run(sys.executable, "-c", PROGRAM, **variables)
    assert done.returncode == 0, done.stderr
    assert sorted(span["name"] for span in sink.spans) == ["child", "parent"]
    starts = (tmp_path / "starts").read_text().split()
    assert set(starts) <= {str(span.pid) for span in sink.spans}
    # A propagator is made for the agent, and for the API.
    assert 0 < len(starts) <= (4 if variable == "OTEL_PROPAGATORS" else 2)


@pytest.mark.parametrize("traced", [False, True])
def test_the_programs_own_start(traced: bool, sink: Sink, tmp_path: Path) -> None:
    """A sitecustomize that starts Python as it starts itself does so as often as untraced, and all of it is traced."""
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "sitecustomize.py").write_text(
        "import os, subprocess, sys\n"
        "with open(os.environ['STARTS'], 'a') as file:\n"
        "    file.write('one\\n')\n"
        "if not os.environ.get('INNER'):\n"
        "    code = \"import work; work.one('of the start')\"\n"
        "    subprocess.run([sys.executable, '-c', code], env={**os.environ, 'INNER': '1'}, check=True)\n"
    )
    done = run(
        *(sys.executable, "-c", PROGRAM),
        traced=traced,
        PYTHONPATH=str(tmp_path),
        STARTS=str(tmp_path / "starts"),
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # The command `tracing-run` is Python, too.
    both = 2 if traced else 0
    assert len((tmp_path / "starts").read_text().split()) == 4 + both
    names = sorted(span["name"] for span in sink.spans)
    assert names == (["child", "of the start", "of the start", "parent"] if traced else [])
