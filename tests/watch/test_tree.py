"""How spans are arranged, also when a client sends what makes no sense."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracing_watch.model import Failure, Kind, Process, Span, Trace
from tracing_watch.style import ASCII, UNICODE, Style
from tracing_watch.text import columns
from tracing_watch.tree import Node, grow
from tracing_watch.waterfall import waterfall
from watch.otlp import BEGIN, MS, Recording, process

HERE, THERE, YONDER = (process(name, host=name) for name in ("here", "there", "yonder"))


def names(nodes: list[Node]) -> list[str]:
    return [node.span.name for node in nodes]


def test_children_are_in_order_of_their_start() -> None:
    """Siblings stand in the order in which they began, not in that of arrival."""
    recording = Recording()
    root = recording.span("root", HERE, 0, 10)
    recording.span("second", HERE, 5, 1, root)
    recording.span("first", HERE, 1, 1, root)
    tree = grow(recording.trace())
    assert names(list(tree.walk())) == ["root", "first", "second"]


def test_a_cycle_is_cut_at_its_earliest_span() -> None:
    """Spans that are each other's ancestors are shown once each, as an orphan and what follows from it."""
    recording = Recording()
    recording.span("a", HERE, 5, 1, "0000000000000003")
    recording.span("b", HERE, 3, 1, "0000000000000001")
    recording.span("c", HERE, 4, 1, "0000000000000002")
    recording.span("itself", HERE, 9, 1, "0000000000000004")
    tree = grow(recording.trace())
    assert names(list(tree.walk())) == ["b", "c", "a", "itself"]
    assert [root.span.name for root in tree.roots if root.orphan] == ["b", "itself"]


def test_the_slowest_path_follows_the_longest_child() -> None:
    """The path goes down from the root by the longest child, as long as that takes a fifth of its parent's time."""
    recording = Recording()
    root = recording.span("root", HERE, 0, 100)
    recording.span("short", HERE, 0, 30, root)
    long = recording.span("long", HERE, 30, 60, root)
    recording.span("tiny", HERE, 30, 11, long)
    orphan = recording.span("orphan", HERE, 0, 500, "00000000000000ff")
    tree = grow(recording.trace())
    assert names([node for node in tree.walk() if node.slowest]) == ["root", "long"]
    assert tree.end == orphan.end


def test_deep_traces_do_not_exhaust_the_stack() -> None:
    """A chain of ten thousand spans is arranged and drawn."""
    recording = Recording()
    parent = recording.span("0", HERE, 0, 1)
    for depth in range(1, 10_000):
        parent = recording.span(str(depth), HERE, 0, 1, parent)
    tree = grow(recording.trace())
    assert sum(1 for _ in tree.walk()) == 10_000
    assert len(waterfall(tree, 80, Style(), full=True)) == 2 + 10_000


def test_processes_of_one_host_share_a_clock() -> None:
    """On one host a call that seems to begin before its caller is shown as it was sent."""
    recording = Recording()
    root = recording.span("call", process("a"), 0, 10, kind=Kind.CLIENT)
    recording.span("answer", process("b"), -50, 5, root, Kind.SERVER)
    assert grow(recording.trace()).skews == {}


def test_a_clock_that_is_behind_is_shifted_into_the_call() -> None:
    """The shift puts each answer inside its call, and is the same for all spans of the service."""
    recording = Recording()
    root = recording.span("root", HERE, 0, 100)
    for start, offset in ((0, -1000), (50, -1003)):
        call = recording.span("call", HERE, start, 20, root, Kind.CLIENT)
        recording.span("answer", THERE, start + offset, 14, call, Kind.SERVER)
    tree = grow(recording.trace())
    assert tree.skews == {"there": round(1004.5 * MS)}
    for call_node in tree.roots[0].children:
        (answer,) = call_node.children
        assert call_node.start <= answer.start
        assert answer.end <= call_node.end


