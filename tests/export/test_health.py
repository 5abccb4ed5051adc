"""Health in numbers: one look at everything, at any moment, that adds up."""

from __future__ import annotations

import sys
import threading
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import sampling
from opentelemetry.trace import SpanKind

from export.pipelines import Kept, exporting
from support.program import run
from support.sink import Sink
from tracing_agent.export import health as health_module
from tracing_agent.export.health import Health, snapshot
from tracing_agent.operation import Operation
from tracing_agent.trace.begin import admit, beginner, receiver

NAMES = {
    "started",
    "sampled",
    "ended",
    "exported",
    "failed",
    "dropped",
    "queued",
    "queue_limit",
    "sending",
    "inherited",
    "retries",
    "requests",
    "bytes",
    "down",
    "last_error",
    "last_error_time",
    "last_success_time",
}


def test_from_nothing() -> None:
    """Before the first span everything is 0, and nothing was started to know it."""
    with exporting(Kept(), limit=7) as running:
        health = running.health
        assert set(health) == NAMES
        assert health.pop("queue_limit") == 7
        assert not any(health.values())
        assert not running.pipeline.started


class Never(sampling.Sampler):
    """Drops what is called so, records without sampling what is called otherwise so, and samples the rest."""

    def should_sample(self, parent_context: Any, trace_id: int, name: str, *args: Any, **kwargs: Any) -> Any:
        decisions = {"drop": sampling.Decision.DROP, "only": sampling.Decision.RECORD_ONLY}
        return sampling.SamplingResult(decisions.get(name, sampling.Decision.RECORD_AND_SAMPLE))

    def get_description(self) -> str:
        return "never"


def test_unsampled() -> None:
    """Spans that are not sampled are started, but neither sampled nor ended; by the API and by instrumentations."""
    with exporting(Kept()) as running:
        running.provider.engine.sampled_by(sampling.ALWAYS_OFF)
        running.spans("a", "b")
        begins = beginner(running.provider.engine, Operation("redis", "GET", SpanKind.CLIENT))
        receives = receiver(running.provider.engine, Operation("flask", "GET", SpanKind.SERVER))
        begins(), receives(None)
        health = running.health
        assert (health["started"], health["sampled"], health["ended"]) == (4, 0, 0)


def test_custom_sampler() -> None:
    """What a custom sampler drops, or records only, is not sampled."""
    with exporting(Kept()) as running:
        engine = running.provider.engine
        engine.sampled_by(Never())
        for name in ("drop", "only", "keep"):
            begin = beginner(engine, Operation("redis", name, SpanKind.CLIENT))
            span: Any = begin()
            span = admit(engine, span)
            if span.recording:
                span.origin.finish(span)
        running.tracer.start_span("drop").end()
        running.tracer.start_span("only").end()
        running.tracer.start_span("keep").end()
        health = running.health
        assert (health["started"], health["sampled"], health["ended"]) == (6, 2, 2)


def test_open_spans() -> None:
    """What is started and not ended is the difference of the two."""
    with exporting(Kept()) as running:
        spans = [running.tracer.start_span("a") for _ in range(5)]
        spans[0].end()
        health = running.health
        assert (health["sampled"] - health["ended"], health["queued"]) == (4, 1)


def test_several_samplers() -> None:
    """Tracers made after the program replaced the provider's sampler count too, once."""
    with exporting(Kept()) as running:
        running.spans("a")
        running.provider.sampler = sampling.ALWAYS_OFF
        running.provider.get_tracer("later").start_span("b").end()
        running.spans("c")
        health = running.health
        assert (health["started"], health["sampled"], health["ended"]) == (3, 2, 2)


def test_consistent_while_exporting() -> None:
    """A look in the middle of a hand-over never loses or doubles a span."""
    kept = Kept()
    with exporting(kept, batch=1, limit=100_000) as running:
        looks: list[dict[str, Any]] = []
        stop = threading.Event()

        def look() -> None:
            while not stop.is_set():
                looks.append(running.health)

        watcher = threading.Thread(target=look)
        watcher.start()
        running.spans(*["a"] * 3000)
        assert running.pipeline.flush(30)
        stop.set()
        watcher.join()
    ended = [health["ended"] for health in looks]
    assert ended == sorted(ended) and ended[-1] <= 3000
    exported = [health["exported"] for health in looks]
    assert exported == sorted(exported)


def test_look_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look while a batch is half taken from the queue is repeated until it is taken whole."""
    looked, looks = threading.Event(), []
    read = health_module._read

    def reading(*args: Any) -> Any:
        found = read(*args)
        looked.set()
        return found

    class Watched(deque[Any]):
        def popleft(self) -> Any:
            if len(self) == 2:
                watcher.start()
                assert looked.wait(10)
            return super().popleft()

    with exporting(Kept()) as running:
        watcher = threading.Thread(target=lambda: looks.append(running.health))
        monkeypatch.setattr(health_module, "_read", reading)
        running.pipeline.queue = running.pipeline.drain.queue = Watched()
        running.spans("a", "b", "c", "d")
        assert running.pipeline.flush(10)
        watcher.join()
    assert looks[0]["ended"] == 4


def test_look_during_a_change() -> None:
    """A look gives up waiting for an unfinished change after a moment, and answers."""
    with exporting(Kept()) as running:
        running.pipeline.health.version = 1
        assert snapshot(running.provider, running.pipeline)["started"] == 0


def test_reasons_add_up() -> None:
    """Losses of one reason add up, dropped and failed ones together."""
    health = Health()
    health.fail(2, "timeout", "slow")
    health.fail(3, "timeout", "slower")
    health.overflowed = 4
    assert health.lost() == {"queue full": 4, "timeout": 5}
    assert health.last_error == "slower"


@pytest.mark.process
def test_of_the_agent(sink: Sink, tmp_path: Path) -> None:
    """The running agent's numbers, after a flush and in a forked child, by `Agent.health`."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os\nfrom opentelemetry import trace\nfrom tracing_agent.agent import running\n"
        "tracer = trace.get_tracer('own')\n"
        "with tracer.start_as_current_span('open'):\n"
        "    for _ in range(10):\n        tracer.start_span('a').end()\n"
        "    trace.get_tracer_provider().force_flush()\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        tracer.start_span('child').end()\n"
        "if pid == 0:\n"
        "    trace.get_tracer_provider().force_flush()\n"
        "else:\n"
        "    os.waitpid(pid, 0)\n"
        "health = running().health()\n"
        "names = 'started sampled ended exported queued inherited requests queue_limit failed'.split()\n"
        "print(*[health[name] for name in names], flush=True)\n"
    )
    done = run(sys.executable, program, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    child, parent = done.stdout.splitlines()
    assert child == "1 1 1 1 0 1 1 2048 {}"
    assert parent == "11 11 11 10 1 0 1 2048 {}"
    assert len(sink.spans) == 12
