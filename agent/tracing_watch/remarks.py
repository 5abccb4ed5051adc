"""Writes findings under a waterfall: the kind at the left, the sentence beside it, as many lines as it needs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from tracing_watch.findings import Finding
from tracing_watch.style import Style
from tracing_watch.waterfall import NARROWEST, WIDEST

KIND_WIDTH = 10


def remarks(found: Iterable[Finding], width: int, style: Style) -> list[str]:
    """The lines; clocks are left out, which the waterfall itself tells of."""
    width = max(NARROWEST, min(width, WIDEST))
    lines = []
    for finding in found:
        if finding.kind == "clock":
            continue
        role = "error" if finding.kind in ("error", "time-out") else "warning"
        kind = f"{finding.kind:<{KIND_WIDTH}}"
        for text in textwrap.wrap(finding.text, width - KIND_WIDTH, break_on_hyphens=False):
            lines.append(style.paint(style.fit([(kind, role), (text, "plain")], width)))
            kind = " " * KIND_WIDTH
    return lines
