"""Which other agents the doctor finds by the folders on PYTHONPATH."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tracing_doctor.others import OTHERS, others

CONTRIB = "opentelemetry-instrument (contrib)"


@pytest.mark.parametrize("agent", ["contrib", "ours"])
def test_folder_of_the_operator(agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contrib's folder is contrib at work; the same folder with this agent two folders up is not."""
    folder = tmp_path / "opentelemetry" / "instrumentation" / "auto_instrumentation"
    folder.mkdir(parents=True)
    if agent == "ours":
        (tmp_path / "opentelemetry" / "tracing_sitecustomize").mkdir()
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{tmp_path}")
    # Other tests may have imported it.
    for module in next(other.modules for other in OTHERS if other.name == CONTRIB):
        monkeypatch.delitem(sys.modules, module, raising=False)
    at_work = [found["name"] for found in others() if found["active"] and found["name"] == CONTRIB]
    assert at_work == ([CONTRIB] if agent == "contrib" else [])
