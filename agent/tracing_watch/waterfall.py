"""Draws a tree as a waterfall: names at the left, a bar on the time axis, the duration at the right.

Pure: a tree, a width and a style give lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from tracing_watch.rows import Row, rows
from tracing_watch.style import Glyphs, Piece, Style
from tracing_watch.summary import details, direction
from tracing_watch.text import clean, columns, cut, duration
from tracing_watch.tree import Node, Tree

NARROWEST, WIDEST = 40, 160
MOST_ROWS = 500
DURATION_WIDTH = 7
GAP = 2


@dataclass(frozen=True, slots=True)
class _Layout:
    label: int
    bar: int


def waterfall(tree: Tree, width: int, style: Style, full: bool = False) -> list[str]:
    """The lines for one trace, none wider than `width` (at least 40, at most 160 cells are used).

    `full` draws every span: nothing is folded and no row left out.
    """
    width = max(NARROWEST, min(width, WIDEST))
    drawn = list(islice(rows(tree, style.glyphs, fold=not full), None if full else MOST_ROWS))
    labels = [_label(row, style) for row in drawn]
    layout = _layout(labels, width)
    lines = [_header(tree, width, style), _ruler(tree, layout, style)]
    for row, label in zip(drawn, labels, strict=True):
        lines.append(_line(row, label, tree, layout, style))
        if row.failure is not None:
            lines.append(_failure(row, width, layout.label, style))
    lines.extend(style.paint(style.fit([(note, "warning")], width)) for note in _notes(tree, drawn, style))
    return lines


def _layout(labels: list[list[Piece]], width: int) -> _Layout:
    """Labels get what they need as long as the axis keeps two fifths of the width."""
    rest = width - DURATION_WIDTH - 2 * GAP
    wanted = max((sum(columns(text) for text, _ in label) for label in labels), default=0)
    label = min(max(wanted, rest // 4), rest - max(width * 2 // 5, 10))
    return _Layout(label, rest - label)


def _header(tree: Tree, width: int, style: Style) -> str:
    """The trace id and, as far as the width allows, duration, spans, services by name or number, errors."""
    trace, dot = tree.trace, style.glyphs.dot
    services = list(dict.fromkeys(clean(node.span.process.service) for node in tree.walk()))
    new = [span for span in trace.spans if span.span_id not in trace.shown_before]
    errors = sum(span.failure is not None for span in new)
    count = _count(len(new), "late span" if trace.shown_before else "span")
    length = duration(tree.end - tree.start, style.glyphs.micro)
    failed = [(dot, "dim"), (_count(errors, "error"), "error+strong")] if errors else []
    number = [(dot, "dim"), (_count(len(services), "service"), "plain")]
    names: list[Piece] = []
    for service in services:
        names += [(", " if names else dot, "dim"), (service, f"service:{service}")]
    word, identity = ("trace ", "dim"), (trace.trace_id, "strong")
    start = [identity, (dot, "dim"), (length, "strong"), (dot, "dim"), (count, "plain")]
    for pieces in (
        [word, *start, *names, *failed],
        [word, *start, *number, *failed],
        [*start, *number, *failed],
    ):
        if sum(columns(text) for text, _ in pieces) <= width:
            return style.paint(pieces)
    start[0] = (trace.trace_id[:8] + style.glyphs.ellipsis, "strong")
    return style.paint(style.fit([*start, *failed], width))


def _ruler(tree: Tree, layout: _Layout, style: Style) -> str:
    """What the marks mean, and the times at the ends and the middle of the axis."""
    total, micro, dot = tree.end - tree.start, style.glyphs.micro, style.glyphs.dot
    spans = sum(1 for _ in islice(tree.walk(), 2))
    legend = f"{style.glyphs.slowest[2] * 2} slowest path" if spans > 1 else ""
    if any(node.orphan for node in tree.roots):
        legend += f"{dot if legend else ''}{style.glyphs.orphan}parent missing"
    half, end = duration(total // 2, micro), duration(total, micro)
    scale = f"{'0':<{layout.bar // 2}}"
    if layout.bar >= 24:
        at = layout.bar // 2 - len(half) // 2
        scale = f"{'0':<{at}}{half}"
    scale = f"{scale:<{layout.bar - len(end)}}{end}"
    left = style.fit([(cut(legend, layout.label, style.glyphs.ellipsis), "dim")], layout.label)
    return style.paint([*left, (" " * GAP, "plain"), (scale, "dim")])


def _label(row: Row, style: Style) -> list[Piece]:
    glyphs, span = style.glyphs, row.node.span
    name = clean(span.name) or "(no name)"
    pieces: list[Piece] = [(row.branch, "dim")]
    if row.folded:
        return [*pieces, (f"{glyphs.ellipsis} {len(row.folded)} more ", "plain"), (name, "dim")]
    if row.node.orphan:
        pieces.append((glyphs.orphan, "warning+strong"))
    if span.failure is not None:
        pieces.append((glyphs.failed, "error+strong"))
    if row.service:
        pieces += [(clean(row.service), f"service:{clean(row.service)}+strong"), (": ", "dim")]
    pieces.append((direction(span.kind, glyphs), "dim"))
    if row.node.before:
        return [*pieces, (name, "dim")]
    pieces.append((name, "error" if span.failure is not None else "strong" if row.node.slowest else "plain"))
    return pieces + details(span)


def _shortened(label: list[Piece], width: int, style: Style) -> list[Piece]:
    """Leaves room for the name: deep branches keep only their right end, long service names their beginning."""
    if sum(columns(text) for text, _ in label) <= width:
        return label
    mark = style.glyphs.ellipsis
    branch, role = label[0]
    shortened = [(_end(branch, width // 2, mark), role)]
    for text, role in label[1:]:
        shortened.append((cut(text, width // 3, mark) if role.startswith("service:") else text, role))
    return shortened


def _end(branch: str, width: int, mark: str) -> str:
    return branch if len(branch) <= width else mark + branch[len(branch) - width + len(mark) :]


def _line(row: Row, label: list[Piece], tree: Tree, layout: _Layout, style: Style) -> str:
    node = row.node
    left = style.fit(_shortened(label, layout.label, style), layout.label)
    if node.before:
        return style.paint(left)
    nodes = row.folded or (node,)
    took = duration(sum(each.end - each.start for each in nodes), style.glyphs.micro)
    role = "error" if node.span.failure else f"service:{clean(node.span.process.service)}"
    if node.slowest:
        role += "+strong"
    gap = (" " * GAP, "plain")
    return style.paint(
        [
            *left,
            gap,
            (_bar(nodes, tree, layout.bar, style), role),
            gap,
            (f"{took:>{DURATION_WIDTH}}", "strong" if node.slowest else "plain"),
        ]
    )


def _bar(nodes: tuple[Node, ...], tree: Tree, cells: int, style: Style) -> str:
    """At least half a cell, at most the axis; half a cell is the resolution."""
    glyphs, halves = style.glyphs, 2 * cells
    start, end = min(node.start for node in nodes), max(node.end for node in nodes)
    if end < tree.start:
        return glyphs.before + " " * (cells - 1)
    if start > tree.end:
        return " " * (cells - 1) + glyphs.after
    total = max(1, tree.end - tree.start)
    first = min(max(0, (start - tree.start) * halves // total), halves - 1)
    last = min(max(first + 1, -((tree.start - end) * halves // total)), halves)
    left, right, whole = _bar_glyphs(nodes, glyphs)
    drawn = []
    for cell in range(0, halves, 2):
        here, there = first <= cell < last, first <= cell + 1 < last
        drawn.append(whole if here and there else left if here else right if there else " ")
    return "".join(drawn)


def _bar_glyphs(nodes: tuple[Node, ...], glyphs: Glyphs) -> tuple[str, ...]:
    if len(nodes) > 1:
        return tuple(glyphs.folded)
    return tuple(glyphs.slowest if nodes[0].slowest else glyphs.bar)


def _failure(row: Row, width: int, label_width: int, style: Style) -> str:
    failure = row.failure
    assert failure is not None
    told = ": ".join(part for part in (clean(failure.type), clean(failure.message)) if part)
    branch = _end(row.below, label_width // 2, style.glyphs.ellipsis)
    return style.paint(style.fit([(branch, "dim"), (style.glyphs.failed, "error+strong"), (told, "error")], width))


def _notes(tree: Tree, drawn: list[Row], style: Style) -> list[str]:
    notes = []
    for service, shift in tree.skews.items():
        apart = duration(abs(shift), style.glyphs.micro)
        way = "behind" if shift > 0 else "ahead"
        notes.append(f"the clock of {clean(service)} is {apart} {way}: its spans are drawn corrected")
    if len(drawn) == MOST_ROWS:
        told = sum(1 for row in drawn for node in row.folded for _ in node.walk())
        told += sum(not row.folded for row in drawn)
        missing = sum(1 for _ in tree.walk()) - told
        notes.append(f"{_count(missing, 'more span')} not drawn: --full draws all")
    if tree.trace.left_out:
        notes.append(f"{_count(tree.trace.left_out, 'more span')} came and not kept: too many for one trace")
    return notes


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
