"""The list of deliberate differences: each is expected by a test and told to users."""

from __future__ import annotations

import re
from pathlib import Path

from contract.deviations import DEVIATIONS

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "compatibility.md"


def test_each_is_expected_by_a_test() -> None:
    """The names that tests ask for are the names that are listed."""
    asked = {
        name for file in HERE.glob("test_*.py") for name in re.findall(r'deviates\("([a-z-]+)"\)', file.read_text())
    }
    assert asked == set(DEVIATIONS)


def test_each_is_documented() -> None:
    """The document's table has each difference, with its reason, and no other."""
    _, _, section = DOCUMENT.read_text().partition("## Deliberate differences from the SDK")
    section = section.partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in row.strip("|").split("|")] for row in section.splitlines() if row.startswith("| `")
    ]
    assert {row[0].strip("`"): row[-1] for row in rows} == DEVIATIONS
    assert all(len(row) == 4 and all(row) for row in rows)
