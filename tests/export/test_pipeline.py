"""The queue and its thread: the application only appends, and every span is accounted for."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from export.pipelines import Exporting, Kept, exporting, until
from support.recorder import Recorder
from tracing_agent.export import notices
from tracing_agent.export.pace import Pace
from tracing_agent.faults import LINES


@pytest.fixture
def impatient() -> Iterator[None]:
    """Threads change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def adds_up(health: dict[str, Any]) -> bool:
    """Whether every ended span is somewhere."""
    parts = sum(health["dropped"].values()) + sum(health["failed"].values())
    return bool(health["ended"] == health["exported"] + health["queued"] + health["sending"] + parts)


def test_in_order_by_one_thread() -> None:
    """Spans arrive in the order in which they ended, exported by one thread that is not the application's."""
    kept = Kept()
    names = [str(number) for number in range(1000)]
    with exporting(kept) as running:
        running.spans(*names)
        assert running.pipeline.flush(5)
    assert kept.names == names
    assert len(kept.threads) == 1 and threading.get_ident() not in kept.threads


def test_wakes_on_batch_size() -> None:
    """The thread exports a full batch without being asked, and leaves what does not fill one."""
    kept = Kept()
    with exporting(kept, batch=10) as running:
        running.spans(*"abcdefghi")
        assert not kept.batches
        running.spans(*"jkl")
        assert kept.entered.wait(5)
        until(lambda: kept.batches)
        assert kept.names == list("abcdefghij") and len(running.pipeline.queue) == 2


def test_wakes_on_delay() -> None:
    """What does not fill a batch is exported after the delay; with a delay of 0 at once."""
    for delay in (0.05, 0.0):
        kept = Kept()
        with exporting(kept, delay=delay) as running:
            running.spans("a")
            until(lambda kept=kept: kept.names == ["a"])
            running.spans("b")
            until(lambda kept=kept: kept.names == ["a", "b"])


def test_thread_starts_with_the_first_span() -> None:
    """No thread is started, and the exporter is not prepared, before a span has ended."""
    kept = Kept()
    with exporting(kept, batch=1) as running:
        span = running.tracer.start_span("a")
        assert not running.pipeline.started and not kept.prepared
        span.end()
        assert kept.entered.wait(5) and kept.prepared == 1


def test_prepared_with_the_first_span() -> None:
    """What sending needs is imported when the first span has ended, not with the first batch, maybe at the end."""
    kept = Kept()
    with exporting(kept) as running:
        running.spans("a")
        until(lambda: kept.prepared)
        assert not kept.batches


def test_thread_is_not_the_programs() -> None:
    """A program that counts, lists or joins its threads does not meet ours."""
    kept = Kept()
    known = threading.enumerate()
    with exporting(kept, batch=1) as running:
        running.spans("a")
        assert kept.entered.wait(5)
        assert threading.enumerate() == known


def test_full_queue() -> None:
    """With a stalled exporter the newest spans are dropped and counted; what was queued arrives, in order.

    user-pain row 26: the dropped count is known, and printed.
    """
    kept = Kept()
    kept.open.clear()
    with exporting(kept, limit=20, batch=5) as running:
        running.spans(*map(str, range(5)))
        assert kept.entered.wait(5)
        running.spans(*map(str, range(5, 100)))
        health = running.health
        assert (health["queued"], health["sending"], health["dropped"]) == (20, 5, {"queue full": 75})
        assert health["queue_limit"] == 20 and adds_up(health)
        kept.open.set()
        assert running.pipeline.flush(5)
        assert kept.names == [str(number) for number in range(25)]
        running.spans("later")
        assert running.pipeline.flush(5)
        assert kept.names[-1] == "later"
        assert running.health["started"] == 101


