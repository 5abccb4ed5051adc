"""The cap of new traces in a second: all of them at low traffic, a drawn share at high, parents respected."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, DEFAULT_ON, Sampler

from support.recorder import Recorder
from tracing_agent.config import Settings
from tracing_agent.operation import Operation
from tracing_agent.propagation.remote import Remote
from tracing_agent.sampling.capped import Capped
from tracing_agent.sampling.configured import sampler_of
from tracing_agent.sampling.own import Own
from tracing_agent.sampling.probability import ratio_rule
from tracing_agent.sampling.window import Window
from tracing_agent.trace.begin import admit, receiver
from tracing_agent.trace.rule import Every


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def busy() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def second(window: Window, clock: Clock, number: int) -> list[int]:
    """One second with ``number`` traces at even distances: which of them are admitted."""
    begin, admitted = clock.now, []
    for index in range(number):
        clock.now = begin + index / number
        if window.admits():
            admitted.append(index)
    clock.now = begin + 1
    return admitted


@pytest.fixture
def clock() -> Clock:
    """A clock of its own."""
    return Clock()


@pytest.mark.parametrize("number", [1, 7, 49, 50])
def test_low_traffic(clock: Clock, number: int) -> None:
    """While there are no more traces in a second than the cap all are admitted."""
    window = Window(50, clock, Random(3).random)
    for _ in range(20):
        assert len(second(window, clock, number)) == number


def test_high_traffic(clock: Clock) -> None:
    """At high traffic the cap holds in every second and is nearly used, and each part of a second has its share."""
    window, parts = Window(50, clock, Random(3).random), [0] * 10
    second(window, clock, 5000)
    total = 0
    for _ in range(40):
        admitted = second(window, clock, 5000)
        assert len(admitted) <= 50
        total += len(admitted)
        for index in admitted:
            parts[index // 500] += 1
    assert total > 40 * 50 * 0.8
    assert min(parts) > total / 10 * 0.6


def test_a_burst(clock: Clock) -> None:
    """The first second of a burst gets no more than the cap."""
    window = Window(50, clock, Random(3).random)
    second(window, clock, 10)
    assert len(second(window, clock, 5000)) == 50


def test_traffic_that_ebbs_away(clock: Clock) -> None:
    """After a busy second a quiet one is not sampled by the busy one's share, and the next has all of its traces."""
    window = Window(50, clock, Random(3).random)
    second(window, clock, 5000)
    second(window, clock, 5000)
    assert len(second(window, clock, 10)) >= 8
    assert len(second(window, clock, 10)) == 10


def test_less_than_one_in_a_second(clock: Clock) -> None:
    """A cap below one counts in longer windows."""
    window = Window(0.1, clock, Random(3).random)
    assert sum(len(second(window, clock, 20)) for _ in range(100)) == pytest.approx(10, abs=1)


def test_after_a_pause(clock: Clock) -> None:
    """After a pause everything is admitted again, up to the cap."""
    window = Window(5, clock, Random(3).random)
    second(window, clock, 500)
    clock.now += 3600
    assert len(second(window, clock, 5)) == 5


@pytest.mark.usefixtures("busy")
def test_threads(clock: Clock) -> None:
    """Threads that ask at the same time are not given the same place, nor is a second begun twice."""
    ask = Window(50, clock, lambda: 0.0).admits
    assert [ask() for _ in range(60)].count(True) == 50
    for _ in range(5):
        clock.now += 1
        admitted: list[bool] = []
        start = threading.Barrier(4)

        def work(start: threading.Barrier = start, admitted: list[bool] = admitted) -> None:
            start.wait(60)
            for _ in range(300):
                admitted.append(ask())

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sum(admitted) == 50


def capped(rule: Any = None, per_second: float = 2) -> Recorder:
    clock = Clock()  # it stands still
    return Recorder(Own(Capped(rule or Every(True).followed(), Window(per_second, clock)), "capped"))


