"""Sketches: leaves that become spans on their way out say what spans would have said from the start."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, sampling
from opentelemetry.trace import SpanKind

from export.official import decoded, expected, without_differences
from export.pipelines import RESOURCE, Exporting, Kept, exporting
from support.recorder import Intake, Recorder
from tracing_agent.drivers import sketched
from tracing_agent.drivers.call import call
from tracing_agent.export.old_names import OldNames
from tracing_agent.export.otlp import Encoder
from tracing_agent.export.otlp_memory import REMEMBERED, VALUES
from tracing_agent.faults import LINES
from tracing_agent.operation import DATABASE, Operation
from tracing_agent.semconv.db import PEER, Peers
from tracing_agent.trace.identity import Origin, Trace
from tracing_agent.trace.provider import TracerProvider
from tracing_agent.trace.sketch import Artist, drawn
from tracing_agent.trace.span import Span

OPERATION = Operation("redis", "redis", SpanKind.CLIENT, {"db.system.name": "redis"}, key=DATABASE)
ENCODER = Encoder()

ids = st.integers(1, (1 << 64) - 1)
times = st.integers(0, 1 << 62)
whole = st.integers(-(1 << 63), (1 << 63) - 1)
values = st.one_of(st.text(max_size=20), whole, st.booleans(), st.floats(allow_nan=False), st.binary(max_size=5))


def describe(said: Any) -> tuple[str, dict[str, Any]]:
    """Name and attributes, as they were said."""
    return said[0], dict(said[1:])


def artist_of(provider: TracerProvider, described: Callable[[Any], Any] = describe) -> Artist:
    """What draws the spans of `OPERATION`."""
    return Artist(OPERATION, provider.engine, described)


def origin_of(artist: Artist, port: int = 6380) -> Origin:
    """What spans to one place share."""
    return artist.origin(Peers(6379).peer("localhost", port, "0"))


class Client:
    """A library's client: ``ask`` goes to a server."""

    def __init__(self) -> None:
        setattr(self, PEER, Peers(6379).peer("localhost", 6380, "0"))

    def ask(self, *words: str, fails: bool = False) -> str:
        """Ask."""
        if fails:
            raise ValueError("no")
        return "answer"


def traced(engine: Any, describe: Any = describe, note: Any = None) -> Client:
    """A client whose ``ask`` is cut."""

    def noted(args: Any, kwargs: Any) -> Any:
        return args[0], (args[1], ("db.query.text", " ".join(args[1:])))

    def failed(span: Any, args: Any, error: BaseException) -> None:
        span.values["error.type"] = type(error).__qualname__

    def start(span: Any, client: Client, *words: str, **options: Any) -> None:
        getattr(client, PEER).stamp(span)
        span._name = words[0]
        span.values["db.query.text"] = " ".join(words)

    usual = call(OPERATION, start, None, lambda span, error: failed(span, (), error))
    client = Client()
    cut = sketched.call(OPERATION, note or noted, describe, failed, usual)(Client.ask, engine)
    client.ask = cut.__get__(client)  # type: ignore[method-assign]
    return client


@settings(max_examples=200, deadline=None)
@given(
    said=st.lists(st.tuples(st.text(max_size=10).map("k".__add__), values), max_size=4, unique_by=lambda pair: pair[0]),
    name=st.text(max_size=20),
    trace=st.tuples(st.integers(1, (1 << 128) - 1), st.sampled_from([1, 3]), st.sampled_from(["", "a=b"])),
    up=st.none() | ids,
    id=ids,
    start=times,
    end=times,
)
def test_same_message(said: Any, name: str, trace: Any, up: Any, id: int, start: int, end: int) -> None:
    """A sketch is encoded as the span that is drawn from it, which is encoded as the official encoder does it."""
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    artist, shared = artist_of(provider), Trace(*trace, True)
    sketch = (artist, shared, up, id, start, end, origin_of(artist), (name, *said))
    (span,) = drawn([sketch])
    found = without_differences(decoded(ENCODER.request([sketch], RESOURCE)))
    assert found == without_differences(decoded(ENCODER.request([span], RESOURCE))) == expected([span])
    # And once more, when it is remembered.
    assert without_differences(decoded(ENCODER.request([sketch], RESOURCE))) == found


def _only(body: bytes) -> Any:
    (resource_spans,) = decoded(body).resource_spans
    (scope_spans,) = resource_spans.scope_spans
    (span,) = scope_spans.spans
    return span


