"""What a trace tells beside its picture: sentences that are only made when they are true of it.

Pure: a tree gives findings, the most telling of each kind first. Times are those of the tree, corrected for skew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tracing_watch.critical import critical_path, longest_gap
from tracing_watch.model import Kind, Span
from tracing_watch.text import clean, cut, duration
from tracing_watch.tree import Node, Tree

# Equal sibling queries from which on one query for all of them is worth a thought.
REPEATED = 5
# The share of a trace's time from which on one span explains it, and from which on a gap is worth a word.
EXPLAINS, GAP_SHARE = 0.5, 0.25
# Shorter gaps and remainders are noise (nanoseconds).
GAP_LEAST = 5_000_000
TOLERANCE = 1_000_000
# Findings of one kind that are told.
MOST = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is one of few words; `text` for people; `spans` are the ids of the spans that it is about."""

    kind: str
    text: str
    spans: tuple[str, ...] = ()


def findings(tree: Tree, micro: str = "µs") -> list[Finding]:
    """Everything found; nothing for an addendum of late spans, which is only a part of a tree."""
    if tree.trace.shown_before or not tree.roots:
        return []
    found: list[Finding] = []
    for finder in FINDERS:
        found.extend(finding for _, finding in sorted(finder(tree, micro), key=lambda pair: -pair[0])[:MOST])
    return found


Weighed = Iterator[tuple[int, Finding]]
"""Findings with their weight: nanoseconds that they cost."""


def slowest(tree: Tree, micro: str) -> Weighed:
    """The span whose own time on the critical path is most of the root's time."""
    root = tree.roots[0]
    total, whole = root.end - root.start, tree.end - tree.start
    if root.orphan or total <= 0 or not root.children:
        return
    own = critical_path(root)
    node, share = max(own.items(), key=lambda item: item[1])
    if share < EXPLAINS * total or (node is root and (_gap(node, total) or share < EXPLAINS * whole)):
        return
    # A message's consumer and a background task go on after the root, which did not wait for them.
    time = "the time" if whole - total <= TOLERANCE else f"the time of {name(root)}"
    told = f"{name(node)} explains {100 * share // total} % of {time}: {duration(share, micro)} of its own"
    yield share, Finding("slowest", told, (node.span.span_id,))


def repeated(tree: Tree, micro: str) -> Weighed:
    """Equal queries, or calls of one operation of a service, below one span, which one might have answered."""
    for parent in tree.walk():
        groups: dict[tuple[str, str], list[Node]] = {}
        for child in parent.children:
            asked = _asked(child)
            if asked:
                groups.setdefault((asked, child.span.process.service), []).append(child)
        for (summary, _), nodes in groups.items():
            if len(nodes) >= REPEATED:
                took = sum(node.end - node.start for node in nodes)
                told = f"{len(nodes)} times {summary} below {name(parent)}: {duration(took, micro)} in all (N+1?)"
                yield took, Finding("repeated", told, tuple(node.span.span_id for node in nodes))


def errors(tree: Tree, micro: str) -> Weighed:
    """Where an error began: the deepest failed span, and how far up it went."""
    above = {id(child): parent for parent in tree.walk() for child in parent.children}
    for origin in tree.walk():
        if origin.span.failure is None or any(child.span.failure is not None for child in origin.children):
            continue
        top = origin
        while (parent := above.get(id(top))) is not None and parent.span.failure is not None:
            top = parent
        failure = origin.span.failure
        what = ": ".join(part for part in (clean(failure.type), _short(failure.message, 80)) if part)
        told = f"began in {name(origin)}" + (f" ({what})" if what else "")
        if top is not origin:
            told += f" and went up to {name(top)}"
        if id(top) in above:
            told += f"; {name(above[id(top)])} went on without it"
        yield origin.span.duration, Finding("error", told, (origin.span.span_id,))


def retries(tree: Tree, micro: str) -> Weighed:
    """The same call made again after it failed."""
    for parent in tree.walk():
        groups: dict[tuple[object, ...], list[Node]] = {}
        for child in parent.children:
            if child.span.kind in (Kind.CLIENT, Kind.PRODUCER):
                groups.setdefault(_call(child.span), []).append(child)
        for nodes in groups.values():
            tries = _tries(nodes)
            if len(tries) > 1:
                took = tries[-1].end - tries[0].start
                end = "each failed" if _failed(tries[-1].span) else "the last went well"
                told = f"{name(tries[0])} was tried {len(tries)} times, {end}: {duration(took, micro)} in all"
                yield took, Finding("retry", told, tuple(node.span.span_id for node in tries))


