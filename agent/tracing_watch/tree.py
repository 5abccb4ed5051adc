"""Arranges the spans of a trace as trees on one time axis, and marks the slowest path through them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tracing_watch.model import Span, Trace
from tracing_watch.skew import offsets

# The slowest path ends where no child takes at least this share of its parent's time.
SLOWEST_SHARE = 0.2

# A tree without its root is on the common axis only if it is no farther off than so many times its length.
NEAR = 10


@dataclass(slots=True, eq=False)
class Node:
    """A span in its place; `start` and `end` are corrected for clock skew (nanoseconds since the epoch)."""

    span: Span
    start: int
    end: int
    orphan: bool = False
    """The span has a parent, and the parent did not come."""
    slowest: bool = False
    before: bool = False
    """An earlier print of the trace held this span; it is here to show where the late ones belong."""
    children: list[Node] = field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        """The node and all below it, parents first, without recursion: traces can be deep."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))


@dataclass(frozen=True, slots=True)
class Tree:
    """A trace ready to be drawn. `start` and `end` of the axis are nanoseconds since the epoch."""

    trace: Trace
    roots: tuple[Node, ...]
    start: int
    end: int
    skews: Mapping[str, int]
    """Nanoseconds that were added to a service's time stamps."""

    def walk(self) -> Iterator[Node]:
        for root in self.roots:
            yield from root.walk()


def grow(trace: Trace) -> Tree:
    """Never fails on what a client may send: missing parents, cycles, times of zero or running backwards."""
    spans = {span.span_id: span for span in trace.spans}
    processes = dict.fromkeys(span.process for span in trace.spans)
    first = next((span for span in trace.spans if not span.parent_id), trace.spans[0])
    shifts = offsets(spans, first.process.clock)
    roots = _plant(trace, spans, shifts)
    roots.sort(key=lambda node: (node.orphan, node.start, node.span.span_id))
    _mark_slowest(max(roots, key=lambda node: (not node.orphan, node.span.duration)))
    start, end = _axis(roots)
    if trace.shown_before:
        roots = [root for root in roots if _prune(root)]
    skews = {process.service: shifts[process.clock] for process in processes if process.clock in shifts}
    return Tree(trace, tuple(roots), start, end, skews)


def _plant(trace: Trace, spans: Mapping[str, Span], shifts: Mapping[str, int]) -> list[Node]:
    nodes: dict[str, Node] = {}
    for span in trace.spans:
        shift = shifts.get(span.process.clock, 0)
        nodes[span.span_id] = Node(
            span,
            span.start + shift,
            max(span.start, span.end) + shift,
            before=span.span_id in trace.shown_before,
        )
    below: dict[str, list[Node]] = defaultdict(list)
    roots: list[Node] = []
    for node in nodes.values():
        if node.span.parent_id in spans:
            below[node.span.parent_id].append(node)
        else:
            node.orphan = bool(node.span.parent_id)
            roots.append(node)
    for root in roots:
        _attach(root, below)
    # What no root leads to is its own ancestor: cut the cycle at its earliest span.
    for node in sorted(nodes.values(), key=lambda node: node.start):
        if node.span.parent_id in below and node in below[node.span.parent_id]:
            node.orphan = True
            below[node.span.parent_id].remove(node)
            roots.append(node)
            _attach(node, below)
    return roots


def _attach(root: Node, below: dict[str, list[Node]]) -> None:
    stack = [root]
    while stack:
        node = stack.pop()
        node.children = below.pop(node.span.span_id, [])
        node.children.sort(key=lambda child: (child.start, child.span.span_id))
        stack.extend(node.children)


def _mark_slowest(root: Node) -> None:
    node: Node | None = root
    while node is not None:
        node.slowest = True
        heaviest = max(node.children, key=lambda child: child.span.duration, default=None)
        if heaviest is not None and heaviest.span.duration < SLOWEST_SHARE * node.span.duration:
            heaviest = None
        node = heaviest


def _axis(roots: list[Node]) -> tuple[int, int]:
    """From the first start to the last end, leaving out spans without times and trees of another age."""
    extents = [_extent(root) for root in roots]
    start, end = next((extent for extent in extents if extent[1]), (0, 0))
    near = max(NEAR * (end - start), NEAR * 1_000_000_000)
    low, high = start - near, end + near
    for first, last in extents:
        if low <= first and last <= high:
            start, end = min(start, first), max(end, last)
    return start, end


def _extent(root: Node) -> tuple[int, int]:
    timed = [node for node in root.walk() if node.span.start]
    return min((node.start for node in timed), default=0), max((node.end for node in timed), default=0)


def _prune(root: Node) -> bool:
    """Keeps what is new and its ancestors; False if nothing under the root is new."""
    kept: set[int] = set()
    for node in reversed(list(root.walk())):
        node.children = [child for child in node.children if id(child) in kept]
        if node.children or not node.before:
            kept.add(id(node))
    return id(root) in kept
