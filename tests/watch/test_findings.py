"""What is told under a waterfall: each finding where it is true, and not where it isn't."""

from __future__ import annotations

import random

import pytest

from tracing_watch.critical import critical_path, longest_gap
from tracing_watch.findings import Finding, findings
from tracing_watch.model import Failure, Kind
from tracing_watch.remarks import remarks
from tracing_watch.style import Style
from tracing_watch.text import columns
from tracing_watch.tree import grow
from watch.otlp import MS, Recording, process

SHOP, STOCK = process("shop"), process("stock", "elsewhere")
QUERY = {"db__system__name": "postgresql", "db__query__summary": "SELECT items"}


def found(recording: Recording, kind: str) -> list[Finding]:
    return [finding for finding in findings(grow(recording.trace())) if finding.kind == kind]


def texts(recording: Recording, kind: str) -> list[str]:
    return [finding.text for finding in found(recording, kind)]


def queries(count: int, **attributes: str) -> Recording:
    recording = Recording()
    root = recording.span("GET /cart", SHOP, 0, 100, kind=Kind.SERVER)
    for number in range(count):
        recording.span("SELECT", SHOP, number * 4, 3, root, Kind.CLIENT, **{**QUERY, **attributes})
    return recording


def test_repeated_queries() -> None:
    """Equal queries below one span are told with their summary, number, time together, and their spans."""
    (finding,) = found(queries(12), "repeated")
    assert finding.text == "12 times SELECT items below shop: GET /cart: 36.0 ms in all (N+1?)"
    assert len(finding.spans) == 12


def test_few_or_different_queries_are_not_repeated() -> None:
    """Four equal queries, and twelve different ones, are nothing to tell."""
    assert texts(queries(4), "repeated") == []
    recording = queries(0)
    for number in range(12):
        summary = f"SELECT table{number}"
        recording.span(
            "SELECT", SHOP, number, 1, recording.spans[0], Kind.CLIENT, **{**QUERY, "db__query__summary": summary}
        )
    assert texts(recording, "repeated") == []


def test_repeated_calls_of_a_service() -> None:
    """Calls of one operation of another service are repeated; calls of which the operation is not known aren't."""
    recording = Recording()
    root = recording.span("GET /cart", SHOP, 0, 100, kind=Kind.SERVER)
    for number in range(6):
        call = recording.span("GET", SHOP, number * 10, 8, root, Kind.CLIENT, url__full=f"http://stock/items/{number}")
        recording.span("GET /items/{sku}", SHOP, number * 10 + 1, 6, call, Kind.SERVER)
    assert texts(recording, "repeated") == [
        "6 times shop: GET /items/{sku} below shop: GET /cart: 48.0 ms in all (N+1?)"
    ]
    recording.spans = [span for span in recording.spans if span.name != "GET /items/{sku}"]
    assert texts(recording, "repeated") == []


def test_the_span_that_explains_the_time() -> None:
    """The span whose own time on the critical path is most of the trace is named, with its share."""
    recording = Recording()
    root = recording.span("GET /cart", SHOP, 0, 100, kind=Kind.SERVER)
    call = recording.span("load", SHOP, 5, 90, root)
    recording.span("SELECT", SHOP, 10, 80, call, Kind.CLIENT, **QUERY)
    assert texts(recording, "slowest") == ["shop: SELECT explains 80 % of the time: 80.0 ms of its own"]


def test_what_goes_on_after_the_root_is_not_explained_by_it() -> None:
    """Of a trace that goes on after its root, a share is said to be of the root's time, and the root explains none."""
    recording = Recording()
    root = recording.span("POST /orders", SHOP, 0, 10, kind=Kind.SERVER)
    sent = recording.span("send orders", SHOP, 1, 2, root, Kind.PRODUCER)
    recording.span("process orders", STOCK, 200, 50, sent, Kind.CONSUMER)
    assert texts(recording, "slowest") == []
    recording.span("SELECT", SHOP, 3, 6, root, Kind.CLIENT, **QUERY)
    assert texts(recording, "slowest") == [
        "shop: SELECT explains 60 % of the time of shop: POST /orders: 6.00 ms of its own"
    ]


