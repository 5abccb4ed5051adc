"""Keep what matters: unsampled traces that erred or were slow are sent after all, and nothing else of them is."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
)
from opentelemetry.trace import StatusCode

from support.program import run
from support.recorder import Recorder
from support.sink import Sink
from tracing_agent.config import Settings
from tracing_agent.operation import Operation
from tracing_agent.propagation.remote import Remote
from tracing_agent.sampling.configured import engine_of
from tracing_agent.sampling.kept import KEPT, Keeper, KeepingEngine
from tracing_agent.sampling.own import Own
from tracing_agent.sampling.probability import ratio_rule
from tracing_agent.trace.begin import beginner, enter, leave, receiver, silencer
from tracing_agent.trace.engine import Engine

TRACE, PARENT = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7


class Dropper(Sampler):
    """A sampler of the program that drops everything."""

    def should_sample(self, *given: Any, **named: Any) -> SamplingResult:
        return SamplingResult(Decision.DROP)

    def get_description(self) -> str:
        return "Dropper"


Keep = Callable[..., Recorder]


@pytest.fixture
def keep() -> Iterator[Keep]:
    """Makes recorders whose engine holds what the sampler drops."""
    made: list[Recorder] = []

    def make(
        sampler: Sampler = DEFAULT_OFF, errors: bool = True, slow: int | None = None, traces: int = 9, spans: int = 9
    ) -> Recorder:
        keeper = Keeper(errors, None if slow is None else slow * 1_000_000, traces, spans)
        made.append(Recorder(sampler, made=lambda **given: KeepingEngine(keeper, **given)))
        return made[-1]

    yield make
    for recorder in made:
        recorder.undo()


def counts(recorder: Recorder) -> dict[str, int]:
    return recorder.engine.counts()


def settled(recorder: Recorder) -> tuple[int, int, int]:
    """Spans started, unsampled (but not kept), and traces still held."""
    return (*recorder.provider.begun(), recorder.engine.keeper.held[0])  # type: ignore[attr-defined]


def work(recorder: Recorder, fails: bool) -> None:
    """A trace of the program's own: a root with two spans below, of which one may fail."""
    with recorder.tracer.start_as_current_span("root"):
        recorder.tracer.start_span("first").end()
        span = recorder.tracer.start_span("second")
        if fails:
            span.set_status(StatusCode.ERROR)
        span.end()


SAMPLERS = {
    "off": ALWAYS_OFF,
    "parent off": DEFAULT_OFF,
    "ratio": Own(ratio_rule(1e-15), "ratio"),
    "parent ratio": ParentBased(Own(ratio_rule(0), "ratio")),
    "unknown": Dropper(),
}


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_errors(keep: Keep, sampler: Sampler) -> None:
    """A trace in which a span erred is sent whole and says why, with the sampled flag off and no probability told."""
    recorder = keep(sampler)
    work(recorder, fails=True)
    assert [(span.name, span.values[KEPT]) for span in recorder.finished] == [
        ("first", "errors"),
        ("second", "errors"),
        ("root", "errors"),
    ]
    root = recorder.finished[-1].span_id
    for span in recorder.finished:
        assert (span.trace.flags, span.trace.state) == (0, "")
        assert (span.parent.span_id if span.parent else None) == (None if span.span_id == root else root)
    assert counts(recorder) == {"kept: errors": 1}
    assert settled(recorder) == (3, 0, 0)


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_nothing_that_matters(keep: Keep, sampler: Sampler) -> None:
    """A trace that neither erred nor was slow is not sent, held no longer, and counted as unsampled."""
    recorder = keep(sampler, slow=60_000)
    work(recorder, fails=False)
    assert recorder.finished == []
    assert counts(recorder) == {}
    assert settled(recorder) == (3, 3, 0)


@pytest.mark.parametrize(
    ("slow", "fails", "why"),
    [(6000, False, None), (4000, False, "slow"), (4000, True, "errors,slow"), (0, False, "slow")],
)
def test_slow(keep: Keep, slow: int, fails: bool, why: str | None) -> None:
    """A trace whose local root took longer than the limit is sent; how long other spans took is no matter."""
    recorder = keep(slow=slow)  # the clock moves by one second each time, and is read five times by then
    work(recorder, fails)
    assert {span.values[KEPT] for span in recorder.finished} == ({why} if why else set())


def test_errors_not_asked_for(keep: Keep) -> None:
    """Where slow traces alone are asked for an error is no reason."""
    recorder = keep(errors=False, slow=60_000)
    work(recorder, fails=True)
    assert recorder.finished == []


def test_sampled_traces_are_as_they_were(keep: Keep) -> None:
    """A sampled trace goes out span by span and is not marked."""
    recorder = keep(ALWAYS_ON)
    work(recorder, fails=True)
    assert [KEPT in span.values for span in recorder.finished] == [False] * 3
    assert settled(recorder) == (3, 0, 0)


