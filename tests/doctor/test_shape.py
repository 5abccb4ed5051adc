"""The shape of the doctor's JSON, which machines rely on, against its documentation."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.program import ROOT, run
from tracing_doctor.libraries import STATES
from tracing_doctor.process import SCHEMA

DOCUMENT = ROOT / "docs" / "doctor.md"


@pytest.mark.process
def test_documented_keys() -> None:
    """Every key of the report is documented, and every documented key is in the report."""
    found: dict[str, Any] = json.loads(run("doctor", "--json", "--send").stdout)
    text = Path(DOCUMENT).read_text(encoding="utf-8")
    documented = re.findall(r"^\| `([a-z_.\[\]]+)` \|", text, re.MULTILINE)
    given = set(found)
    for outer in ("agent", "python", "sitecustomize", "export", "send"):
        given |= {f"{outer}.{key}" for key in found[outer]}
    for outer in ("libraries", "problems"):
        given |= {f"{outer}[].{key}" for key in found[outer][0]}
    given |= {f"send.steps[].{key}" for key in found["send"]["steps"][0]}
    assert sorted(documented) == sorted(given)
    assert found["schema"] == SCHEMA


def test_documented_states() -> None:
    """Every state of a library is documented with what to do."""
    text = Path(DOCUMENT).read_text(encoding="utf-8")
    assert all(f"| {state} |" in text for state in STATES)
