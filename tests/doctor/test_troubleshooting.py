"""docs/troubleshooting.md against the words that the doctor, the agent and the viewer really say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from support.program import ROOT

DOCUMENT = ROOT / "docs" / "troubleshooting.md"
#: Put before a problem by the screen, from its parts.
PREFIX = re.compile(r"^PROBLEM: [a-z]+: ")


def quoted() -> list[str]:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("> ") for line in lines if line.startswith("> ")]


def said() -> Iterator[str]:
    """Every text in the sources, with what is filled in as `…`."""
    for root in ("agent", "instrumentations", "sitecustomize"):
        for path in (ROOT / root).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_quotations() -> None:
    """Each piece of each quotation is a piece of some text in the sources, word for word."""
    texts = "\n".join(re.sub("%[ds]", "…", text) for text in said())
    assert len(quoted()) > 40
    for quotation in quoted():
        pieces = [piece.strip(" ;,:(") for piece in PREFIX.sub("", quotation).split("…")]
        assert any(len(piece) >= 8 for piece in pieces), quotation
        assert [piece for piece in pieces if piece not in texts] == [], quotation


def test_links() -> None:
    """Every document that it refers to is there."""
    found = re.findall(r"\]\(([^)#]+)\)", DOCUMENT.read_text(encoding="utf-8"))
    assert found
    assert [link for link in found if not (DOCUMENT.parent / link).exists()] == []