def given_up(tree: Tree, micro: str) -> Weighed:
    """A caller that gave up while the called service still worked."""
    for caller in tree.walk():
        if caller.span.kind != Kind.CLIENT or caller.span.failure is None:
            continue
        for called in caller.children:
            # Lengths compare whatever the clocks show.
            longer = called.span.duration - caller.span.duration
            if called.span.kind == Kind.SERVER and longer > TOLERANCE:
                told = (
                    f"{clean(caller.span.process.service)} gave up after {duration(caller.span.duration, micro)} "
                    f"({clean(caller.span.failure.type) or 'an error'}); {name(called)} worked on for "
                    f"{duration(longer, micro)} in vain"
                )
                yield longer, Finding("time-out", told, (caller.span.span_id, called.span.span_id))


def gaps(tree: Tree, micro: str) -> Weighed:
    """Time within a span, between its children, of which nothing is known."""
    total = tree.end - tree.start
    for node in tree.walk():
        gap = _gap(node, total)
        if gap is not None:
            length, before, after = gap
            place = f"after {name(before)}" if before else f"before {name(after)}" if after else ""
            place = f"between {name(before)} and {name(after)}" if before and after else place
            told = f"{duration(length, micro)} of {name(node)} have no span, {place}: code that is not traced"
            yield length, Finding("gap", told, (node.span.span_id,))


def skews(tree: Tree, micro: str) -> Weighed:
    """Clocks that differ between services."""
    for service, shift in tree.skews.items():
        way = "behind" if shift > 0 else "ahead"
        told = f"the clock of {clean(service)} is {duration(abs(shift), micro)} {way}: its spans are drawn corrected"
        yield abs(shift), Finding("clock", told)


FINDERS: tuple[Callable[[Tree, str], Weighed], ...] = (slowest, repeated, errors, retries, given_up, gaps, skews)


def name(node: Node) -> str:
    """A span as a sentence names it."""
    return f"{clean(node.span.process.service)}: {_short(node.span.name, 60) or '(no name)'}"


def _short(text: str, width: int) -> str:
    return cut(clean(text), width, "...")


def _gap(node: Node, total: int) -> tuple[int, Node | None, Node | None] | None:
    # What a call waits for is the called one's affair.
    if node.span.kind in (Kind.CLIENT, Kind.PRODUCER) or not node.children:
        return None
    length, before, after = longest_gap(node)
    return (length, before, after) if length >= max(GAP_LEAST, GAP_SHARE * total) else None


def _first(attributes: Mapping[str, object], *names: str) -> object:
    return next((attributes[each] for each in names if each in attributes), None)


def _asked(node: Node) -> str:
    """What a call asks for: a query's summary, or the operation that was called; "" if that is not known."""
    span = node.span
    if span.kind != Kind.CLIENT:
        return ""
    if _first(span.attributes, "db.system.name", "db.system") is not None:
        return _short(str(_first(span.attributes, "db.query.summary") or span.name), 60)
    called = [child for child in node.children if child.span.kind == Kind.SERVER]
    return name(called[0]) if len(called) == 1 else ""


def _call(span: Span) -> tuple[object, ...]:
    attributes = span.attributes
    target = _first(attributes, "url.full", "http.url", "db.query.text", "messaging.destination.name")
    return span.process, span.name, span.kind, target, attributes.get("server.address"), attributes.get("server.port")


def _failed(span: Span) -> bool:
    status = _first(span.attributes, "http.response.status_code", "http.status_code")
    return span.failure is not None or (isinstance(status, int) and (status >= 500 or status in (408, 429)))


def _tries(nodes: list[Node]) -> list[Node]:
    """The longest run of calls, one after the other, each but the last of which failed."""
    best: list[Node] = []
    run: list[Node] = []
    for node in nodes:
        if run and (node.start < run[-1].end or not _failed(run[-1].span)):
            run = []
        run.append(node)
        if len(run) > len(best):
            best = list(run)
    return best
