"""What is printed for a trace, whole outputs compared."""

from __future__ import annotations

import re

import pytest

from tracing_watch.model import Failure, Kind, Trace
from tracing_watch.style import ASCII, UNICODE, Style
from tracing_watch.text import columns
from tracing_watch.tree import grow
from tracing_watch.waterfall import waterfall
from watch.otlp import BEGIN, MS, Recording, process

STOREFRONT = process("storefront")
INVENTORY = process("inventory")
PAYMENT = process("payment")


def printed(trace: Trace, width: int = 80, style: Style | None = None, full: bool = False) -> str:
    lines = waterfall(grow(trace), width, style or Style(), full)
    assert max(map(columns, map(plain, lines))) <= width
    return "\n".join(lines)


def plain(line: str) -> str:
    return re.sub("\x1b\\[[0-9;]*m", "", line)


def products() -> Recording:
    recording = Recording()
    root = recording.span("GET /products", STOREFRONT, 0, 24, kind=Kind.SERVER, http__response__status_code=200)
    call = recording.span(
        "GET",
        STOREFRONT,
        2,
        20,
        root,
        Kind.CLIENT,
        http__response__status_code=200,
        url__full="http://user:secret@inventory:5001/stock?token=abc",
    )
    answer = recording.span("GET /stock", INVENTORY, 3, 18, call, Kind.SERVER, http__response__status_code=200)
    recording.span("SELECT stock", INVENTORY, 5, 14, answer, Kind.CLIENT, db__system__name="postgresql")
    recording.span("SET", STOREFRONT, 22.5, 0.4, root, Kind.CLIENT, db__system__name="redis")
    return recording


def declined() -> Recording:
    recording = Recording()
    failure = Failure("CardDeclined", "insufficient funds\non card ending 4242")
    root = recording.span(
        "POST /checkout",
        STOREFRONT,
        0,
        412,
        kind=Kind.SERVER,
        failure=Failure("HTTPError", "502 Server Error"),
        http__response__status_code=502,
    )
    call = recording.span(
        "POST", STOREFRONT, 72, 330, root, Kind.CLIENT, Failure("502", ""), http__response__status_code=502
    )
    charge = recording.span(
        "POST /charge", PAYMENT, 75, 324, call, Kind.SERVER, failure, http__response__status_code=502
    )
    recording.span("authorize", PAYMENT, 80, 300, charge, failure=failure)
    recording.span("INSERT attempts", PAYMENT, 384, 12, charge, Kind.CLIENT, db__system__name="postgresql")
    recording.span("send receipts", STOREFRONT, 404, 3, root, Kind.PRODUCER)
    return recording


def test_a_trace_of_one_span() -> None:
    """A trace of one span is a header, the axis and a bar over all of it."""
    recording = Recording()
    recording.span("nightly", process("reports"), 0, 61_500)
    assert (
        printed(recording.trace())
        == """\
trace 5b8aa5a2d2c872e8321cf37308d69df2 · 1m 02s · 1 span · reports
                   0                      30.8 s                 1m 02s
reports: nightly   ████████████████████████████████████████████████████   1m 02s"""
    )


def test_a_trace_through_two_services() -> None:
    """Service names stand where the service changes, the slowest path is marked, credentials are not shown."""
    assert (
        printed(products().trace())
        == """\
trace 5b8aa5a2d2c872e8321cf37308d69df2 · 24.0 ms · 5 spans · 2 services
██ slowest path                     0             12.0 ms       24.0 ms
storefront: GET /products 200       ███████████████████████████████████  24.0 ms
├─ → GET 200 inventory:5001/stock     ▐█████████████████████████████▌    20.0 ms
│  └─ inventory: GET /stock 200         ███████████████████████████      18.0 ms
│     └─ → SELECT stock postgresql         █████████████████████         14.0 ms
└─ → SET redis                                                      ╺╸    400 µs"""
    )


def test_a_failed_trace() -> None:
    """A failure is told once, under the deepest span that has it, with type and message in one line."""
    assert (
        printed(declined().trace())
        == """\
5b8aa5a2d2c872e8321cf37308d69df2 · 412 ms · 6 spans · 2 services · 4 errors
██ slowest path                        0            206 ms       412 ms
✗ storefront: POST /checkout 502       ████████████████████████████████   412 ms
│  ✗ HTTPError: 502 Server Error
├─ ✗ → POST 502                             ▐█████████████████████████▌   330 ms
│  └─ ✗ payment: POST /charge 502           ▐█████████████████████████    324 ms
│     ├─ ✗ authorize                         ████████████████████████     300 ms
│     │     ✗ CardDeclined: insufficient funds on card ending 4242
│     └─ → INSERT attempts postgresql                               ╺━   12.0 ms
└─ ⇢ send receipts                                                    ━  3.00 ms"""
    )