@pytest.mark.parametrize("sampler", [DEFAULT_ON, ParentBased(Own(ratio_rule(1), "ratio"))], ids=["on", "ratio"])
def test_below_an_unsampled_caller(keep: Keep, sampler: Sampler) -> None:
    """What a caller did not sample is held here, too; its tracestate goes on, but for a probability."""
    recorder = keep(sampler)
    begin = receiver(recorder.engine, Operation("test", "serve"))
    span: Any = begin(Remote(TRACE, PARENT, 2, "vendor=1,ot=th:8;rv:0123456789abcd"))
    token = enter(span)
    carried: dict[str, str] = {}
    recorder.engine.carrier.inject(span, carried.__setitem__)
    recorder.tracer.start_span("inner").end()
    leave(token)
    span.set_status(StatusCode.ERROR)
    span.end()
    inner, outer = recorder.finished
    assert carried == {
        "traceparent": f"00-{TRACE:032x}-{outer.span_id:016x}-02",
        "tracestate": "ot=rv:0123456789abcd,vendor=1",
    }
    assert (outer.parent.span_id, inner.parent.span_id) == (PARENT, outer.span_id)  # type: ignore[union-attr]


def test_operations(keep: Keep) -> None:
    """Spans of instrumentations below a held root are recorded, and those of one that errs are sent."""
    recorder = keep()
    begin = receiver(recorder.engine, Operation("test", "serve"))
    call = beginner(recorder.engine, Operation("test", "call"))
    for fails in (False, True):
        span: Any = begin(None)
        token = enter(span)
        inner: Any = call()
        inner.origin.finish(inner)
        leave(token)
        if fails:
            span.set_status(StatusCode.ERROR)
        span.origin.engine.finish_at(span, span._start_time + 5)
    assert [span.name for span in recorder.finished] == ["call", "serve"]
    assert settled(recorder) == (4, 2, 0)


def test_spans_of_a_trace_are_limited(keep: Keep) -> None:
    """Spans beyond the number are left out and counted; an error in one of them is a reason all the same."""
    recorder = keep(spans=2)
    with recorder.tracer.start_as_current_span("root"):
        for number in range(5):
            span = recorder.tracer.start_span(str(number))
            if number == 4:
                span.set_status(StatusCode.ERROR)
            span.end()
    assert [span.name for span in recorder.finished] == ["0", "1", "root"]
    assert counts(recorder) == {"kept: errors": 1, "not held: too many spans": 3}
    assert settled(recorder) == (6, 3, 0)


@pytest.mark.parametrize("sampler", [DEFAULT_OFF, Dropper()], ids=["known", "unknown"])
def test_traces_in_flight_are_limited(keep: Keep, sampler: Sampler) -> None:
    """Traces beyond the number are dropped as the sampler said, and counted; there is room again when one ends."""
    recorder = keep(sampler, traces=2)
    roots: list[Any] = [recorder.tracer.start_span("root") for _ in range(5)]
    assert [root.is_recording() for root in roots] == [True, True, False, False, False]
    assert counts(recorder) == {"not held: too many traces": 3}
    for root in roots:
        with trace.use_span(root):
            recorder.tracer.start_span("inner").end()
        root.end()
    work(recorder, fails=True)
    assert len(recorder.finished) == 3
    assert recorder.engine.keeper.held[0] == 0  # type: ignore[attr-defined]


def test_a_root_that_never_ends(keep: Keep) -> None:
    """A root that the program forgets gives its room back, with what was held of its trace."""
    recorder = keep(traces=1)
    with trace.use_span(recorder.tracer.start_span("root")):
        recorder.tracer.start_span("inner").end()
    gc.collect()
    assert recorder.engine.keeper.held[0] == 0  # type: ignore[attr-defined]
    work(recorder, fails=True)
    assert len(recorder.finished) == 3


def test_nothing_is_left_for_the_garbage_collector(keep: Keep) -> None:
    """A held trace is freed when its root has ended, without the garbage collector."""
    recorder = keep()
    work(recorder, fails=False)
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            work(recorder, fails=False)
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("fails", [False, True])
def test_spans_that_end_after_the_root(keep: Keep, fails: bool) -> None:
    """A span that ends after its local root shares the root's fate."""
    recorder = keep()
    root = recorder.tracer.start_span("root")
    with trace.use_span(root):
        late = recorder.tracer.start_span("late")
    if fails:
        root.set_status(StatusCode.ERROR)
    root.end()
    late.end()
    assert [span.name for span in recorder.finished] == (["root", "late"] if fails else [])
    assert settled(recorder) == (2, 0 if fails else 2, 0)


