"""The console exporter: whole outputs."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, set_span_in_context

from export.pipelines import Exporting, Kept, exporting
from support.recorder import CountedIds
from tracing_agent.export import console
from tracing_agent.export.console import ConsoleExporter
from tracing_agent.trace.provider import TracerProvider

MS = 1_000_000


class Traced:
    """Spans with counted ids and given times, shown in batches."""

    def __init__(self) -> None:
        self.exporter = ConsoleExporter(counts=True)
        self.running = Exporting(self.exporter)
        provider = TracerProvider(
            resource=self.running.provider.resource, shutdown_on_exit=False, id_generator=CountedIds()
        )
        provider.engine.deliver(self.running.pipeline.offer)
        self.tracer = provider.get_tracer("test")

    def begin(self, name: Any, start: float, under: Any = None) -> Any:
        """A span that begins so many milliseconds after the epoch."""
        context = set_span_in_context(under) if under is not None else None
        return self.tracer.start_span(name, context, start_time=int(start * MS))

    def show(self) -> dict[str, Any]:
        """Export what has ended; the numbers then."""
        assert self.running.pipeline.flush(5)
        return self.running.health


@pytest.fixture
def traced() -> Any:
    """Ends with the pipeline closed, as at the end of a process."""
    found = Traced()
    yield found
    found.running.pipeline.close(5)


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed to stderr; nothing may go to stdout."""
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_waterfall(traced: Traced, capsys: pytest.CaptureFixture[str]) -> None:
    """A trace of three levels, with an error, siblings in the order of their starts and bars on one axis."""
    root = traced.begin("GET /items", 0)
    second = traced.begin("SELECT", 6, root)
    first = traced.begin("GET", 1, root)
    inner = traced.begin("connect", 2, first)
    inner.end(3 * MS)
    first.set_attribute("error.type", "ConnectionError")
    first.set_status(StatusCode.ERROR, "refused\nby the other side")
    first.end(5 * MS)
    second.end(12 * MS)
    assert shown(capsys) == ""
    root.end(12 * MS)
    traced.show()
    assert shown(capsys) == (
        "trace 00000000000000000000000000000001  test  12.0 ms  4 spans\n"
        "  GET /items                                 |========================|   12.0 ms\n"
        "    GET                                      |  ========              |    4.0 ms"
        "  ERROR ConnectionError refused\\nby the other side\n"
        "      connect                                |    ==                  |    1.0 ms\n"
        "    SELECT                                   |            ============|    6.0 ms\n"
    )


def test_what_a_row_tells(traced: Traced, capsys: pytest.CaptureFixture[str]) -> None:
    """Kind, status, the address called without credentials and query, database, and a status is not told twice."""
    spans = [
        ("GET /items", SpanKind.SERVER, {"http.response.status_code": 500, "error.type": "ValueError"}, "boom"),
        (
            "GET",
            SpanKind.CLIENT,
            {"http.response.status_code": 404, "url.full": "http://u:p@shop:8000/stock?key=1", "error.type": "404"},
            "",
        ),
        ("SELECT items", SpanKind.CLIENT, {"db.system.name": "postgresql"}, None),
        ("send orders", SpanKind.PRODUCER, {"messaging.system": "kafka"}, None),
        ("process orders", SpanKind.CONSUMER, {}, None),
        ("GET", SpanKind.CLIENT, {"url.full": "http://[no"}, None),
    ]
    for name, kind, attributes, error in spans:
        span = traced.tracer.start_span(name, kind=kind, attributes=attributes, start_time=0)
        if error is not None:
            span.set_status(StatusCode.ERROR, error)
        span.end(MS)
    traced.show()
    bar = f"|{'=' * 24}|    1.0 ms"
    assert shown(capsys).splitlines()[1::2] == [
        f"  GET /items 500                             {bar}  ERROR ValueError boom",
        f"  > GET 404 shop:8000/stock                  {bar}  ERROR",
        f"  > SELECT items postgresql                  {bar}",
        f"  >> send orders                             {bar}",
        f"  << process orders                          {bar}",
        f"  > GET                                      {bar}",
    ]


def test_long_labels(traced: Traced, capsys: pytest.CaptureFixture[str]) -> None:
    """The bars of a trace stand below each other as long as the labels leave room for them."""
    root = traced.begin("root", 0)
    traced.begin("a" * 50, 0, root).end(MS)
    traced.begin("b" * 90, 0.5, root).end(MS)
    root.end(MS)
    traced.show()
    assert [line.index("|") for line in shown(capsys).splitlines()[1:]] == [73, 73, 95]


def test_interleaved(traced: Traced, capsys: pytest.CaptureFixture[str]) -> None:
    """Spans of several traces that end in turns are printed by trace, each when its own root has ended."""
    roots = [traced.begin(f"root {number}", number) for number in range(3)]
    children = [traced.begin(f"child {number}", number, root) for number, root in enumerate(roots)]
    for child in children:
        child.end(5 * MS)
    traced.show()
    assert shown(capsys) == ""
    roots[1].end(11 * MS)
    roots[2].end(12 * MS)
    traced.show()
    assert shown(capsys) == (
        "trace 00000000000000000000000000000002  test  10.0 ms  2 spans\n"
        "  root 1                                     |========================|   10.0 ms\n"
        "    child 1                                  |==========              |    4.0 ms\n"
        "trace 00000000000000000000000000000003  test  10.0 ms  2 spans\n"
        "  root 2                                     |========================|   10.0 ms\n"
        "    child 2                                  |=======                 |    3.0 ms\n"
    )