def test_a_failed_trace_in_ascii() -> None:
    """Where the encoding has no box characters, ASCII says the same."""
    assert (
        printed(declined().trace(), style=Style(ASCII))
        == """\
trace 5b8aa5a2d2c872e8321cf37308d69df2, 412 ms, 6 spans, 2 services, 4 errors
## slowest path                        0            206 ms       412 ms
! storefront: POST /checkout 502       ################################   412 ms
|  ! HTTPError: 502 Server Error
|- ! > POST 502                             ###########################   330 ms
|  `- ! payment: POST /charge 502           ##########################    324 ms
|     |- ! authorize                         ########################     300 ms
|     |     ! CardDeclined: insufficient funds on card ending 4242
|     `- > INSERT attempts postgresql                               --   12.0 ms
`- >> send receipts                                                   -  3.00 ms"""
    )


def test_a_narrow_terminal() -> None:
    """Names are cut before the axis becomes useless, and the trace id before the counts."""
    assert (
        printed(declined().trace(), width=44)
        == """\
5b8aa5a2… · 412 ms · 6 spans · 4 errors
██ slowest path   0          412 ms
✗ stor…: POST /…  █████████████████   412 ms
│  ✗ HTTPError: 502 Server Error
├─ ✗ → POST 502     ▐██████████████   330 ms
│  └─ ✗ paym…: …     █████████████▌   324 ms
…    ├─ ✗ autho…     █████████████    300 ms
… │     ✗ CardDeclined: insufficient funds…
…    └─ → INSER…                 ╺╸  12.0 ms
└─ ⇢ send recei…                  ╺  3.00 ms"""
    )


def test_a_wide_terminal() -> None:
    """The axis takes what the names do not need, and the header names the services."""
    assert (
        printed(declined().trace(), width=110)
        == """\
trace 5b8aa5a2d2c872e8321cf37308d69df2 · 412 ms · 6 spans · storefront, payment · 4 errors
██ slowest path                        0                           206 ms                      412 ms
✗ storefront: POST /checkout 502       ██████████████████████████████████████████████████████████████   412 ms
│  ✗ HTTPError: 502 Server Error
├─ ✗ → POST 502                                  ▐█████████████████████████████████████████████████▌    330 ms
│  └─ ✗ payment: POST /charge 502                 █████████████████████████████████████████████████▌    324 ms
│     ├─ ✗ authorize                               █████████████████████████████████████████████▌       300 ms
│     │     ✗ CardDeclined: insufficient funds on card ending 4242
│     └─ → INSERT attempts postgresql                                                           ╺━━    12.0 ms
└─ ⇢ send receipts                                                                                 ╺╸  3.00 ms"""
    )


def test_colours() -> None:
    """Each service has its colour, failures are red, and what is of little weight is dim."""
    recording = Recording()
    root = recording.span("GET /", STOREFRONT, 0, 10, kind=Kind.SERVER)
    recording.span("GET", STOREFRONT, 2, 1, root, Kind.CLIENT, Failure("Timeout", ""))
    header, _, first, second, failure = printed(recording.trace(), width=60, style=Style(UNICODE, colour=True)).split(
        "\n"
    )
    assert header == (
        "\x1b[1m5b8aa5a2…\x1b[0m\x1b[2m · \x1b[0m\x1b[1m10.0 ms\x1b[0m\x1b[2m · \x1b[0m2 spans"
        "\x1b[2m · \x1b[0m\x1b[1;31m1 error\x1b[0m"
    )
    bar = "█" * 32
    assert first == (
        f"\x1b[1;36mstorefront\x1b[0m\x1b[2m: \x1b[0m\x1b[1mGET /\x1b[0m  \x1b[1;36m{bar}\x1b[0m  \x1b[1m10.0 ms\x1b[0m"
    )
    assert second.startswith("\x1b[2m└─ \x1b[0m\x1b[1;31m✗ \x1b[0m\x1b[2m→ \x1b[0m\x1b[31mGET\x1b[0m")
    assert "\x1b[31m      ━━━━" in second
    assert failure == "      \x1b[1;31m✗ \x1b[0m\x1b[31mTimeout\x1b[0m"