def test_application_only_appends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ending spans while the exporter is stalled wakes its thread once, not for each span."""
    kept = Kept()
    kept.open.clear()
    with exporting(kept, limit=10_000, batch=10) as running:
        running.spans(*"abcdefghij")
        assert kept.entered.wait(5)
        wakes = []
        wake = running.pipeline.pace.wake
        monkeypatch.setattr(running.pipeline.pace, "wake", lambda *command: (wakes.append(command), wake(*command)))
        running.spans(*map(str, range(5000)))
        assert wakes == [()]


def test_never_more_than_the_limit_and_the_threads(impatient: None) -> None:
    """Many threads at a full queue: it holds its limit and at most one more span for each."""
    kept = Kept()
    kept.open.clear()
    with exporting(kept, limit=50, batch=10) as running:
        running.spans(*"abcdefghij")
        assert kept.entered.wait(5)
        together(8, lambda: running.spans(*["x"] * 500))
        health = running.health
        assert 50 <= health["queued"] <= 58
        assert adds_up(health) and health["ended"] == health["started"] == 4010


@pytest.mark.parametrize("limit", [10, 100_000])
def test_adds_up_with_threads(impatient: None, limit: int) -> None:
    """N threads that begin and end spans: started = exported + failed + dropped + queued, exactly, at every look."""

    class Picky(Kept):
        def export(self, spans: Any, resource: Any, pace: Pace) -> None:
            pace.health.fail(1, "rejected", "no")
            pace.health.succeed(len(spans) - 1)

    with exporting(Picky(), limit=limit, batch=min(limit, 64)) as running:
        looks: list[dict[str, Any]] = []
        done = threading.Event()

        def look() -> None:
            while not done.is_set():
                looks.append(running.health)

        watcher = threading.Thread(target=look)
        watcher.start()
        together(8, lambda: running.spans(*["x"] * 1000))
        assert running.pipeline.flush(10)
        done.set()
        watcher.join()
        health = running.health
        assert health["started"] == health["sampled"] == health["ended"] == 8000
        assert health["queued"] == health["sending"] == 0 and adds_up(health)
        assert all(map(adds_up, looks)) and all(look["started"] >= look["ended"] for look in looks)
        ended = [look["ended"] for look in looks]
        assert ended == sorted(ended)


def test_no_wake_is_lost(impatient: None) -> None:
    """Threads that fill batches again and again: every full batch is exported without a flush."""
    kept = Kept()
    with exporting(kept, limit=100_000, batch=7) as running:
        for _ in range(20):
            together(4, lambda: running.spans(*["x"] * 50))
            until(lambda: len(running.pipeline.queue) < 7)
        until(lambda: len(kept.names) > 4000 - 7)


def test_flush_from_several_threads() -> None:
    """Each flush returns after what was queued before it was exported."""
    kept = Kept()
    with exporting(kept) as running:

        def one(number: int) -> None:
            running.spans(str(number))
            assert running.pipeline.flush(5)
            assert str(number) in kept.names

        threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert sorted(kept.names, key=int) == [str(number) for number in range(20)]


def test_flush_gives_up() -> None:
    """A flush while the exporter is stalled is false after its time, and so is `force_flush` of the provider."""
    kept = Kept()
    kept.open.clear()
    with exporting(kept) as running:
        running.provider.pipeline = running.pipeline
        running.spans("a")
        assert running.pipeline.flush(0.01) is False
        assert running.provider.force_flush(10) is False
        kept.open.set()
        assert running.provider.force_flush(5000) is True


def test_after_shutdown() -> None:
    """Spans that end after the shutdown are dropped under a reason of their own; shutting down again is nothing."""
    kept = Kept()
    with exporting(kept) as running:
        running.provider.pipeline = running.pipeline
        running.spans("a")
        running.provider.shutdown()
        assert kept.names == ["a"] and kept.flushes == [False, True]
        running.provider.engine.deliver(running.pipeline.offer)
        running.spans(*["late"] * 600)
        running.provider.shutdown()
        health = running.health
        assert health["dropped"] == {"after shutdown": 600} and adds_up(health)
    assert kept.names == ["a"]


def test_exporter_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """An exporter that raises costs its batch, one line and nothing else; the next batch is tried again."""
    LINES.strict = False

    class Broken(Kept):
        def export(self, spans: Any, resource: Any, pace: Pace) -> None:
            if len(self.batches) < 2:
                self.batches.append(list(spans))
                raise RuntimeError("no luck")
            super().export(spans, resource, pace)

    broken = Broken()
    with exporting(broken) as running:
        for name in "abc":
            running.spans(name)
            running.pipeline.flush(5)
        health = running.health
    assert (health["failed"], health["exported"]) == ({"exporter fault": 2}, 1) and adds_up(health)
    assert health["last_error"] == "RuntimeError('no luck')"
    assert capsys.readouterr().err.count("\n") == 1


def test_no_thread_to_be_had(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no thread can be started, the flush sends on the caller's thread, and its context is as before."""
    monkeypatch.setattr("tracing_agent.export.pipeline.spawn", _no_thread)
    kept = Kept()
    running = Exporting(kept, batch=2)
    with running.tracer.start_as_current_span("outer"):
        running.spans(*"abc")
        assert running.pipeline.close(5)
        running.spans("late")
    assert kept.names == ["a", "b", "c"] and kept.threads == {threading.get_ident()}
    assert "spans are sent at exit only" in capsys.readouterr().err


def _no_thread(run: Any) -> None:
    raise RuntimeError("can't start new thread")


def test_queue_full_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A full queue is one line when it happens first, then one with the count in each period.

    user-pain row 26: the dropped count is in the periodic line.
    """
    kept = Kept()
    kept.open.clear()
    with exporting(kept, limit=4, batch=2) as running:

        def overflow() -> str:
            kept.entered.clear()
            kept.open.clear()
            running.spans(*"ab")
            assert kept.entered.wait(5)
            running.spans(*"cdefgh")
            kept.open.set()
            assert running.pipeline.flush(5)
            return capsys.readouterr().err

        assert overflow() == (
            "tracing-agent: error: span queue full (4 spans): new ones are dropped while it is, 2 so far; "
            "OTEL_BSP_MAX_QUEUE_SIZE sets its size\n"
        )
        assert overflow() == ""
        monkeypatch.setattr(notices, "PERIOD", 0.0)
        assert overflow() == "tracing-agent: warning: 6 spans lost so far (6 queue full)\n"


def test_two_exporters(recorder: Recorder) -> None:
    """With two exporters both get every span, and one that fails does not keep the other from it."""
    LINES.strict = False
    first, second = Kept(), Kept()
    first.export = _fails  # type: ignore[method-assign]
    with exporting(second) as running:
        running.pipeline.drain.exporters = [first, second]
        running.spans("a")
        running.pipeline.flush(5)
        assert second.names == ["a"] and running.health["failed"] == {}


def _fails(spans: Any, resource: Any, pace: Pace) -> None:
    raise RuntimeError("no")


def together(count: int, work: Any) -> None:
    """Run ``work`` in so many threads that start at one moment."""
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait()
        work()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_time_while_somebody_waits() -> None:
    """A batch that somebody waits for gets ten seconds at most, one that nobody waits for the whole time-out."""

    class Timed(Kept):
        left: list[float]

        def export(self, spans: Sequence[Any], resource: Any, pace: Pace) -> None:
            self.left = [*getattr(self, "left", []), pace.left()]
            super().export(spans, resource, pace)

    timed = Timed()
    with exporting(timed, batch=2, timeout=3000.0) as running:
        running.spans("a", "b")
        until(lambda: timed.names == ["a", "b"])
        running.spans("c")
        assert running.pipeline.flush(30)
    assert timed.left[0] > 1000 and timed.left[1] <= 10
