"""`tracing-run compare A B`: two traces of the same root, and the spans that appeared, vanished or grew."""

from __future__ import annotations

import shutil
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tracing_watch.model import Trace
from tracing_watch.saved import Unreadable, read
from tracing_watch.text import clean, cut, duration
from tracing_watch.tree import Node, Tree, grow

NAME = "tracing-run compare"
USAGE = """\
usage: tracing-run compare A B

Compares traces that `tracing-run watch --save FILE` saved: of each root that both files hold, the
trace of median length. A and B are files, or FILE#ID for the trace whose id begins with ID.
"""
# A change that is less than this share of the root's time, or this long, is noise.
SHARE, LEAST = 0.02, 100_000
MOST = 40


@dataclass(slots=True)
class Calls:
    """All spans in one place of a tree: how many, and their nanoseconds together."""

    count: int = 0
    took: int = 0


Place = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """`kind`: appeared, vanished, grew or shrank; `before` and `after` are zero where there was nothing."""

    kind: str
    place: Place
    before: Calls
    after: Calls


def main(arguments: list[str]) -> int:
    """What comes after `tracing-run compare`; gives the exit code: 0 compared, 1 nothing to compare, 2 wrong use."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if len(arguments) != 2:
        return _fail("give two files of saved traces; see tracing-run compare --help", 2)
    try:
        before, after = (_roots(argument) for argument in arguments)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}", 1)
    except Unreadable as error:
        return _fail(str(error), 1)
    common = [root for root in before if root in after]
    if not common:
        told = ", ".join(list(before)[:3]), ", ".join(list(after)[:3])
        return _fail(f"no root is in both: {told[0]} in {arguments[0]}, {told[1]} in {arguments[1]}", 1)
    width = min(shutil.get_terminal_size((100, 24)).columns, 160)
    for root in common:
        print("\n".join(report(root, _median(before[root]), _median(after[root]), width)))
    return 0


def report(root: str, before: Tree, after: Tree, width: int = 100) -> list[str]:
    """The lines for two traces."""
    lengths = _length(before), _length(after)
    lines = ["", f"{clean(root)}: {duration(lengths[0])} -> {duration(lengths[1])} ({_percent(*lengths)})"]
    found = changes(before, after)
    lines += [_row(change, width) for change in found[:MOST]]
    if len(found) > MOST:
        lines.append(f"  and {len(found) - MOST} smaller changes")
    if not found:
        lines.append("  the same spans, in about the same time")
    return lines


def _row(change: Change, width: int) -> str:
    before, after = change.before, change.after
    counts = f"{before.count} -> {after.count}" if before.count != after.count else ""
    tail = f"  {duration(before.took) + ' -> ' + duration(after.took):>20}  {counts:>8}"
    room = max(20, width - 11 - len(tail))
    return f"  {change.kind:<9}{cut(' > '.join(change.place), room, '...'):<{room}}{tail}".rstrip()


def changes(before: Tree, after: Tree) -> list[Change]:
    """What differs, the greatest difference in time first."""
    least = max(LEAST, int(SHARE * max(_length(before), _length(after))))
    old, new = _places(before), _places(after)
    found = []
    for place in {**old, **new}:
        was, now = old.get(place, Calls()), new.get(place, Calls())
        if not was.count or not now.count:
            kind = "vanished" if was.count else "appeared"
            # What is below it came or went with it.
            if (old if kind == "appeared" else new).get(place[:-1]) is None and len(place) > 1:
                continue
        elif abs(now.took - was.took) >= least or was.count != now.count:
            kind = "grew" if now.took >= was.took else "shrank"
        else:
            continue
        found.append(Change(kind, place, was, now))
    return sorted(found, key=lambda change: -abs(change.after.took - change.before.took))


def _places(tree: Tree) -> dict[Place, Calls]:
    """By the names on the way from the root: repeated calls are one place."""
    places: dict[Place, Calls] = defaultdict(Calls)
    stack: list[tuple[Node, Place, str]] = [(root, (), "") for root in tree.roots]
    while stack:
        node, above, service = stack.pop()
        own = clean(node.span.process.service)
        place = (*above, clean(node.span.name, 60) if own == service else f"{own}: {clean(node.span.name, 60)}")
        calls = places[place]
        calls.count += 1
        calls.took += node.end - node.start
        stack.extend((child, place, own) for child in node.children)
    return dict(places)


def _roots(argument: str) -> dict[str, list[Tree]]:
    """The trees of a file by their root."""
    file, _, prefix = argument.partition("#")
    found: dict[str, list[Tree]] = defaultdict(list)
    traces: list[Trace] = [trace for trace in read(Path(file)) if trace.trace_id.startswith(prefix)]
    if not traces:
        raise Unreadable(f"{file} holds no trace whose id begins with {prefix}")
    for trace in traces:
        tree = grow(trace)
        root = tree.roots[0].span
        found[f"{root.process.service}: {root.name}"].append(tree)
    return found


def _median(trees: list[Tree]) -> Tree:
    return sorted(trees, key=_length)[(len(trees) - 1) // 2]


def _length(tree: Tree) -> int:
    return tree.end - tree.start


def _percent(before: int, after: int) -> str:
    return f"{100 * (after - before) / before:+.0f} %" if before else "new"


def _fail(message: str, code: int) -> int:
    print(f"{NAME}: {message}", file=sys.stderr)
    return code
