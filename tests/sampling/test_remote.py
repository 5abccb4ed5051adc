"""Remote sampling: an endpoint that answers, changes its mind, is down, or answers nonsense."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ParentBased

from sampling.endpoint import FakeEndpoint, until
from support.program import run
from support.recorder import Recorder
from support.sink import Sink
from tracing_agent.config import Settings
from tracing_agent.faults import INFO, LINES
from tracing_agent.propagation.remote import Remote as Caller
from tracing_agent.sampling import remote
from tracing_agent.sampling.configured import sampler_of
from tracing_agent.sampling.probability import ratio_rule
from tracing_agent.sampling.remote import Source

ON = {"probabilisticSampling": {"samplingRate": 1}}
OFF = {"probabilisticSampling": {"samplingRate": 0}}


SOURCES: list[Source] = []


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fork waits as long as it takes, and so does the end of a test: nothing is asked after it."""
    monkeypatch.setattr(remote, "_FORK_WAIT", 60.0)
    yield
    keep_still()


def keep_still() -> None:
    while SOURCES:
        SOURCES.pop().forking()


@pytest.fixture
def fake() -> Iterator[FakeEndpoint]:
    """A sampling endpoint."""
    fake = FakeEndpoint()
    yield fake
    fake.gate.set()
    keep_still()
    fake.close()


