"""When a trace is finished, and what is kept of it: spans, a clock in the test's hand, no I/O."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tracing_watch.assemble import SPAN_OVERHEAD, Assembly, Limits, Patience
from tracing_watch.model import Kind, Span, Trace
from watch.otlp import Recording, process

PATIENCE = Patience(complete=1, called=10, parent=100, local_parent=1000, longest=5000)
FRONT, BACK = process("front"), process("back")


def assembly(**limits: int) -> Assembly:
    return Assembly(PATIENCE, replace(Limits(), **limits))


def names(traces: list[Trace]) -> list[list[str]]:
    return [[span.name for span in trace.spans] for trace in traces]


def call(recording: Recording) -> tuple[Span, Span, Span]:
    """A request, the call that it makes, and the called service's span."""
    root = recording.span("request", FRONT, 0, 10, kind=Kind.SERVER)
    client = recording.span(
        "call", FRONT, 1, 8, root, Kind.CLIENT, http__request__method="GET", server__address="back", server__port=80
    )
    return root, client, recording.span("answer", BACK, 2, 6, client, Kind.SERVER)


def test_a_complete_trace_is_finished_after_a_short_quiet() -> None:
    """A trace whose parents and called services are all here waits the shortest time after its last span."""
    watched = assembly()
    spans = call(Recording())
    watched.add(spans[:2], now=0)
    watched.add(spans[2:], now=5)
    assert watched.next_due() == 6
    assert watched.due(now=5.9) == []
    assert names(watched.due(now=6)) == [["request", "call", "answer"]]
    assert watched.next_due() is None


@pytest.mark.parametrize(
    ("missing", "wait"),
    [("answer", PATIENCE.called), ("request", PATIENCE.local_parent), ("call", PATIENCE.parent)],
)
def test_how_long_missing_spans_are_waited_for(missing: str, wait: float) -> None:
    """A called service may be silent, a remote parent's exporter is slow, a local parent may still run."""
    watched = assembly()
    watched.add([span for span in call(Recording()) if span.name != missing], now=0)
    assert watched.next_due() == wait


def test_spans_in_any_order_make_the_same_trace() -> None:
    """Children may come before their parents."""
    watched = assembly()
    for moment, span in enumerate(reversed(call(Recording()))):
        watched.add([span], now=moment)
    assert names(watched.due(now=3)) == [["answer", "call", "request"]]


def test_services_that_answered_once_are_waited_for() -> None:
    """A called address that has sent spans before is worth the longer wait; others are not."""
    watched = assembly()
    watched.add(call(Recording()), now=0)
    watched.due(now=1)
    watched.add(call(Recording("02" * 16))[:2], now=10)
    assert watched.next_due() == 10 + PATIENCE.parent
    assert watched.incomplete()


def test_services_that_answered_late_are_waited_for_the_next_time() -> None:
    """An answer that comes after its trace was printed teaches as well."""
    watched = assembly()
    spans = call(Recording())
    watched.add(spans[:2], now=0)
    watched.due(now=10)
    watched.add(spans[2:], now=20)
    watched.due(now=21)
    watched.add(call(Recording("02" * 16))[:2], now=30)
    assert watched.next_due() == 30 + PATIENCE.parent


def test_database_calls_are_not_waited_for() -> None:
    """A client span of a database has no span at the other end."""
    watched = assembly()
    recording = Recording()
    root = recording.span("request", FRONT, 0, 10)
    recording.span("SELECT", FRONT, 1, 1, root, Kind.CLIENT, db__system__name="postgresql")
    watched.add(recording.spans, now=0)
    assert watched.next_due() == PATIENCE.complete


@pytest.mark.parametrize(("remote", "wait"), [(True, PATIENCE.parent), (False, PATIENCE.local_parent)])
def test_the_flag_says_whether_a_parent_is_remote(remote: bool, wait: float) -> None:
    """Where a span says whether its parent is in another process, its kind does not matter."""
    watched = assembly()
    span = Recording().span("work", FRONT, 0, 1, "00000000000000ff")
    watched.add([replace(span, parent_is_remote=remote)], now=0)
    assert watched.next_due() == wait


def test_a_stream_of_spans_does_not_delay_a_trace_for_ever() -> None:
    """A trace is finished some time after its first span even if new ones keep coming."""
    watched = assembly()
    recording = Recording()
    for moment in range(0, 5000, 10):
        watched.add([recording.span("step", FRONT, moment, 1, "00000000000000ff")], now=moment)
        assert watched.due(now=moment) == []
    watched.add([recording.span("step", FRONT, 5000, 1, "00000000000000ff")], now=4999)
    assert watched.next_due() == PATIENCE.longest


