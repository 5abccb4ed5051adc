"""Which versions of a library are patched: all of a library or nothing, and a line says why not."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

import pytest
import redis
import requests

from support.program import ROOT
from tracing_agent.agent import Agent
from tracing_agent.config import Settings
from tracing_agent.patching.targets import APPLIED
from tracing_agent.patching.versions import numbers, outside, version_of
from tracing_instrumentations.registry import LIBRARIES, Library, named

RANGE = ((2, 2), (4,))


@pytest.mark.parametrize(
    ("text", "parts", "side"),
    [
        ("2.2", (2, 2), 0),
        ("2.2.0", (2, 2, 0), 0),
        ("2.1.99", (2, 1, 99), -1),
        ("2", (2,), -1),
        ("3.1.0rc1", (3, 1, 0), 0),
        ("3.1.dev4+g1f", (3, 1), 0),
        ("3.99", (3, 99), 0),
        ("4.0.0b2", (4, 0, 0), 1),
        ("10", (10,), 1),
        ("unknown", (), 0),
        ("", (), 0),
    ],
)
def test_numbers(text: str, parts: tuple[int, ...], side: int) -> None:
    """A version counts as far as it is numbers; one that is none is not judged."""
    assert numbers(text) == parts
    assert outside(text, RANGE) == side


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_installed_versions(library: Library) -> None:
    """The version of an imported library is that of its distribution, and this suite tests it in its range."""
    importlib.import_module(library.triggers[0])
    try:
        installed = version(library.distribution)
    except PackageNotFoundError:
        pytest.skip("not installed")
    assert version_of(library.distribution, library.triggers[0]) == installed
    assert outside(installed, library.tested) == 0


def test_a_module_without_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither the module nor a distribution tells, the version is empty, and the library is patched."""
    monkeypatch.setitem(sys.modules, "nobodys", ModuleType("nobodys"))
    assert version_of("nobodys-distribution", "nobodys.part") == ""


@pytest.fixture
def agents() -> Iterator[Any]:
    """Makes agents that send nothing, and patch nothing by themselves."""
    made: list[Agent] = []

    def make(**variables: str) -> Agent:
        made.append(Agent(Settings({"OTEL_TRACES_EXPORTER": "none", "OTEL_LOG_LEVEL": "info", **variables})))
        return made[-1]

    yield make
    for agent in made:
        agent.undo()


@pytest.mark.parametrize(
    ("found", "policy", "patched"),
    [
        ("2.24.1", "", False),
        ("2.24.1", "true", True),
        ("2.24.1", "false", False),
        ("3.0", "", True),
        ("3.0", "true", True),
        ("3.0", "false", False),
        ("2.99", "false", True),
    ],
)
def test_gates(
    agents: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: str,
    policy: str,
    patched: bool,
) -> None:
    """user-pain row 6: newer versions are traced, older ones are not, unless the owner says otherwise; one line."""
    monkeypatch.setattr(requests, "__version__", found)
    before = list(APPLIED)
    agent = agents(OTEL_PYTHON_UNTESTED_VERSIONS=policy)
    agent.instrument("requests", "requests")
    state, line = agent.states["requests"], capsys.readouterr().err
    assert (before != APPLIED) == patched
    if patched:
        assert state == "patched"
        assert "is not traced" not in line
    else:
        assert state.startswith(f"not patched: requests {found} is ")
        assert state.removeprefix("not patched: ") in line
        assert line.count("\n") == 1
        assert "OTEL_PYTHON_UNTESTED_VERSIONS=true" in line


def test_all_of_a_library_or_nothing(
    agents: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """user-pain row 2: if a later part lacks a target, what was patched before is put back, and nothing follows."""
    pytest.importorskip("redis.asyncio", reason="redis-py 4.1 has none")
    before, untraced = list(APPLIED), redis.Redis.execute_command
    agent = agents()
    agent.instrument("redis", "redis")
    assert redis.Redis.execute_command is not untraced
    monkeypatch.delattr(redis.asyncio.client.Pipeline, "immediate_execute_command")
    agent.instrument("redis", "redis.asyncio")
    assert (before, agent.patches) == (APPLIED, [])
    assert redis.Redis.execute_command is untraced
    agent.instrument("redis", "redis")
    assert before == APPLIED
    assert agent.states["redis"] == "not patched: redis.asyncio.client.Pipeline.immediate_execute_command is missing"
    assert capsys.readouterr().err.count("redis is not traced") == 1


def test_names() -> None:
    """Libraries are found by the names that people call them."""
    assert named("redis") in LIBRARIES
    assert named("nobody") is None


def test_the_documented_versions() -> None:
    """The table in docs/compatibility.md is the registry's."""
    lines = (ROOT / "docs" / "compatibility.md").read_text().splitlines()
    for library in LIBRARIES:
        oldest, untested = (".".join(map(str, one)) for one in library.tested)
        assert f"| {library.distribution} | {oldest} | {untested} |" in lines