def test_a_service_keeps_its_colour() -> None:
    """A service has the same colour in every trace of a session."""
    style = Style(UNICODE, colour=True)
    printed(products().trace(), style=style)
    first = "\x1b[1;35minventory"
    assert first in printed(products().trace(), style=style)
    alone = Recording()
    alone.span("GET /stock", INVENTORY, 0, 1)
    assert first in printed(alone.trace(), style=style)


def test_orphans() -> None:
    """A span whose parent never came stands at the left with a sign, on the same axis."""
    recording = products()
    recording.span("process orders", process("mailer"), 30, 12, "00000000000000ff", Kind.CONSUMER, links=3)
    assert (
        printed(recording.trace())
        == """\
trace 5b8aa5a2d2c872e8321cf37308d69df2 · 42.0 ms · 6 spans · 3 services
██ slowest path · ? parent missing  0             21.0 ms       42.0 ms
storefront: GET /products 200       ████████████████████                 24.0 ms
├─ → GET 200 inventory:5001/stock    ▐████████████████▌                  20.0 ms
│  └─ inventory: GET /stock 200       ▐██████████████▌                   18.0 ms
│     └─ → SELECT stock postgresql      ████████████                     14.0 ms
└─ → SET redis                                        ╺╸                  400 µs
? mailer: ⇠ process orders 3 links                           ━━━━━━━━━━  12.0 ms"""
    )


def test_an_orphan_of_another_day() -> None:
    """A tree that is far off in time does not squeeze the others: its bar is a sign at the edge."""
    recording = products()
    recording.span("yesterday", process("mailer"), -86_400_000, 12, "00000000000000ff")
    recording.span("tomorrow", process("mailer"), 86_400_000, 12, "00000000000000ff")
    lines = printed(recording.trace()).split("\n")
    assert lines[2] == "storefront: GET /products 200       ███████████████████████████████████  24.0 ms"
    assert lines[-2:] == [
        "? mailer: yesterday                 ◂                                    12.0 ms",
        "? mailer: tomorrow                                                    ▸  12.0 ms",
    ]


def test_spans_without_times() -> None:
    """Times of zero, and an end before the start, are drawn at the edge and do not widen the axis."""
    recording = products()
    root = recording.spans[0]
    recording.span("backwards", STOREFRONT, 20, -10, root)
    recording.span("timeless", STOREFRONT, -BEGIN / MS, 0, root)
    assert (
        printed(recording.trace())
        == """\
trace 5b8aa5a2d2c872e8321cf37308d69df2 · 24.0 ms · 7 spans · 2 services
██ slowest path                     0             12.0 ms       24.0 ms
storefront: GET /products 200       ███████████████████████████████████  24.0 ms
├─ timeless                         ◂                                       0 µs
├─ → GET 200 inventory:5001/stock     ▐█████████████████████████████▌    20.0 ms
│  └─ inventory: GET /stock 200         ███████████████████████████      18.0 ms
│     └─ → SELECT stock postgresql         █████████████████████         14.0 ms
├─ backwards                                                     ╸          0 µs
└─ → SET redis                                                      ╺╸    400 µs"""
    )


def test_clock_skew() -> None:
    """A service whose clock is behind is drawn within the call that it answered, and the shift is told."""
    recording = Recording()
    root = recording.span("GET /products", STOREFRONT, 0, 24, kind=Kind.SERVER)
    call = recording.span("GET", STOREFRONT, 2, 20, root, Kind.CLIENT)
    other = process("inventory", host="elsewhere")
    answer = recording.span("GET /stock", other, -3300, 18, call, Kind.SERVER)
    recording.span("SELECT stock", other, -3298, 14, answer, Kind.CLIENT)
    assert (
        printed(recording.trace())
        == """\
trace 5b8aa5a2d2c872e8321cf37308d69df2 · 24.0 ms · 4 spans · 2 services
██ slowest path              0                 12.0 ms          24.0 ms
storefront: GET /products    ██████████████████████████████████████████  24.0 ms
└─ → GET                        ▐██████████████████████████████████▌     20.0 ms
   └─ inventory: GET /stock       ████████████████████████████████       18.0 ms
      └─ → SELECT stock              ▐████████████████████████▌          14.0 ms
the clock of inventory is 3.30 s behind: its spans are drawn corrected"""
    )


