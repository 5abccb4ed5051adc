"""Tables of what was measured, as Markdown that also reads well on a terminal."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from agents import AGENTS
from catalogue import SERVERS, SPANS, STARTUPS, UNITS, Workload
from samples import Comparison, Spread

Found = Mapping[str, Comparison]
Row = Sequence[str]
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
NOTHING = "-"


def report(description: Mapping[str, str], found: Found, soaks: Sequence[Workload] = ()) -> str:
    """The whole report; a table without measured rows is left out."""
    head = "\n".join(f"- {name}: {value}" for name, value in description.items())
    parts = [head, *_units(found), *_spans(found), *_startups(found), *_servers(found), *_soaks(found, soaks)]
    return "\n\n".join([*parts, *_failures(found)]) + "\n"


def inserted(document: str, text: str) -> str:
    """The document with what stands between its two markers replaced by `text`; ValueError without the markers."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the markers {BEGIN} and {END} are not both there")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def table(header: Row, rows: Iterable[Row]) -> str:
    """A Markdown table with aligned columns."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    texts.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(texts)


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _added(found: Comparison, agent: str, metric: str) -> str:
    """`+added (least..most), xratio over bare`."""
    added, ratio = found.added(agent, metric), found.ratio(agent, "bare", metric)
    if added is None or ratio is None:
        return NOTHING
    if found.silent(agent):
        return "no spans"
    return f"+{_number(added.middle)} ({_range(added)}), x{ratio:.2f}".replace("+-", "-")


def _range(spread: Spread) -> str:
    return f"{_number(spread.least)}..{_number(spread.most)}"


def _own(found: Comparison, agent: str, metric: str) -> str:
    spread = found.spread(agent, metric)
    return NOTHING if spread is None else f"{_number(spread.middle)} ({_range(spread)})"


def _middle(found: Comparison, agent: str, metric: str, form: str = "{:.1f}") -> str:
    value = found.middle(agent, metric)
    return NOTHING if value is None else form.format(value)


def _arrived(found: Comparison, agent: str) -> str:
    """Spans a unit at the sink, and the share of those made where some are missing."""
    share = found.middle(agent, "arrived")
    lost = share is not None and share < 0.98
    return _middle(found, agent, "spans", "{:.2f}") + (f" ({share:.0%} of those made)" if lost else "")


def _between(found: Comparison, other: str, metric: str) -> str:
    ratio = found.added_ratio("ours", other, metric)
    return NOTHING if ratio is None else f"{ratio:.3f}"


def _targets(workload: Workload, found: Comparison) -> str:
    if found.silent("ours"):
        return "not measured: no spans arrived"
    verdicts = [verdict for target in workload.targets if (verdict := target.verdict(found))]
    spans = found.middle("ours", "spans")
    if verdicts and spans is not None and round(spans) != found.expected:
        verdicts.append(f"**but** {spans:.2f} spans instead of {found.expected}")
    return "; ".join(verdicts) or NOTHING


def _rows(workloads: Sequence[Workload], found: Found, cells: Callable[[Workload, Comparison], Row]) -> list[Row]:
    return [cells(workload, found[workload.name]) for workload in workloads if _measured(workload, found)]


def _measured(workload: Workload, found: Found) -> bool:
    comparison = found.get(workload.name)
    return comparison is not None and any(any(samples) for samples in comparison.rounds.values())


def _titles(*names: str) -> list[str]:
    return [AGENTS[name].title for name in names]


PEERS = ("ours", "otel", "dd")


def _compared(metric: str) -> Callable[[Workload, Comparison], Row]:
    def cells(workload: Workload, found: Comparison) -> Row:
        return [
            workload.title,
            _own(found, "bare", metric),
            *(_added(found, agent, metric) for agent in PEERS),
            _between(found, "otel", metric),
            _between(found, "dd", metric),
            _targets(workload, found),
        ]

    return cells


def _units(found: Found) -> Iterable[str]:
    rows = _rows(UNITS, found, _compared("cpu_us"))
    if not rows:
        return
    yield "### CPU per unit of work, in microseconds: what bare uses, and what each agent adds"
    yield table(["workload", "bare", *_titles(*PEERS), "ours/otel", "ours/dd", "target"], rows)

    def cells(workload: Workload, found: Comparison) -> Row:
        return [
            workload.title,
            _middle(found, "bare", "wall_us"),
            *(_added(found, agent, "wall_us") for agent in PEERS),
            _middle(found, "bare", "rss_mb"),
            *(_added(found, agent, "rss_mb") for agent in PEERS),
        ]

    yield "### Wall time in microseconds, and resident memory at the end of the timed part (queue included) in MB"
    memory = [f"RSS {title}" for title in _titles(*PEERS)]
    yield table(["workload", "bare", *_titles(*PEERS), "RSS bare", *memory], _rows(UNITS, found, cells))

    def spans(workload: Workload, found: Comparison) -> Row:
        return [
            workload.title,
            *(_arrived(found, agent) for agent in PEERS),
            *(_middle(found, agent, "peak_mb") for agent in ("bare", *PEERS)),
        ]

    yield "### Spans that reached the sink per unit of work, and peak resident memory in MB"
    peaks = [f"peak {title}" for title in _titles("bare", *PEERS)]
    yield table(["workload", *_titles(*PEERS), *peaks], _rows(UNITS, found, spans))


def _spans(found: Found) -> Iterable[str]:
    def cells(workload: Workload, found: Comparison) -> Row:
        ratio = found.ratio("ours", "otel", "cpu_us")
        return [
            workload.title,
            *(_own(found, agent, metric) for agent in PEERS for metric in ("thread_us", "cpu_us")),
            NOTHING if ratio is None else f"{ratio:.3f}",
            " / ".join(_arrived(found, agent) for agent in PEERS),
            _targets(workload, found),
        ]

    rows = _rows(SPANS, found, cells)
    if rows:
        yield "### One span, in microseconds of CPU: recorded (calling thread), and all in (queued, encoded, sent)"
        columns = [f"{title}, {part}" for title in _titles(*PEERS) for part in ("recorded", "all in")]
        yield table(["span", *columns, "ours/otel all in", "arrived (ours/otel/dd)", "target"], rows)


def _startups(found: Found) -> Iterable[str]:
    rows = _rows(STARTUPS, found, _compared("wall_ms"))
    if not rows:
        return
    yield "### Start-up: wall time of the whole process in ms, its end included"
    yield table(["program", "bare", *_titles(*PEERS), "ours/otel", "ours/dd", "target"], rows)

    def cpu(workload: Workload, found: Comparison) -> Row:
        return _compared("cpu_ms")(workload, found)[:-1]

    yield "### The same: CPU of the whole process in ms"
    yield table(["program", "bare", *_titles(*PEERS), "ours/otel", "ours/dd"], _rows(STARTUPS, found, cpu))


def _servers(found: Found) -> Iterable[str]:
    def cells(workload: Workload, found: Comparison) -> Row:
        shares = [found.ratio(agent, "bare", "requests_s") for agent in PEERS]
        return [
            workload.title,
            *(_own(found, agent, "requests_s") for agent in ("bare", *PEERS)),
            *(NOTHING if share is None else f"{share:.2f}" for share in shares),
            _targets(workload, found),
        ]

    rows = _rows(SERVERS, found, cells)
    if not rows:
        return
    yield "### One server worker under load: requests a second, and share of bare"
    shares = [f"{title} / bare" for title in _titles(*PEERS)]
    yield table(["server", *_titles("bare", *PEERS), *shares, "target"], rows)

    def latencies(workload: Workload, found: Comparison) -> Row:
        figures = [f"{_middle(found, a, 'p50_ms', '{:.2f}')} / {_middle(found, a, 'p99_ms', '{:.2f}')}" for a in ALL]
        cpu = [_middle(found, agent, "cpu_us") for agent in ALL]
        return [workload.title, *figures, *cpu, *(_middle(found, agent, "spans", "{:.2f}") for agent in PEERS)]

    yield "### The same: p50 / p99 in ms, CPU per request in microseconds, and spans at the sink per request"
    columns = [*(f"CPU {title}" for title in _titles(*ALL)), *(f"spans {title}" for title in _titles(*PEERS))]
    yield table(["server", *_titles(*ALL), *columns], _rows(SERVERS, found, latencies))


ALL = ("bare", *PEERS)


def _soaks(found: Found, soaks: Sequence[Workload]) -> Iterable[str]:
    for workload in soaks:
        for agent, samples in found[workload.name].rounds.items():
            marks = {name: value for name, value in (samples[0] or {}).items() if name.startswith("after_")}
            rows = [[f"{int(name.removeprefix('after_')):,}", f"{value:.1f}"] for name, value in marks.items()]
            if rows:
                yield f"### {workload.title} under {AGENTS[agent].title}: resident memory"
                yield table(["requests", "RSS in MB"], rows)


def _failures(found: Found) -> Iterable[str]:
    lines = [
        f"- {name}, {AGENTS[agent].title}: {reason}"
        for name, comparison in found.items()
        for agent, reason in comparison.failures.items()
    ]
    lines += [
        f"- {name}, {AGENTS[agent].title}: the sink could not read a part of what was sent, so its spans are too few"
        for name, comparison in found.items()
        for agent in comparison.rounds
        if comparison.middle(agent, "unread")
    ]
    if lines:
        yield "### Not measured"
        yield "\n".join(lines)