def test_spans_that_end_at_the_same_time(keep: Keep) -> None:
    """Of spans that threads end while the root ends each is sent once."""
    recorder = keep(spans=1000)
    root = recorder.tracer.start_span("root")
    root.set_status(StatusCode.ERROR)
    with trace.use_span(root):
        spans = [recorder.tracer.start_span(str(number)) for number in range(400)]
    start = threading.Barrier(5)

    def end(mine: list[Any]) -> None:
        start.wait(60)
        for span in mine:
            span.end()

    threads = [threading.Thread(target=end, args=(spans[number::4],)) for number in range(4)]
    for thread in threads:
        thread.start()
    start.wait(60)
    root.end()
    for thread in threads:
        thread.join(60)
    names = sorted(span.name for span in recorder.finished)
    assert names == sorted(["root", *(str(number) for number in range(400))])
    assert settled(recorder) == (401, 0, 0)


def test_excluded_work_is_not_held(keep: Keep) -> None:
    """What the owner excluded is not held: it is not to be recorded whatever becomes of it."""
    recorder = keep()
    span = silencer(recorder.engine)(None)
    token = enter(span)
    work(recorder, fails=True)
    leave(token)
    assert recorder.finished == []


def test_where_nobody_takes_spans(keep: Keep) -> None:
    """Nothing is held where nothing is sent: without exporters, and when the program brings a provider of its own."""
    recorder = keep()
    recorder.engine.deliver(None)
    span: Any = recorder.tracer.start_span("root")
    assert not span.is_recording()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_counts_from_nothing(keep: Keep) -> None:
    """In a forked child nothing is held or counted yet."""
    recorder = keep(traces=1)
    open_one = recorder.tracer.start_span("root")
    work(recorder, fails=True)
    assert counts(recorder) == {"not held: too many traces": 1}
    recorder.provider.forked()
    assert counts(recorder) == {}
    work(recorder, fails=True)
    open_one.end()
    assert counts(recorder) == {"kept: errors": 1}
    assert settled(recorder)[2] == 0


@pytest.mark.parametrize(
    ("keep", "expected", "line"),
    [
        ("errors", (True, None), ""),
        ("Errors, SLOW:2000", (True, 2_000_000_000), ""),
        ("slow:0", (False, 0), ""),
        ("errors,slow:soon", (True, None), "'slow:soon' is not errors or slow:<milliseconds>; using 'errors' instead"),
        (
            "slow:5,warnings",
            (False, 5_000_000),
            "'warnings' is not errors or slow:<milliseconds>; using 'slow:5' instead",
        ),
        ("all", None, "'all' is not errors or slow:<milliseconds>; using 'none' instead"),
        ("", None, ""),
    ],
)
def test_setting(keep: str, expected: Any, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """OTEL_PYTHON_TRACES_KEEP says what to keep; a part of it that cannot be used is one line, and the rest counts."""
    settings = Settings({"OTEL_PYTHON_TRACES_KEEP": keep, "OTEL_PYTHON_TRACES_KEEP_SPANS": "7"}).sampling
    engine = Recorder(made=engine_of(settings)).engine
    if isinstance(engine, KeepingEngine):
        assert (engine.keeper.errors, engine.keeper.slow) == expected
        assert (engine.keeper.traces, engine.keeper.spans) == (256, 7)
    else:
        assert type(engine) is Engine
        assert expected is None
    printed = capsys.readouterr().err
    assert line in printed
    assert len(printed.splitlines()) == bool(line)


def test_unset_costs_nothing() -> None:
    """Without the setting nothing is done for it: the engine and the rule are the plain ones."""
    recorder = Recorder(DEFAULT_OFF, made=engine_of(Settings({}).sampling))
    assert type(recorder.engine) is Engine
    assert recorder.engine.finish.__func__ is Engine.finish  # type: ignore[attr-defined]
    assert recorder.engine.rule is not None
    assert recorder.engine.rule.sampled is False


SHOP = """
import flask, os, requests, sys
application = flask.Flask("shop")
answers = []

@application.get("/ok")
def ok():
    return "fine"

@application.get("/broken")
def broken():
    try:
        requests.get(os.environ["OTHER"], timeout=30)
    finally:
        raise RuntimeError("out of stock")

client = application.test_client()
for path in ("/ok", "/broken", "/ok"):
    client.get(path).close()
from tracing_agent.agent import running
print(running().health()["sampling"])
"""


@pytest.mark.process
def test_an_error_of_an_unsampled_request(sink: Sink) -> None:
    """User-pain row 22: with a ratio of 0 a request that ends with a 500 is sent, others are not, and what it calls is
    told that it is not sampled.
    """
    done = run(
        "python",
        "-c",
        SHOP,
        OTHER=f"{sink.endpoint}/other",
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0",
        OTEL_PYTHON_TRACES_KEEP="errors,slow:600000",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
    )
    assert done.returncode == 0
    assert done.stdout.strip() == "{'kept: errors': 1}"
    names = sorted((span["name"], span["attributes"][KEPT]) for span in sink.spans)
    assert names == [("GET", "errors"), ("GET /broken", "errors")]
    (client,) = [span for span in sink.spans if span["kind"] == "CLIENT"]
    (server,) = [span for span in sink.spans if span["kind"] == "SERVER"]
    assert (client["trace"], client["parent"]) == (server["trace"], server["id"])