def sampler(url: str, more: str = "pollingIntervalMs=1,initialSamplingRate=0", name: str = "jaeger_remote") -> Any:
    argument = f"endpoint={url},{more}"
    settings = Settings({"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument})
    made: Any = sampler_of(settings.sampling, lambda: "the shop")
    SOURCES.append(getattr(made, "_root", made).rule.source)
    return made


def recorded(recorder: Recorder) -> bool:
    """Whether a new trace is recorded now."""
    recorder.tracer.start_span("work").end()
    return bool(recorder.spans())


def test_initial_rate_and_strategy(fake: FakeEndpoint) -> None:
    """Until the first answer the initial rate counts, asked for by the first decision, which does not wait; then the
    strategy does.
    """
    fake.gate.clear()
    recorder = Recorder(sampler(fake.url))
    assert fake.asked == []
    assert not any(recorded(recorder) for _ in range(20))
    fake.gate.set()
    until(lambda: recorded(recorder))
    assert fake.asked[0] == "/sampling?service=the%20shop"


def test_changed_strategy(fake: FakeEndpoint) -> None:
    """A strategy that changes while the program runs is followed, a rate, a limit, and operations."""
    recorder = Recorder(sampler(fake.url))
    fake.answer = (200, ON)
    until(lambda: recorded(recorder))
    fake.answer = (200, OFF)
    until(lambda: not recorded(recorder))
    fake.answer = (200, {"rateLimitingSampling": {"maxTracesPerSecond": 1e6}})
    until(lambda: recorded(recorder))
    operations = [{"operation": "work", "probabilisticSampling": {"samplingRate": 1}}]
    fake.answer = (200, {"operationSampling": {"perOperationStrategies": operations}})
    until(lambda: not any((recorder.tracer.start_span("play").end(), recorder.spans())[1] for _ in range(5)))
    assert recorded(recorder)


def test_no_thread_but_to_ask(fake: FakeEndpoint) -> None:
    """One question is asked in an interval, in a thread that ends with it and that the program does not see."""
    source = sampler(fake.url, "pollingIntervalMs=60000").rule.source
    seen = threading.active_count()
    for _ in range(100):
        source.current()
    until(lambda: source.answered)
    assert len(fake.asked) == source.answered == 1
    assert threading.active_count() - seen <= 1  # the endpoint's own


@pytest.mark.parametrize(
    "answer",
    [(500, ""), (200, "{"), (200, ""), (200, []), (200, {"probabilisticSampling": {"samplingRate": 7}})],
    ids=str,
)
def test_faults_keep_the_last_strategy(
    fake: FakeEndpoint, answer: tuple[int, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """An answer that is none leaves the last strategy in force: one line with the endpoint, and one when it is over."""
    LINES.level, before = INFO, LINES.level
    try:
        source = sampler(fake.url).rule.source
        source.poll()
        strategy = source.rule
        fake.answer = answer
        source.poll()
        source.poll()
        assert (source.rule, source.answered, source.failed) == (strategy, 1, 2)
        fake.answer = (200, OFF)
        source.poll()
        assert source.rule is not strategy
    finally:
        LINES.level = before
    down, back = capsys.readouterr().err.splitlines()
    assert f"no strategy from {fake.url}" in down
    assert down.endswith("the last strategy stays")
    assert "answers again" in back


def test_down_at_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody listens at the start the initial rate stays, with one line; a strategy served later is taken."""
    fake = FakeEndpoint(down=True)
    try:
        source = sampler(fake.url, "pollingIntervalMs=1,initialSamplingRate=1").rule.source
        initial = source.rule
        source.poll()
        source.poll()
        assert (source.rule, source.answered, source.failed) == (initial, 0, 2)
        (line,) = capsys.readouterr().err.splitlines()
        assert f"no strategy from {fake.url}" in line
        assert line.endswith("the initial rate stays")
        fake.answer = (200, OFF)
        fake.up()
        source.poll()
        assert source.rule.sampled is False
    finally:
        fake.close()


def test_an_equal_answer_changes_nothing(fake: FakeEndpoint) -> None:
    """An answer that repeats the last one leaves what has been admitted in this second as it is."""
    fake.answer = (200, {"rateLimitingSampling": {"maxTracesPerSecond": 3}})
    source = sampler(fake.url).rule.source
    source.poll()
    rule = source.rule
    source.poll()
    assert source.rule is rule


def test_a_collectors_path() -> None:
    """An endpoint without a path is asked at Jaeger's own one, then at a collector's, and remembered."""
    fake = FakeEndpoint(path="/api/sampling")
    try:
        source = sampler(fake.url).rule.source
        source.poll()
        source.poll()
        assert source.answered == 2
        assert [path.partition("?")[0] for path in fake.asked] == ["/sampling", "/api/sampling", "/api/sampling"]
    finally:
        fake.close()


@pytest.mark.parametrize(("name", "expected"), [("jaeger_remote", [1, 1]), ("parentbased_jaeger_remote", [0, 1])])
def test_parents(fake: FakeEndpoint, name: str, expected: list[int]) -> None:
    """With parentbased_ a caller's decision is followed, without it the strategy decides; spans below always follow."""
    chosen = sampler(fake.url, name=name)
    root = chosen._root if isinstance(chosen, ParentBased) else chosen
    root.rule.source.poll()
    recorder = Recorder(chosen)
    engine = recorder.engine
    assert [engine.trace_for(Caller(5, 6, flags)).flags & 1 for flags in (0, 1)] == expected
    with recorder.tracer.start_as_current_span("outer"):
        root.rule.source.rule = type(root.rule.source.rule)(2**56)  # nothing, from now on
        recorder.tracer.start_span("inner").end()
    assert [span["name"] for span in recorder.spans()] == ["inner", "outer"]


def test_forks_wait_for_a_question() -> None:
    """A fork waits until a question is over, and none is asked meanwhile; the child asks anew."""
    log: list[str] = []
    gate = threading.Event()

    def ask() -> Any:
        log.append("asked")
        gate.wait(60)
        log.append("answered")
        return ON

    source = Source(ask, "there", 0.0, ratio_rule(0))
    SOURCES.append(source)
    source.current()
    timer = threading.Timer(0.05, gate.set)
    timer.start()
    source.forking()
    timer.join()
    assert log == ["asked", "answered"]
    source.current()
    source.forked_parent()
    assert len(log) == 2
    source.current()
    until(lambda: len(log) == 4)
    source.forking()
    source.forked()
    source.current()
    until(lambda: len(log) == 6)


ARGUMENTS = [
    ("", []),
    ("endpoint=http://127.0.0.1:1/x,pollingIntervalMs=5000,initialSamplingRate=0.25", []),
    ("Endpoint=127.0.0.1:1", []),
    (
        "endpoint=ftp://x",
        ["endpoint='ftp://x' is not an http, https, grpc or grpcs URL; using 'http://localhost:5778/sampling'"],
    ),
    ("endpoint=http://x:14250", []),
    ("endpoint=grpc://x/sampling", ["has a path, which gRPC does not know"]),
    ("endpoint=grpc://", ["names no host"]),
    ("endpoint=http://[x:14250", ["using 'http://localhost:5778/sampling'"]),
    ("endpoint=grpc://x:99999", ["using 'http://localhost:5778/sampling'"]),
    ("pollingIntervalMs=soon", ["pollingIntervalMs='soon' is not a number from 1"]),
    ("pollingIntervalMs=0,initialSamplingRate=2", ["pollingIntervalMs='0'", "initialSamplingRate='2' is not a number"]),
    ("rate=1,0.5", ["'rate=1' is not one of", "'0.5' is not one of"]),
]


@pytest.mark.parametrize(("argument", "lines"), ARGUMENTS)
def test_arguments(argument: str, lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """User-pain row 24: every part of the argument that cannot be used is one line with what is used instead."""
    settings = Settings({"OTEL_TRACES_SAMPLER": "jaeger_remote", "OTEL_TRACES_SAMPLER_ARG": argument})
    sampler_of(settings.sampling, str)
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == len(lines)
    for line, expected in zip(printed, lines, strict=True):
        assert expected in line
        assert "OTEL_TRACES_SAMPLER_ARG" in line


PROGRAM = """
import flask, os, sys, time
application = flask.Flask("shop")
application.add_url_rule("/work", view_func=lambda: "done")
client = application.test_client()
end = time.monotonic() + 60
client.get("/work")
if not os.fork():
    os._exit(0)
from tracing_agent.agent import running
while time.monotonic() < end and not running().provider.engine.rule.source.answered:
    client.get("/work")
for _ in range(3):
    client.get("/work")
"""


@pytest.mark.process
def test_a_program(fake: FakeEndpoint, sink: Sink) -> None:
    """A whole program asks for its own service's strategy and follows it, forks meanwhile, and says nothing."""
    done = run(
        "python",
        "-W",
        "error",
        "-c",
        PROGRAM,
        OTEL_SERVICE_NAME="shop & co",
        OTEL_TRACES_SAMPLER="parentbased_jaeger_remote",
        OTEL_TRACES_SAMPLER_ARG=f"endpoint={fake.url},pollingIntervalMs=60000,initialSamplingRate=0",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert set(fake.asked) == {"/sampling?service=shop%20%26%20co"}
    assert len(sink.spans) >= 3