def test_repetitions_are_folded() -> None:
    """Of many equal neighbours three are drawn, and the others are one row with their number and time."""
    recording = Recording()
    root = recording.span("GET /orders", STOREFRONT, 0, 100, kind=Kind.SERVER)
    for number in range(30):
        call = recording.span("GET", STOREFRONT, 1 + 3 * number, 2.5, root, Kind.CLIENT)
        recording.span("GET /stock", INVENTORY, 1.5 + 3 * number, 1.5, call, Kind.SERVER)
    recording.span("render", STOREFRONT, 92, 7, root)
    assert (
        printed(recording.trace())
        == """\
trace 5b8aa5a2d2c872e8321cf37308d69df2 · 100 ms · 62 spans · 2 services
██ slowest path              0                 50.0 ms           100 ms
storefront: GET /orders      ██████████████████████████████████████████   100 ms
├─ → GET                     ━╸                                          2.50 ms
│  └─ inventory: GET /stock  ╺╸                                          1.50 ms
├─ → GET                      ╺━                                         2.50 ms
│  └─ inventory: GET /stock   ╺━                                         1.50 ms
├─ → GET                       ╺━                                        2.50 ms
│  └─ inventory: GET /stock     ━                                        1.50 ms
├─ … 27 more GET                 ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄╴     67.5 ms
└─ render                                                          ╺━━━  7.00 ms"""
    )
    assert len(printed(recording.trace(), full=True).split("\n")) == 2 + len(recording.spans)


def test_too_many_rows_are_not_drawn() -> None:
    """A trace of thousands of different spans ends with how many were not drawn, and the option that draws them."""
    recording = Recording()
    root = recording.span("GET /orders", STOREFRONT, 0, 1000)
    for number in range(700):
        recording.span(f"step {number}", STOREFRONT, number, 1, root)
    lines = printed(recording.trace(left_out=2000)).split("\n")
    assert len(lines) == 2 + 500 + 2
    assert lines[-2:] == [
        "201 more spans not drawn: --full draws all",
        "2,000 more spans came and not kept: too many for one trace",
    ]
    assert len(printed(recording.trace(), full=True).split("\n")) == 2 + 701


def test_late_spans() -> None:
    """Spans that come after their trace was printed are shown with their ancestors as an addendum."""
    recording = products()
    before = frozenset(span.span_id for span in recording.spans)
    recording.span("UPDATE views", INVENTORY, 23, 4, recording.spans[2], Kind.CLIENT)
    assert (
        printed(recording.trace(shown_before=before))
        == """\
trace 5b8aa5a2d2c872e8321cf37308d69df2 · 27.0 ms · 1 late span · 2 services
██ slowest path              0                 13.5 ms          27.0 ms
storefront: GET /products
└─ → GET
   └─ inventory: GET /stock
      └─ → UPDATE views                                         ╺━━━━━━  4.00 ms"""
    )


def test_text_from_the_network_cannot_drive_the_terminal() -> None:
    """Control characters, line ends and direction marks in any text do not reach the terminal."""
    recording = Recording()
    evil = "a\x1b[2J\x9b31m\r\n\tb\u202ec\ud800"
    recording.span(evil, process(evil), 0, 1, failure=Failure(evil, evil), db__system__name=evil, url__full=evil)
    text = printed(recording.trace(), width=160)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", text)
    assert text.count("\n") == 3


def test_wide_characters() -> None:
    """Characters that take two cells are counted as two, so that bars stay under each other."""
    recording = Recording()
    root = recording.span("注文を確認する", process("店"), 0, 10)
    recording.span("e\u0301tape", process("店"), 0, 10, root)
    lines = printed(recording.trace(), width=60).split("\n")[2:]
    assert len({columns(line[: line.index("█")]) for line in lines}) == 1


@pytest.mark.parametrize("width", [40, 41, 57, 80, 121, 160])
def test_deep_trees_stay_within_the_width(width: int) -> None:
    """However deep a tree is, no line is wider than the terminal, and names stay readable."""
    recording = Recording()
    parent = recording.span("level 0", STOREFRONT, 0, 100)
    for depth in range(1, 60):
        parent = recording.span(f"level {depth}", STOREFRONT, 0, 100 - depth, parent)
    lines = printed(recording.trace(), width=width).split("\n")
    assert all("lev" in line for line in lines[3:])