def test_a_clock_that_is_ahead_is_shifted_back_and_what_it_calls_with_it() -> None:
    """A third service that was called by the shifted one is compared with its shifted times."""
    recording = Recording()
    root = recording.span("root", HERE, 0, 100, kind=Kind.CLIENT)
    answer = recording.span("answer", THERE, 5000, 90, root, Kind.SERVER)
    call = recording.span("call", THERE, 5010, 70, answer, Kind.CLIENT)
    recording.span("answer", YONDER, 15, 50, call, Kind.SERVER)
    assert grow(recording.trace()).skews == {"there": -4995 * MS}


def test_an_answer_that_outlives_a_failed_call_is_no_skew() -> None:
    """A caller that gave up waiting ends before the called service does: the drawing must not hide that."""
    recording = Recording()
    root = recording.span("call", HERE, 0, 10, kind=Kind.CLIENT, failure=Failure("ReadTimeout", ""))
    recording.span("answer", THERE, 4, 9, root, Kind.SERVER)
    assert grow(recording.trace()).skews == {}


def test_a_message_may_be_taken_at_any_later_time() -> None:
    """A consumer that works long after the producer is shown where it was."""
    recording = Recording()
    root = recording.span("send", HERE, 0, 1, kind=Kind.PRODUCER)
    recording.span("process", THERE, 60_000, 5, root, Kind.CONSUMER)
    tree = grow(recording.trace())
    assert tree.skews == {}
    assert tree.end == BEGIN + 60_005 * MS


def test_late_spans_keep_only_their_ancestors() -> None:
    """Of what was printed before, an addendum shows the way from the root to what is new."""
    recording = Recording()
    root = recording.span("root", HERE, 0, 10)
    recording.span("other", HERE, 0, 1, root)
    parent = recording.span("parent", HERE, 2, 8, root)
    recording.span("orphan", HERE, 2, 8, "00000000000000ff")
    before = frozenset(span.span_id for span in recording.spans)
    recording.span("late", HERE, 3, 1, parent)
    tree = grow(recording.trace(shown_before=before))
    assert [(node.span.name, node.before) for node in tree.walk()] == [
        ("root", True),
        ("parent", True),
        ("late", False),
    ]


ids = st.integers(1, 12).map("{:016x}".format)
texts = st.text(max_size=30)
times = st.one_of(st.integers(0, 2**64 - 1), st.integers(BEGIN, BEGIN + 100 * MS))
spans = st.builds(
    Span,
    trace_id=st.just("01" * 16),
    span_id=ids,
    parent_id=st.one_of(st.just(""), ids),
    name=texts,
    process=st.builds(Process, st.sampled_from(["a", "b", "注文"]), host=st.sampled_from(["", "x", "y"])),
    start=times,
    end=times,
    kind=st.sampled_from(Kind),
    failure=st.one_of(st.none(), st.builds(Failure, texts, texts)),
    attributes=st.dictionaries(
        st.sampled_from(["http.response.status_code", "url.full", "db.system.name"]),
        st.one_of(texts, st.integers(), st.none(), st.binary(), st.lists(st.floats())),
    ),
    links=st.integers(0, 9),
)


@given(st.lists(spans, min_size=1, max_size=12, unique_by=lambda span: span.span_id), st.data())
def test_any_spans_can_be_drawn(drawn: list[Span], data: st.DataObject) -> None:
    """Whatever ids, parents, times and texts spans have, each is drawn once and no line is too wide."""
    before = data.draw(st.sets(st.sampled_from([span.span_id for span in drawn]), max_size=len(drawn) - 1))
    width = data.draw(st.integers(1, 300))
    style = data.draw(st.sampled_from([Style(UNICODE), Style(ASCII)]))
    tree = grow(Trace("01" * 16, tuple(drawn), frozenset(before)))
    new = [node.span for node in tree.walk() if not node.before]
    assert sorted(span.span_id for span in new) == sorted({span.span_id for span in drawn} - before)
    lines = waterfall(tree, width, style, full=True)
    assert all(columns(line) <= max(40, min(width, 160)) for line in lines)
    assert not any(character < " " for line in lines for character in line)
