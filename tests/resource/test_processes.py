"""The resource that whole processes send, and that detecting it never costs them anything."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from support.program import run
from support.sink import Sink

pytestmark = pytest.mark.process

SPAN = "import flask\nfrom opentelemetry import trace\ntrace.get_tracer('t').start_span('s').end()\n"
#: The same, with time for detectors that take theirs.
FLUSHED = SPAN + "trace.get_tracer_provider().force_flush(30000)\n"
#: Detectors as another distribution registers them.
DETECTORS = """
import time
from opentelemetry.sdk.resources import Resource, ResourceDetector
class Cloud(ResourceDetector):
    def detect(self):
        return Resource({"cloud.provider": "mine", "service.name": "wrong"})
class Broken(ResourceDetector):
    def detect(self):
        raise OSError("no metadata service")
class Slow(ResourceDetector):
    def detect(self):
        time.sleep(600)
"""


def installed(folder: Path) -> dict[str, str]:
    """A distribution with detectors ``cloud``, ``broken``, ``slow`` and ``gone``; the variables to find it."""
    (folder / "some_cloud.py").write_text(DETECTORS)
    info = folder / "some_cloud-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-cloud\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[opentelemetry_resource_detector]\ncloud = some_cloud:Cloud\nbroken = some_cloud:Broken\n"
        "slow = some_cloud:Slow\ngone = some_cloud:Gone\n"
    )
    return {"PYTHONPATH": str(folder)}


def resource(sink: Sink, code: str = SPAN, **variables: str) -> tuple[dict[str, Any], list[str]]:
    """The resource of the one span that a program sends, and what the agent said."""
    done = run(sys.executable, "-c", code, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, **variables)
    assert done.returncode == 0
    (span,) = sink.wait(bool)
    found: dict[str, Any] = span["resource"]
    return found, done.stderr.splitlines()


def test_attributes(sink: Sink) -> None:
    """A span that ends right before the process has a whole resource: service, process, runtime, host and system."""
    found, said = resource(sink, OTEL_SERVICE_NAME="shop", OTEL_RESOURCE_ATTRIBUTES="host.arch=mine,team=a%2Cb")
    assert said == []
    assert found["service.name"] == "shop"
    assert (found["host.arch"], found["team"]) == ("mine", "a,b")
    assert found["os.type"] == sys.platform
    assert found["process.command"] == "-c"
    assert found["process.creation.time"].endswith("Z")
    assert found["process.runtime.name"] == "cpython"
    assert found["host.name"] == os.uname().nodename
    assert found["telemetry.distro.name"] == "tracing-agent"
    assert len(found["service.instance.id"]) == 36
    assert "" not in found.values()


def test_detectors_of_others(sink: Sink, tmp_path: Path) -> None:
    """Detectors of other distributions are asked; one that fails, takes long, or is missing is one line and costs
    nothing else; what the program's owner and the agent know goes first.
    """
    found, said = resource(
        sink,
        FLUSHED,
        OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="otel,process,cloud,broken,slow,gone,nobody",
        OTEL_SERVICE_NAME="shop",
        **installed(tmp_path),
    )
    assert (found["cloud.provider"], found["service.name"], found["os.type"]) == ("mine", "shop", sys.platform)
    assert len(said) == 4
    for part in (
        "detector broken failed (OSError: no metadata service",
        "detector slow took longer than 1 s",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS: 'gone' is not usable",
        "'nobody' is not usable (no installed distribution registers it)",
    ):
        assert len([line for line in said if part in line]) == 1


def test_all_detectors(sink: Sink, tmp_path: Path) -> None:
    """A star asks every detector that is installed; those of the SDK, whose attributes are ours, are left out."""
    found, _ = resource(sink, FLUSHED, OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="*", **installed(tmp_path))
    assert found["cloud.provider"] == "mine"
    assert found["telemetry.distro.name"] == "tracing-agent"


def test_bad_attributes(sink: Sink) -> None:
    """OTEL_RESOURCE_ATTRIBUTES with one error is discarded whole, with one line; the rest of the resource is there."""
    found, said = resource(sink, OTEL_RESOURCE_ATTRIBUTES="team=a,broken")
    assert len(said) == 1
    assert "OTEL_RESOURCE_ATTRIBUTES='team=a,broken' is not" in said[0]
    assert "team" not in found
    assert found["os.type"] == sys.platform


FORKS = (
    "import os, flask\nfrom opentelemetry import trace\nspan = trace.get_tracer('t').start_span\nspan('parent').end()\n"
    "for _ in range(3):\n    if os.fork() == 0:\n        span('child').end()\n        raise SystemExit\n"
    "for _ in range(3):\n    os.wait()\n"
)


def test_workers(sink: Sink) -> None:
    """User-pain row 27: every forked worker has a service.instance.id and a pid of its own, and the same host."""
    done = run(sys.executable, "-c", FORKS, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    assert done.returncode == 0
    spans = sink.wait(lambda spans: len(spans) == 4)
    resources = [span["resource"] for span in spans]
    assert len({found["service.instance.id"] for found in resources}) == 4
    assert len({found["process.pid"] for found in resources}) == 4
    assert len({(found["host.name"], found["os.type"], found["host.arch"]) for found in resources}) == 1


def test_looked_up_by_the_export_thread_only() -> None:
    """A program that sends nothing looks nothing up, and none of it is imported."""
    code = SPAN + (
        "import sys\nprint([name for name in sys.modules if name in ("
        "'tracing_agent.resource.container', 'tracing_agent.resource.kubernetes', 'tracing_agent.resource.machine')])"
    )
    assert run(sys.executable, "-c", code, OTEL_TRACES_EXPORTER="none").stdout == "[]\n"
