"""Turns a tree into the rows of a drawing: branches, repetitions folded, each failure told once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from tracing_watch.model import Failure
from tracing_watch.style import Glyphs
from tracing_watch.tree import Node, Tree

# Of more than FOLD_FROM equal neighbours the first FOLD_TO are drawn and the others become one row.
FOLD_FROM = 5
FOLD_TO = 3

# Cells of a branch that are kept.
DEEPEST = 300


@dataclass(frozen=True, slots=True)
class Row:
    """One span, or several equal ones (`folded`, of which `node` is the first)."""

    node: Node
    service: str
    """The service's name where it differs from the row above in the tree, else empty."""
    branch: str
    """What is drawn before the name to show the row's place in the tree."""
    below: str
    """The same for lines that belong to the row and stand under it."""
    folded: tuple[Node, ...] = ()
    failure: Failure | None = None
    """The failure to tell here: that of the deepest span, not repeated by the spans that passed it on."""


def rows(tree: Tree, glyphs: Glyphs, fold: bool = True) -> Iterator[Row]:
    """The rows from top to bottom."""
    shapes = _Shapes()
    for root in tree.roots:
        shapes.learn(root)
    blank = " " * len(glyphs.down)
    # A node with the service above it, its branch, and what its children are indented by.
    stack: list[tuple[tuple[Node, ...], str, str, str]]
    stack = [((root,), "", "", "") for root in reversed(tree.roots)]
    while stack:
        nodes, above, branch, indent = stack.pop()
        node = nodes[0]
        service = node.span.process.service
        parts = [] if len(nodes) > 1 else shapes.folded(node.children, fold)
        # No terminal shows more, and in a trace of thousands of levels whole branches would be most of the work.
        indent = indent[-DEEPEST:]
        below = indent + (glyphs.down if parts else blank)
        yield Row(
            node,
            service if service != above else "",
            branch,
            below,
            nodes if len(nodes) > 1 else (),
            None if node.before or len(nodes) > 1 else _told_here(node),
        )
        for part in reversed(parts):
            last = part is parts[-1]
            stack.append(
                (
                    part,
                    service,
                    indent + (glyphs.last if last else glyphs.branch),
                    indent + (blank if last else glyphs.down),
                )
            )


class _Shapes:
    """Numbers equal subtrees equally, so that repeated calls can be folded however deep each of them is."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._shape: dict[int, int] = {}

    def learn(self, root: Node) -> None:
        for node in reversed(list(root.walk())):
            span = node.span
            shape = (
                span.process.service,
                span.name,
                span.kind,
                span.failure,
                node.slowest,
                node.before,
                tuple(self._shape[id(child)] for child in node.children),
            )
            self._shape[id(node)] = self._numbers.setdefault(shape, len(self._numbers))

    def folded(self, children: list[Node], fold: bool) -> list[tuple[Node, ...]]:
        parts: list[tuple[Node, ...]] = []
        for _, group in groupby(children, key=lambda child: self._shape[id(child)]):
            equal = tuple(group)
            drawn = FOLD_TO if fold and len(equal) > FOLD_FROM else len(equal)
            parts.extend((node,) for node in equal[:drawn])
            if drawn < len(equal):
                parts.append(equal[drawn:])
        return parts


def _told_here(node: Node) -> Failure | None:
    failure = node.span.failure
    if failure is None or not (failure.type or failure.message):
        return None
    if failure.type.isdigit() and not failure.message:
        return None  # an HTTP status, which the row shows
    passed_on = any(child.span.failure == failure for child in node.children)
    return None if passed_on else failure