def test_late_child(traced: Traced, capsys: pytest.CaptureFixture[str]) -> None:
    """A child that ends after its root was printed follows at once, marked, with what is below it."""
    root = traced.begin("root", 0)
    late = traced.begin("background", 1, root)
    below = traced.begin("work", 2, late)
    root.end(4 * MS)
    traced.show()
    assert "1 span\n" in shown(capsys)
    below.end(8 * MS)
    traced.show()
    assert shown(capsys) == ""
    late.end(9 * MS)
    traced.show()
    assert shown(capsys) == (
        "trace 00000000000000000000000000000001  test  8.0 ms  2 spans  (late)\n"
        "  background                                 |========================|    8.0 ms\n"
        "    work                                     |   ==================   |    6.0 ms\n"
    )


def test_late_child_in_the_same_batch(traced: Traced, capsys: pytest.CaptureFixture[str]) -> None:
    """A child that ends just after its root is printed with it."""
    root = traced.begin("root", 0)
    late = traced.begin("late", 1, root)
    root.end(4 * MS)
    late.end(5 * MS)
    traced.show()
    assert shown(capsys).splitlines()[0].endswith("5.0 ms  2 spans")


def test_remote_parent(traced: Traced, capsys: pytest.CaptureFixture[str]) -> None:
    """A span below a remote parent is a local root; two of one trace are printed each for itself."""
    remote = NonRecordingSpan(SpanContext(7, 8, True, TraceFlags(1)))
    for name in ("one", "two"):
        root = traced.begin(name, 0, remote)
        traced.begin(f"below {name}", 0, root).end(MS)
        root.end(2 * MS)
    traced.show()
    names = [line.split("  ")[1].strip() or line.split("|")[0].strip() for line in shown(capsys).splitlines()]
    assert names == ["test", "one", "below one", "test", "two", "below two"]


def test_unfinished_at_the_end(traced: Traced, capsys: pytest.CaptureFixture[str]) -> None:
    """At the end of the process what waits for a root is printed as it is, marked; a flush before does not do that."""
    root = traced.begin("root", 0)
    traced.begin("child", 0, root).end(MS)
    traced.show()
    assert shown(capsys) == ""
    traced.running.pipeline.close(5)
    assert shown(capsys) == (
        "trace 00000000000000000000000000000001  test  1.0 ms  1 span  (unfinished)\n"
        "  child                                      |========================|    1.0 ms\n"
    )


def test_bounded(traced: Traced, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Children of roots that never end, and printed ones, are held up to a bound; then the oldest trace is printed."""
    monkeypatch.setattr(console, "HELD", 50)
    for number in range(40):
        root = traced.begin(f"root {number}", 0)
        for _ in range(5):
            traced.begin("child", 0, root).end(MS)
        traced.show()
        exporter = traced.exporter
        held = sum(map(len, exporter._traces.values()))
        assert held == exporter._held <= 50 and len(exporter._printed) <= 50
    lines = [line for line in shown(capsys).splitlines() if line.startswith("trace")]
    assert lines == [f"trace {number:032x}  test  1.0 ms  5 spans  (unfinished)" for number in range(1, 31)]


def test_one_line_each(traced: Traced, capsys: pytest.CaptureFixture[str]) -> None:
    """Names of any kind are one line, move no cursor, and cost nothing else."""
    for name in ("a\nb\r\x1b[2J", "\ud800", "\u4e2d\u6587", None, "x" * 100):
        span = traced.begin("a", 0)
        span._name = name
        span.end(MS)
    traced.show()
    lines = shown(capsys).splitlines()
    assert [line.partition("|")[0].strip() for line in lines[1::2]] == [
        "a\\nb\\r\\x1b[2J",
        "?",
        "\u4e2d\u6587",
        "",
        "x" * 100,
    ]


def test_odd_times(traced: Traced, capsys: pytest.CaptureFixture[str]) -> None:
    """A span that ended before it began, and one without a time, are printed."""
    traced.begin("back", 5).end(1 * MS)
    odd = traced.begin("none", 0)
    odd.end(MS)
    odd._start_time = None
    traced.show()
    assert shown(capsys).count("\n") == 4


@pytest.mark.parametrize("stream", [None, "closed"])
def test_no_stderr(traced: Traced, monkeypatch: pytest.MonkeyPatch, stream: Any) -> None:
    """With stderr closed or None the spans are counted as lost, and nothing else happens."""
    if stream == "closed":
        stream = io.StringIO()
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    traced.begin("a", 0).end(MS)
    health = traced.show()
    assert (health["failed"], health["last_error"]) == ({"console": 1}, "stderr is closed")


def test_narrow_stderr(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that cannot write a name gets it escaped."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, "ascii", "strict", write_through=True))
    traced.begin("caf\u00e9", 0).end(MS)
    traced.show()
    assert b"  caf\\xe9" in raw.getvalue()


def test_counts_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside another exporter, which counts, the console does not: no span is counted twice."""
    kept = Kept()
    with exporting(kept) as running:
        running.pipeline.drain.exporters = [ConsoleExporter(counts=False), kept]
        running.spans("a", "b")
        running.pipeline.flush(5)
        assert (running.health["exported"], kept.names) == (2, ["a", "b"])
    assert shown(capsys).count("trace ") == 2