def test_a_trace_of_its_own() -> None:
    """A sketch that is a trace of its own gets ids when it is encoded, other ones each time."""
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    artist = artist_of(provider)
    sketch = (artist, None, None, 0, 1, 2, origin_of(artist), ("GET",))
    spans = [_only(ENCODER.request([sketch], RESOURCE)) for _ in range(2)]
    for span in spans:
        assert (len(span.trace_id), len(span.span_id), span.parent_span_id) == (16, 8, b"")
        assert span.flags == provider.engine.random | 1 | 0x100
        assert any(span.trace_id)
        assert any(span.span_id)
    assert spans[0].trace_id != spans[1].trace_id
    assert spans[0].span_id != spans[1].span_id


def test_memory_is_bounded() -> None:
    """However many different things are said, and however long they are, a bounded number of short ones is kept."""
    provider, encoder = TracerProvider(resource=RESOURCE, shutdown_on_exit=False), Encoder()
    artist = artist_of(provider)
    origins = [origin_of(artist, 7000 + number) for number in range(20)]
    for number in range(2 * REMEMBERED):
        origin = origins[number % 20]
        encoder.request([(artist, None, None, 0, 1, 2, origin, ("GET", ("k", f"v{number}")))], RESOURCE)
    tables = encoder.memory.words
    assert max(map(len, tables.values())) <= VALUES
    assert sum(map(len, tables.values())) <= REMEMBERED
    before = sum(map(len, tables.values()))
    encoder.request([(artist, None, None, 0, 1, 2, origin, ("GET", ("k", "v" * 2000)))], RESOURCE)
    encoder.request([(artist, None, None, 0, 1, 2, origin, ("GET" * 2000,))], RESOURCE)
    assert sum(map(len, tables.values())) == before


def test_origins_are_bounded() -> None:
    """Nor are the tables of places that went away kept, whatever was said there: addresses of servers change."""
    provider, encoder = TracerProvider(resource=RESOURCE, shutdown_on_exit=False), Encoder()
    artist = artist_of(provider)
    for number in range(2 * REMEMBERED):
        sketch = (artist, None, None, 0, 1, 2, origin_of(artist, 1 + number), ("GET" * 2000,))
        encoder.request([sketch], RESOURCE)
    assert len(encoder.memory.words) <= REMEMBERED


