"""What happens at the process's end and across a fork; in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from contract.versions import RESOURCE_PER_PROCESS

pytestmark = pytest.mark.process

_BEGIN = """
import importlib, json, os, sys, warnings
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
TracerProvider = importlib.import_module(sys.argv[1]).TracerProvider

class Telling(SpanProcessor):
    def shutdown(self):
        print("shutdown", flush=True)
"""


def run(module: str, script: str) -> list[str]:
    """The lines that ``script`` prints in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _BEGIN + script, module], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("arguments", "then", "printed"),
    [
        ("", "", ["shutdown"]),
        ("shutdown_on_exit=False", "", []),
        ("", "provider.shutdown()", ["shutdown"]),
    ],
    ids=["default", "no", "before"],
)
def test_exit(module: str, arguments: str, then: str, printed: list[str]) -> None:
    """At the interpreter's exit a provider is shut down, unless it was told not to or has been already."""
    script = f"provider = TracerProvider({arguments})\nprovider.add_span_processor(Telling())\n{then}\n"
    assert run(module, script) == printed


_FORK = """
provider = TracerProvider(shutdown_on_exit=False)
tracer = provider.get_tracer("orders")
inherited = tracer.start_span("inherited")

def tell():
    spans = [tracer.start_span("work") for _ in range(3)]
    own = provider.resource.attributes.get("service.instance.id")
    print(json.dumps({
        "ids": [spans[0].context.trace_id] + [span.context.span_id for span in spans],
        "instance": own,
        "same": all(span.resource.attributes.get("service.instance.id") == own for span in spans),
        "later": provider.get_tracer("later").start_span("work").resource is provider.resource,
        "name": provider.resource.attributes["service.name"],
        "sdk": provider.resource.attributes["telemetry.sdk.name"],
        "inherited": inherited.is_recording(),
    }), flush=True)

# Detectors are asked in threads of the SDK, which may take a moment to end.
warnings.filterwarnings("ignore", ".* is multi-threaded", DeprecationWarning)
child = os.fork()
if child == 0:
    tell()
    os._exit(0)
os.waitpid(child, 0)
tell()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_fork(module: str) -> None:
    """A forked child's spans have ids of their own; its resource says so since SDK 1.44, and keeps the rest."""
    child, parent = (json.loads(line) for line in run(module, _FORK))
    assert not set(child["ids"]) & set(parent["ids"])
    told: list[dict[str, Any]] = [child, parent]
    assert [(one["same"], one["later"], one["inherited"]) for one in told] == [(True, True, True)] * 2
    assert (child["name"], child["sdk"]) == (parent["name"], parent["sdk"])
    assert (child["instance"] != parent["instance"]) == RESOURCE_PER_PROCESS
