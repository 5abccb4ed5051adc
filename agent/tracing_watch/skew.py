"""Estimates how far the clocks of services are apart: a service works while it is called.

Only what is impossible is corrected: a call that seems to begin before its caller, or a synchronous one that
seems to end after a caller that succeeded. Processes of one host share a clock and are never corrected.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping

from tracing_watch.model import Kind, Span

# Differences below this are left alone: clocks that NTP keeps together differ by about as much.
TOLERANCE = 1_000_000

FAR = 2**63


def offsets(spans: Mapping[str, Span], reference: str) -> dict[str, int]:
    """Nanoseconds to add to the time stamps of each clock; clocks that need none are absent.

    `spans` by span id; `reference` is the clock that the others are compared with.
    """
    bounds = _bounds(spans)
    placed = {reference: 0}
    queue = deque(placed)
    while queue:
        caller = queue.popleft()
        for called, (low, high) in bounds[caller].items():
            if called not in placed:
                placed[called] = _nearest(placed[caller] + low, placed[caller] + high)
                queue.append(called)
    return {clock: offset for clock, offset in placed.items() if offset}


def _bounds(spans: Mapping[str, Span]) -> dict[str, dict[str, tuple[int, int]]]:
    """By the caller's clock and the called one: the least and the greatest possible offset between them."""
    bounds: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for span in spans.values():
        parent = spans.get(span.parent_id)
        if parent is None or parent.process.clock == span.process.clock or not span.start or not parent.start:
            continue
        low, high = bounds[parent.process.clock].get(span.process.clock, (-FAR, FAR))
        low = max(low, parent.start - span.start)
        if _waits_for(parent, span):
            high = min(high, parent.end - span.end)
        bounds[parent.process.clock][span.process.clock] = low, high
    return bounds


def _waits_for(parent: Span, span: Span) -> bool:
    """Whether the parent ended after the span did; a caller that failed may have given up waiting."""
    return (
        parent.kind == Kind.CLIENT
        and span.kind == Kind.SERVER
        and parent.failure is None
        and span.duration <= parent.duration
    )


def _nearest(low: int, high: int) -> int:
    if low - TOLERANCE <= 0 <= high + TOLERANCE:
        return 0
    if low <= high < FAR // 2:
        return (low + high) // 2
    return low