def test_no_span_explains_an_even_trace() -> None:
    """Where no span has half of the time, none is blamed."""
    recording = queries(0)
    for number in range(4):
        recording.span(f"step {number}", SHOP, number * 25, 24, recording.spans[0])
    assert texts(recording, "slowest") == []


def test_a_parallel_call_that_nobody_waited_for() -> None:
    """Only what the end waited for is on the critical path: not a shorter parallel call, nor one that outlives it."""
    recording = Recording()
    root = recording.span("root", SHOP, 0, 100)
    long = recording.span("long", SHOP, 0, 95, root)
    recording.span("short", SHOP, 0, 60, root)
    recording.span("later", SHOP, 50, 500, root, Kind.CONSUMER)
    (node,) = grow(recording.trace()).roots
    own = {each.span.name: spent for each, spent in critical_path(node).items()}
    assert own == {"root": 5 * MS, long.name: 95 * MS}


@pytest.mark.parametrize("seed", range(20))
def test_the_critical_path_is_the_whole_time(seed: int) -> None:
    """Whatever the tree, the spans on the critical path make up the root's time, no more and no less."""
    chance = random.Random(seed)
    recording = Recording()
    spans = [recording.span("root", SHOP, 0, 1000)]
    for number in range(60):
        parent = chance.choice(spans)
        begin = (parent.start - spans[0].start) / MS + chance.random() * parent.duration / MS
        took = chance.random() * ((parent.end - spans[0].start) / MS - begin)
        spans.append(recording.span(f"span {number}", SHOP, begin, took, parent))
    (root,) = grow(recording.trace()).roots
    assert sum(critical_path(root).values()) == root.end - root.start


def test_where_an_error_began() -> None:
    """An error is told once, with the deepest failed span and the highest one that it reached."""
    failure = Failure("OSError", "no stock")
    recording = Recording()
    root = recording.span("GET /cart", SHOP, 0, 100, kind=Kind.SERVER, failure=Failure("500", ""))
    call = recording.span("GET", SHOP, 1, 90, root, Kind.CLIENT, failure=Failure("500", ""))
    recording.span("GET /items", STOCK, 2, 80, call, Kind.SERVER, failure=failure)
    assert texts(recording, "error") == [
        "began in stock: GET /items (OSError: no stock) and went up to shop: GET /cart"
    ]


def test_an_error_that_was_handled() -> None:
    """An error that did not fail its caller is told as such; a trace without errors tells of none."""
    recording = queries(1)
    recording.span("GET", SHOP, 50, 5, recording.spans[0], Kind.CLIENT, failure=Failure("404", ""))
    assert texts(recording, "error") == ["began in shop: GET (404); shop: GET /cart went on without it"]
    assert texts(queries(3), "error") == []


def test_an_error_of_a_single_span() -> None:
    """Of a trace of one span too it is told where its error began, and nothing else."""
    recording = Recording()
    recording.span("GET /cart", SHOP, 0, 100, kind=Kind.SERVER, failure=Failure("ValueError", "no cart"))
    assert texts(recording, "error") == ["began in shop: GET /cart (ValueError: no cart)"]
    assert len(findings(grow(recording.trace()))) == 1


def test_what_an_error_said_is_cut_visibly() -> None:
    """A long message is told as cut, so that no number in it reads as another one."""
    recording = queries(1)
    message = "x" * 72 + " timeout=0.125"
    recording.span("GET", SHOP, 50, 5, recording.spans[0], Kind.CLIENT, failure=Failure("ReadTimeout", message))
    (text,) = texts(recording, "error")
    assert f"(ReadTimeout: {'x' * 72} time...);" in text
    assert "timeout=0" not in text


def attempts(*outcomes: int) -> Recording:
    recording = queries(0)
    for number, status in enumerate(outcomes):
        failure = Failure(str(status), "") if status >= 400 else None
        recording.span(
            "POST",
            SHOP,
            number * 30,
            10,
            recording.spans[0],
            Kind.CLIENT,
            failure,
            url__full="http://pay/charges",
            http__response__status_code=status,
        )
    return recording


def test_retries() -> None:
    """Calls that were made again after they failed are told with their number, outcome and time."""
    assert texts(attempts(503, 503, 200), "retry") == [
        "shop: POST was tried 3 times, the last went well: 70.0 ms in all"
    ]
    assert texts(attempts(503, 500), "retry") == ["shop: POST was tried 2 times, each failed: 40.0 ms in all"]