def test_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Where a sketch cannot be described there is a span without words, and a line."""

    def broken(said: Any) -> Any:
        raise RuntimeError("ours")

    monkeypatch.setattr(LINES, "strict", False)
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    artist = artist_of(provider, broken)
    span = _only(ENCODER.request([(artist, None, None, 0, 1, 2, origin_of(artist), ("GET",))], RESOURCE))
    assert span.name == "redis"
    assert {pair.key for pair in span.attributes} == {"db.system.name", "db.namespace", "server.address", "server.port"}
    assert "redis instrumentation failed (RuntimeError: ours" in capfd.readouterr().err


# -- who gets what ----------------------------------------------------------------------------------------------------


class Sketching(Kept):
    """An exporter that takes sketches."""

    sketches = True


def _asked(exporter: Any, ask: Callable[[Client, Exporting], object], **options: Any) -> list[Any]:
    with exporting(exporter, **options) as running:
        running.provider.engine.deliver(running.pipeline.offer, running.pipeline)
        ask(traced(running.provider.engine), running)
        running.pipeline.flush(5.0)
    return [item for batch in exporter.batches for item in batch]


def test_exporters_of_sketches() -> None:
    """An exporter that says so gets sketches as they are, in their order among spans."""

    def ask(client: Client, running: Exporting) -> None:
        client.ask("GET", "a")
        running.spans("mine")
        with running.tracer.start_as_current_span("above"):
            client.ask("GET", "b")

    items = _asked(Sketching(), ask)
    assert [item[-1] if type(item) is tuple else item.name for item in items] == [
        ("GET", ("db.query.text", "GET a")),
        "mine",
        ("GET", ("db.query.text", "GET b")),
        "above",
    ]
    assert (items[2][1].id, items[2][2]) == (items[3].trace.id, items[3].span_id)


def test_other_exporters() -> None:
    """An exporter that does not say so gets spans, whole."""
    (span,) = _asked(Kept(), lambda client, running: client.ask("GET", "a"))
    assert type(span) is Span
    assert (span.name, span.attributes["db.query.text"], span.attributes["server.port"]) == ("GET", "GET a", 6380)
    assert span.end_time >= span.start_time
    assert span.parent is None
    assert span.get_span_context().is_valid


@pytest.mark.parametrize("limits", [{"max_span_attribute_length": 3}, {"max_span_attributes": 2}])
def test_limits(limits: dict[str, int]) -> None:
    """Limits of attributes hold for sketches, which are spans by then."""
    (span,) = _asked(
        Sketching(), lambda client, running: client.ask("GET", "abc"), limits=SpanLimits(max_attributes=128, **limits)
    )
    assert len(span.attributes) == limits.get("max_span_attributes", 5)
    if "max_span_attribute_length" in limits:
        assert span.attributes["db.query.text"] == "GET"


def test_old_names() -> None:
    """Old names are added to sketches."""

    def ask(client: Client, running: Exporting) -> None:
        running.pipeline.old_names = OldNames(("database/dup",))
        client.ask("GET", "abc")

    (span,) = _asked(Sketching(), ask)
    assert span.attributes["db.statement"] == span.attributes["db.query.text"] == "GET abc"


def test_what_the_parent_process_sketched() -> None:
    """In a forked child that nobody told of the fork, sketches of its parent are left to the parent."""

    def ask(client: Client, running: Exporting) -> None:
        client.ask("GET", "of the parent")
        running.pipeline.pid = os.getpid() + 1
        running.pipeline.act_at = 0
        running.pipeline.on_fork = lambda: None
        drain = running.pipeline.drain
        client.ask("GET", "the first of the child")
        drain.since = drain.queue[0][5] + 1  # type: ignore[index]

    (sketch,) = _asked(Sketching(), ask)
    assert sketch[-1][1] == ("db.query.text", "GET the first of the child")


# -- when there are spans instead -------------------------------------------------------------------------------------


def test_same_span(recorder: Recorder) -> None:
    """Sketched or not, a call makes the same span; also where it raised."""
    client = traced(recorder.engine)

    def work() -> list[dict[str, Any]]:
        recorder.finished.clear()
        with recorder.tracer.start_as_current_span("above"):
            assert client.ask("GET", "a") == "answer"
            with pytest.raises(ValueError, match="no"):
                client.ask("SET", "a", fails=True)
        assert client.ask("GET", "b") == "answer"
        return [
            {"name": span.name, "attributes": dict(span.attributes), "up": span.up is None, "scope": span.origin.scope}
            for span in recorder.finished
        ]

    sketches = work()
    assert recorder.engine.sketches is not None
    seen: list[str] = []

    class Processor(SpanProcessor):
        def on_end(self, span: Any) -> None:
            seen.append(span.name)

    recorder.provider.add_span_processor(Processor())
    assert recorder.engine.sketches is None
    assert work() == sketches
    assert seen == ["GET", "SET", "above", "GET"]


def test_who_decides() -> None:
    """There are no sketches where a sampler has to be asked for every span, nor under one that drops the parent."""

    class Asked(sampling.Sampler):
        def should_sample(self, *args: Any, **kwargs: Any) -> sampling.SamplingResult:
            return sampling.SamplingResult(sampling.Decision.RECORD_AND_SAMPLE)

        def get_description(self) -> str:
            return "asked"

    assert Recorder(Asked()).engine.sketches is None
    assert Recorder(sampling.ALWAYS_ON).engine.sketches is None  # for children it is asked, not their parents
    recorder = Recorder(sampling.ParentBased(sampling.TraceIdRatioBased(0.0)))
    client = traced(recorder.engine)
    assert client.ask("GET", "a") == "answer"
    assert recorder.finished == []
    assert (recorder.engine.started, recorder.engine.unsampled) == (1, 1)


def test_a_place_that_moves(recorder: Recorder) -> None:
    """A call tells where it went, and not where calls go by the time that it is sent."""
    intake = Intake()
    recorder.engine.deliver(recorder.finished.append, intake)
    client = traced(recorder.engine)
    peer = getattr(client, PEER)
    peer.reached("10.0.0.1", 6380)
    client.ask("GET", "a")
    peer.reached("10.0.0.2", 6380)
    client.ask("GET", "b")
    found = [span.attributes["network.peer.address"] for span in drawn(intake.queue)]  # type: ignore[index]
    assert found == ["10.0.0.1", "10.0.0.2"]


def test_counts(recorder: Recorder) -> None:
    """What is sketched counts as begun, once."""
    client = traced(recorder.engine)
    client.ask("GET", "a")
    with pytest.raises(ValueError, match="no"):
        client.ask("GET", "a", fails=True)
    assert (recorder.engine.started, recorder.engine.unsampled, len(recorder.finished)) == (2, 0, 2)


def test_a_note_that_fails(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours before the call leaves the call as it is, and a span as usual."""
    monkeypatch.setattr(LINES, "strict", False)
    monkeypatch.setattr(LINES, "level", 0)

    def broken(args: Any, kwargs: Any) -> Any:
        raise RuntimeError("ours")

    client = traced(recorder.engine, note=broken)
    assert client.ask("GET", "a") == "answer"
    assert [span.name for span in recorder.finished] == ["GET"]