def test_a_span_that_was_sent_twice_counts_once() -> None:
    """A client that tries a request again does not double its spans."""
    watched = assembly()
    spans = call(Recording())
    watched.add(spans, now=0)
    watched.add(spans, now=0.5)
    assert names(watched.due(now=1)) == [["request", "call", "answer"]]
    watched.add(spans, now=2)
    assert watched.next_due() is None


def test_late_spans_come_as_an_addendum() -> None:
    """What comes after a trace was printed is told apart from what was printed, and not waited for again."""
    watched = assembly()
    root, client, answer = call(Recording())
    watched.add([client], now=0)
    watched.due(now=PATIENCE.local_parent)
    watched.add([answer], now=2000)
    assert watched.next_due() == 2000 + PATIENCE.complete
    (trace,) = watched.due(now=2001)
    assert trace.shown_before == {client.span_id}
    assert trace.spans == (client, answer)
    watched.add([root], now=3000)
    assert watched.due(now=3001)[0].shown_before == {client.span_id, answer.span_id}


def test_the_trace_that_began_first_leads() -> None:
    """Traces that finish together come in the order in which they began, however spans were grouped on the way."""
    watched = assembly()
    first, second = Recording(), Recording("02" * 16)
    early = first.span("early", FRONT, 0, 1, kind=Kind.SERVER)
    late = second.span("late", FRONT, 5, 9, kind=Kind.SERVER)
    query = second.span("query", FRONT, 6, 7, late, Kind.CLIENT, db__system__name="postgresql")
    watched.add([query, early, late], now=0)
    assert names(watched.due(now=1)) == [["early"], ["query", "late"]]


def test_everything_pending_comes_out_at_the_end() -> None:
    """At the end all traces come out, finished or not."""
    watched = assembly()
    watched.add(call(Recording())[1:], now=0)
    watched.add(call(Recording("02" * 16))[:1], now=0)
    assert watched.incomplete()
    assert names(watched.drain()) == [["request"], ["call", "answer"]]
    assert watched.drain() == []
    assert not watched.incomplete()


def test_too_many_traces_push_out_the_oldest() -> None:
    """Past the bound on traces in the making, the oldest is printed as it is."""
    watched = assembly(traces=3)
    for number in range(1, 6):
        watched.add([Recording(f"{number:032x}").span(f"request {number}", FRONT, 0, 1)], now=number / 10)
    assert watched.next_due() == 0.0
    assert names(watched.due(now=0.6)) == [["request 1"], ["request 2"]]
    assert names(watched.drain()) == [["request 3"], ["request 4"], ["request 5"]]


@pytest.mark.parametrize("limits", [{"finished": 2}, {"finished_size": 2 * SPAN_OVERHEAD}])
def test_only_the_latest_printed_traces_are_remembered(limits: dict[str, int]) -> None:
    """A late span of a trace that was printed long ago comes as a trace of its own."""
    watched = assembly(**limits)
    recordings = [Recording(f"{number:032x}") for number in range(1, 4)]
    for recording in recordings:
        watched.add([recording.span("request", FRONT, 0, 1)], now=0)
        watched.due(now=1)
    for recording in recordings:
        watched.add([recording.span("late", FRONT, 0, 1)], now=2)
    assert names(watched.due(now=3)) == [["late"], ["request", "late"], ["request", "late"]]


def test_too_many_spans_of_a_trace_are_counted() -> None:
    """Past the bound on spans of a trace only roots are kept, and the others counted and told once."""
    watched = assembly(spans_per_trace=3)
    recording = Recording()
    for number in range(5):
        recording.span(f"step {number}", FRONT, 0, 1, "0000000000000006")
    recording.span("request", FRONT, 0, 10)
    watched.add(recording.spans, now=0)
    (trace,) = watched.drain()
    assert names([trace]) == [["step 0", "step 1", "step 2", "request"]]
    assert trace.left_out == 2
    watched.add([recording.span("step 6", FRONT, 0, 1, "0000000000000006")], now=10)
    assert watched.drain()[0].left_out == 1


def test_large_spans_push_out_the_oldest_traces() -> None:
    """The bound on memory holds whatever the spans' size, also within one trace."""
    watched = assembly(size=3 * SPAN_OVERHEAD, finished_size=0)
    recording = Recording()
    for number in range(10):
        watched.add([recording.span(f"step {number}", FRONT, 0, 1)], now=number / 100)
    printed = names(watched.due(now=0.1) + watched.drain())
    assert [name for names_ in printed for name in names_] == [f"step {number}" for number in range(10)]
    assert max(map(len, printed)) == 4