def test_calls_that_went_well_are_no_retries() -> None:
    """A call that is repeated after it went well is no retry, nor is a single failed one."""
    assert texts(attempts(200, 200, 503), "retry") == []


def gave_up(called: float, failure: Failure | None) -> Recording:
    recording = Recording()
    root = recording.span("GET /cart", SHOP, 0, 1200, kind=Kind.SERVER)
    call = recording.span("GET", SHOP, 100, 1000, root, Kind.CLIENT, failure)
    recording.span("GET /items", STOCK, 150, called, call, Kind.SERVER)
    return recording


def test_a_caller_that_gave_up() -> None:
    """A call that ended by its time-out while the called service worked on is told with both times."""
    assert texts(gave_up(4000, Failure("ReadTimeout", "")), "time-out") == [
        "shop gave up after 1.00 s (ReadTimeout); stock: GET /items worked on for 3.00 s in vain"
    ]


def test_callers_that_waited() -> None:
    """A failed call that outlasts the called service, and one that went well, are no time-out."""
    assert texts(gave_up(900, Failure("500", "")), "time-out") == []
    assert texts(gave_up(4000, None), "time-out") == []


def test_a_gap() -> None:
    """A long time between the children of a span is told with both of them; at the ends, with one."""
    recording = queries(0)
    root = recording.spans[0]
    recording.span("first", SHOP, 2, 20, root)
    recording.span("second", SHOP, 70, 29, root)
    assert texts(recording, "gap") == [
        "48.0 ms of shop: GET /cart have no span, between shop: first and shop: second: code that is not traced"
    ]
    recording.spans.pop()
    assert texts(recording, "gap") == [
        "78.0 ms of shop: GET /cart have no span, after shop: first: code that is not traced"
    ]


def test_no_gap() -> None:
    """Short gaps, the time that a call waits for an untraced server, and spans without children are no gaps."""
    recording = Recording()
    root = recording.span("GET /cart", SHOP, 0, 100, kind=Kind.SERVER)
    call = recording.span("GET", SHOP, 5, 90, root, Kind.CLIENT)
    recording.span("GET /items", STOCK, 50, 2, call, Kind.SERVER)
    assert texts(recording, "gap") == []
    assert longest_gap(grow(recording.trace()).roots[0])[0] == 5 * MS


def test_clocks() -> None:
    """Clocks that differ are told for machines; under the waterfall they are told once, by the waterfall itself."""
    recording = Recording()
    call = recording.span("GET", SHOP, 0, 100, kind=Kind.CLIENT)
    recording.span("GET /items", STOCK, -5000, 80, call, Kind.SERVER)
    clocks = found(recording, "clock")
    assert [finding.text for finding in clocks] == [
        "the clock of stock is 5.01 s behind: its spans are drawn corrected"
    ]
    assert remarks(clocks, 80, Style(colour=False)) == []


def test_a_quiet_trace() -> None:
    """A trace of which nothing is true has nothing under it; nor has an addendum of late spans."""
    recording = Recording()
    recording.span("GET /", SHOP, 0, 10, kind=Kind.SERVER)
    assert findings(grow(recording.trace())) == []
    late = queries(12)
    assert findings(grow(late.trace(shown_before=frozenset([late.spans[0].span_id])))) == []


@pytest.mark.parametrize("seed", range(20))
def test_never_fails(seed: int) -> None:
    """Whatever spans say of times, kinds and failures, findings are a bounded number of printable lines."""
    chance = random.Random(seed)
    recording = Recording()
    for _ in range(80):
        recording.span(
            chance.choice(["a", "SELECT", "x\x1b[2J"]),
            chance.choice([SHOP, STOCK]),
            chance.uniform(-1e4, 1e4),
            chance.choice([0, chance.uniform(0, 1e4)]),
            f"{chance.randrange(120):016x}",
            chance.choice(list(Kind)),
            chance.choice([None, None, Failure("E\x1b", "m\n" * 50)]),
            **chance.choice([{}, QUERY, {"http__response__status_code": 503}]),
        )
    told = findings(grow(recording.trace()))
    assert len(told) <= 21
    lines = remarks(told, 60, Style(colour=False))
    assert all(line.isprintable() and columns(line) <= 60 for line in lines)
