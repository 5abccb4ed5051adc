"""The services under test: one process each for all tests of a module."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from conformance.harness import Harness
from support.program import start

_HERE = Path(__file__).parent / "services"
SERVICES = ["flask", *(["fastapi"] if find_spec("fastapi") and find_spec("uvicorn") else [])]


@contextmanager
def serving(name: str, **variables: str) -> Iterator[tuple[Harness, subprocess.Popen[str]]]:
    """A service under `tracing-run`, and the harness around it."""
    variables.setdefault("OTEL_TRACES_EXPORTER", "none")
    process = start("python", _HERE / f"{name}_service.py", **variables)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.strip().isdigit(), process.communicate(timeout=20)
        harness = Harness(int(line))
        try:
            yield harness, process
        finally:
            harness.close()
    finally:
        process.terminate()
        process.communicate(timeout=20)


Serve = Callable[..., "contextmanager[tuple[Harness, subprocess.Popen[str]]]"]


@pytest.fixture(scope="module", params=SERVICES)
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    """Each service in turn, with default settings."""
    with serving(request.param) as (harness, _):
        yield harness
