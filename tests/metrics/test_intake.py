"""The way into the instruments: it never waits for a lock that the interrupted thread holds, and is bounded."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from support.recorder import Recorder
from tracing_agent.faults import LINES
from tracing_agent.metrics import intake
from tracing_agent.metrics.intake import Intake
from tracing_agent.trace.span import Span


class Work:
    """Remembers what was measured, and does ``meanwhile`` while it measures."""

    def __init__(self) -> None:
        self.measured: list[str] = []
        self.prepared = 0
        self.sent: list[bool] = []
        self.meanwhile: Any = None

    def prepare(self) -> None:
        self.prepared += 1

    def measure(self, spans: Sequence[Span]) -> None:
        if self.meanwhile is not None:
            self.meanwhile()
        self.measured += [span.name for span in spans]

    def begin(self) -> None:
        pass

    def wait(self) -> float:
        return 60.0

    def send(self, now: bool, closing: bool) -> None:
        if now:
            self.sent.append(closing)


@pytest.fixture
def spans(recorder: Recorder) -> Any:
    """Makes ended spans."""

    def make(*names: str) -> list[Span]:
        for name in names:
            recorder.tracer.start_span(name).end()
        return [recorder.finished.pop(0) for _ in names]

    return make


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue of four spans, of which three wake the thread."""
    monkeypatch.setattr(intake, "LIMIT", 4)
    monkeypatch.setattr(intake, "BATCH", 3)


def test_spans_that_end_while_measuring(spans: Any) -> None:
    """A span that ends in the middle of measuring, in a finaliser for example, waits its turn: nothing deadlocks."""
    work = Work()
    way = Intake(work)
    way.started = True
    first, second = spans("first", "second")
    way.offer(first)

    def meanwhile() -> None:
        work.meanwhile = None
        way.offer(second)
        assert not way.drain()

    work.meanwhile = meanwhile
    assert way.drain()
    assert work.measured == ["first"]
    assert way.drain()
    assert work.measured == ["first", "second"]
    assert work.prepared == 1


def test_full_queue_is_measured_by_who_fills_it(spans: Any, small: None) -> None:
    """Where the thread does not keep up, the thread of the program that finds the queue full measures it."""
    work = Work()
    way = Intake(work)
    way.started = way.prepared = True
    for span in spans(*"abcde"):
        way.offer(span)
    assert work.measured == list("abcd")
    assert len(way.queue) == 1
    assert way.lost == 0


def test_what_cannot_be_measured_is_said(spans: Any, small: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it cannot, because somebody measures just now, spans are lost, counted, and said to be, once."""
    work = Work()
    way = Intake(work)
    way.started = way.prepared = True
    many = spans(*"abcdefgh")
    way.offer(many.pop())

    def meanwhile() -> None:
        for span in many:
            way.offer(span)

    work.meanwhile = meanwhile
    assert way.drain()
    assert way.lost == 3
    assert len(way.queue) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert "some are missing in the metrics" in line
    assert LINES.repeats["lost"] == 2


def test_the_thread_starts_with_the_first_operation_and_ends_with_a_flush(spans: Any, small: None) -> None:
    """Nothing runs before there is something to measure; a closing flush measures and sends all, and takes no more."""
    work = Work()
    way = Intake(work)
    assert way.flush(30.0)
    assert not way.started
    threads = threading.active_count()
    for span in spans(*"abcd"):
        way.offer(span)
    assert way.started
    assert threading.active_count() == threads, "the program sees no thread of ours"
    assert way.flush(30.0)
    assert sorted(work.measured) == list("abcd")
    assert way.flush(30.0, closing=True)
    assert work.sent == [False, True]
    (late,) = spans("late")
    way.offer(late)
    assert not way.queue
    # Lets the thread end.
    way._wake.put(None)
    way.reset()


def test_what_began_before_a_fork_is_the_parents(spans: Any) -> None:
    """A forked child measures nothing that its parent began, and starts from nothing."""
    work = Work()
    way = Intake(work)
    way.started = True
    way.forked()
    way.started = True
    (old,) = spans("old")  # the recorder's clock began in 1970
    way.offer(old)
    assert way.drain()
    assert work.measured == []