def test_parents_decide() -> None:
    """A caller's decision is respected, whatever the traffic, and costs nothing of the cap; spans below follow."""
    recorder = capped()
    engine = recorder.engine
    for number in range(1, 20):
        assert engine.trace_for(Remote(number, 5, 1)).flags == 1
        assert engine.trace_for(Remote(number, 5, 0)).flags == 0
    for _ in range(5):
        with recorder.tracer.start_as_current_span("outer"):
            recorder.tracer.start_span("inner").end()
    assert [span["name"] for span in recorder.spans()] == ["inner", "outer"] * 2
    assert engine.rule is not None
    assert engine.rule.counts() == {"dropped: traces per second": 3}
    recorder.provider.forked()
    assert engine.rule.counts() == {}


def test_a_caller_that_leaves_it_to_us() -> None:
    """A trace whose caller left the decision to this service is a new one to the cap."""
    engine = capped().engine
    decided = [engine.trace_for(Remote(number, 5, 0, deferred=True)).flags & 1 for number in range(1, 6)]
    assert decided == [1, 1, 0, 0, 0]


def test_no_false_probability() -> None:
    """With a cap nobody knows the probability: a ratio's is not told, other entries of a tracestate are kept."""
    recorder = capped(ratio_rule(1))
    traces = [recorder.engine.decide(Remote(number, 5, 0, "v=1,ot=th:8;rv:00000000000001")) for number in (7, 8)]
    # a ratio alone decides below callers, too, which is none of the cap's business
    assert {trace.state for trace in traces} == {"ot=th:0;rv:00000000000001,v=1"}
    assert {recorder.engine.decide().state for _ in range(3)} == {""}


class Unknown(Sampler):
    """Decides as another sampler does, and is none that we know."""

    def __init__(self, inner: Sampler) -> None:
        self.inner = inner

    def should_sample(self, *given: Any, **named: Any) -> Any:
        return self.inner.should_sample(*given, **named)

    def get_description(self) -> str:
        return "Unknown"


@pytest.mark.parametrize(
    ("inner", "expected"), [(ALWAYS_ON, 2), (ALWAYS_OFF, 0), (DEFAULT_ON, 2)], ids=["on", "off", "p"]
)
def test_samplers_of_the_program(inner: Sampler, expected: int) -> None:
    """A sampler that we do not know decides before the cap, for the program's spans and for instrumentations'."""
    settings = Settings({"OTEL_PYTHON_TRACES_PER_SECOND": "2"}).sampling
    for ours in (False, True):
        from tracing_agent.sampling.before import before

        recorder = Recorder(before(settings, Unknown(inner)))
        begin = receiver(recorder.engine, Operation("test", "serve"))
        for _ in range(4):
            span: Any = begin(None) if ours else recorder.tracer.start_span("work")
            span = admit(recorder.engine, span) if ours else span
            if span.is_recording():
                span.end()
        assert len(recorder.spans()) == expected
        flags = [recorder.engine.decide(Remote(9, 5, flag)).recorded for flag in (0, 1)]
        assert flags == [True, True]  # they are to be described first


@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "1e9"])
def test_no_number(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """User-pain row 24: a cap that is none is one line with what is used."""
    settings = Settings({"OTEL_PYTHON_TRACES_PER_SECOND": value}).sampling
    assert sampler_of(settings, str) is DEFAULT_ON
    (line,) = capsys.readouterr().err.splitlines()
    assert f"OTEL_PYTHON_TRACES_PER_SECOND={value!r} is not a number" in line
    assert line.endswith("; using no cap instead")


def test_setting() -> None:
    """User-pain row 22: OTEL_PYTHON_TRACES_PER_SECOND is a hard cap of a process."""
    settings = Settings({"OTEL_PYTHON_TRACES_PER_SECOND": "50"}).sampling
    recorder = Recorder(sampler_of(settings, str))
    for _ in range(1000):
        recorder.tracer.start_span("work").end()
    # Two windows at most, unless a thousand spans take longer than a second: then there are more of them.
    assert len(recorder.finished) >= 50
    assert recorder.engine.rule is not None
    assert recorder.engine.rule.counts()["dropped: traces per second"] == 1000 - len(recorder.finished)
    assert "at most 50/s" in recorder.provider.sampler.get_description()
