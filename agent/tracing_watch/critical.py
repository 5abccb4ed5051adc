"""Where the time of a trace went: what each span adds on the critical path, and the gaps between a span's children."""

from __future__ import annotations

from tracing_watch.tree import Node

# A child that ends so much later than its parent was not waited for (nanoseconds).
TOLERANCE = 1_000_000


def critical_path(root: Node) -> dict[Node, int]:
    """Nanoseconds that each span on the critical path spent itself; together they are the root's time.

    From the end backwards: what a span waited for last is on the path, then what that had to wait for.
    """
    own: dict[Node, int] = {}
    stack = [(root, root.end)]
    while stack:
        node, until = stack.pop()
        at, spent = until, 0
        for child in sorted(_waited_for(node), key=lambda child: child.end, reverse=True):
            end = min(child.end, at)
            if child.start >= at or end <= node.start:
                continue
            spent += at - end
            stack.append((child, end))
            at = max(child.start, node.start)
        own[node] = spent + max(0, at - node.start)
    return own


def longest_gap(node: Node) -> tuple[int, Node | None, Node | None]:
    """The longest time in a span with none of its children: nanoseconds, the child before, the child after."""
    best: tuple[int, Node | None, Node | None] = (0, None, None)
    at, before = node.start, None
    for child in sorted(_waited_for(node), key=lambda child: child.start):
        if child.start - at > best[0]:
            best = (child.start - at, before, child)
        if child.end > at:
            at, before = child.end, child
    if node.end - at > best[0]:
        best = (node.end - at, before, None)
    return best


def _waited_for(node: Node) -> list[Node]:
    return [child for child in node.children if child.start < node.end and child.end <= node.end + TOLERANCE]
