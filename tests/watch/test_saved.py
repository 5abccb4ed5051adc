"""Saved traces: written, read again, shown again, compared; and files that hold none."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import json_format

from tracing_watch.compare import changes
from tracing_watch.findings import findings
from tracing_watch.model import Failure, Kind, Trace
from tracing_watch.saved import Unreadable, line, read
from tracing_watch.tree import grow
from watch.otlp import TRACE_ID, Recording, process, request
from watch.test_watch import PROGRAM, watch

SHOP = process("shop")


def shopping(queries: int = 2, took: float = 50) -> Recording:
    recording = Recording()
    root = recording.span("GET /cart", SHOP, 0, took, kind=Kind.SERVER, http__response__status_code=200)
    for number in range(queries):
        recording.span("SELECT", SHOP, number * 3, 2, root, Kind.CLIENT, db__system__name="postgresql")
    return recording


def save(folder: Path, recording: Recording, name: str = "traces.jsonl") -> Path:
    path = folder / name
    with path.open("a", encoding="utf-8") as file:
        file.write(line(recording.trace(), grow(recording.trace())) + "\n")
    return path


def compare(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from tracing_watch.compare import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_same_again(tmp_path: Path) -> None:
    """Every field of a span that the viewer knows survives the file, bytes as hexadecimal text."""
    recording = shopping()
    recording.span(
        "late",
        process("stock", "elsewhere"),
        1,
        2,
        recording.spans[0],
        Kind.SERVER,
        Failure("E", "m"),
        3,
        raw=b"\x01\xff",
    )
    (trace,) = read(save(tmp_path, recording))
    expected = list(recording.spans)
    assert trace.spans[:-1] == tuple(expected[:-1])
    assert trace.spans[-1].attributes == {"raw": "01ff"}
    assert (trace.spans[-1].failure, trace.spans[-1].links) == (Failure("E", "m"), 3)


def test_a_trace_that_grew(tmp_path: Path) -> None:
    """A trace that was saved again with late spans is one trace, with each span once."""
    recording = shopping(1)
    save(tmp_path, recording)
    recording.span("late", SHOP, 1, 2, recording.spans[0])
    (trace,) = read(save(tmp_path, recording))
    assert [span.name for span in trace.spans] == ["GET /cart", "SELECT", "late"]


def test_what_a_collector_wrote(tmp_path: Path) -> None:
    """A file of OTLP/JSON requests, a line each, as a Collector's file exporter writes, is read."""
    document = json.loads(json_format.MessageToJson(request(*shopping().spans)))
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                import base64

                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        span[name] = base64.b64decode(span[name]).hex()
    path = tmp_path / "collector.json"
    path.write_text(json.dumps(document) + "\n")
    (trace,) = read(path)
    assert (trace.trace_id, len(trace.spans)) == (TRACE_ID, 3)


@pytest.mark.parametrize(
    "text", ["", "not json\n", "[]\n", '{"spans": 1}\n', '{"spans": [{}]}\n', "\x00\n", '{"a": 1}\n']
)
def test_files_that_hold_no_traces(tmp_path: Path, text: str) -> None:
    """Whatever else a file holds is told in one sentence."""
    path = tmp_path / "other"
    path.write_text(text)
    with pytest.raises(Unreadable) as raised:
        read(path)
    assert "\n" not in str(raised.value)


@pytest.mark.process
def test_saved_and_shown_again(tmp_path: Path) -> None:
    """What a run saves is shown again with the same lines and the same options, and appended to by the next."""
    path = tmp_path / "traces.jsonl"
    first = watch("--save", str(path), "--", *PROGRAM, "trace:shop", "error:till", "slow:stock")
    again = watch(str(path))
    assert sorted(again.stdout.splitlines()) == sorted(first.stdout.splitlines())
    assert again.returncode == 0
    assert "3 of 3 traces" in again.stderr
    chosen = watch("--errors", str(path))
    assert "till" in chosen.stdout and "shop" not in chosen.stdout
    assert "2 more did not match" in chosen.stderr
    assert len(watch("--slower-than", "1000", "--service", "stock", "--json", str(path)).stdout.splitlines()) == 1
    watch("--save", str(path), "--", *PROGRAM, "trace:shop")
    assert "4 of 4 traces" in watch(str(path)).stderr


@pytest.mark.process
def test_lines_for_machines() -> None:
    """With --json standard output is one trace a line, whole, with its findings, whatever the program prints."""
    done = watch("--json", "--", *PROGRAM, "say:hello", "trace:shop", "error:till")
    assert "hello\n" in done.stderr
    found = {document["services"][0]: document for document in map(json.loads, done.stdout.splitlines())}
    assert set(found) == {"shop", "till"}
    assert found["till"]["errors"] == 1
    (span,) = found["till"]["spans"]
    told = {"kind": "error", "text": "began in till: work (ValueError: bad sku)", "spans": [span["span_id"]]}
    assert found["till"]["findings"] == [told]
    assert found["shop"]["findings"] == []
    assert found["shop"]["root"] == "shop: work"
    assert {"trace_id", "duration_ms", "findings", "spans"} < set(found["shop"])


@pytest.mark.process
def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """A file that cannot be read or written costs one line and exit code 1; two sources are wrong use."""
    missing = tmp_path / "no" / "such"
    for done in (watch(str(missing)), watch("--save", str(missing), "--", "true"), compare(missing, missing)):
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert str(missing) in done.stderr
    assert watch(str(missing), "--", "true").returncode == 2


def test_changes() -> None:
    """Spans that appeared, vanished, grew or shrank are told with numbers and times, the greatest first."""
    before, after = shopping(2, 50), shopping(9, 90)
    before.span("render", SHOP, 20, 10, before.spans[0])
    new = after.span("audit", SHOP, 40, 30, after.spans[0])
    after.span("below", SHOP, 41, 20, new)
    found = changes(grow(before.trace()), grow(after.trace()))
    told = [(change.kind, change.place[-1], change.before.count, change.after.count) for change in found]
    assert told == [
        ("grew", "shop: GET /cart", 1, 1),
        ("appeared", "audit", 0, 1),
        ("grew", "SELECT", 2, 9),
        ("vanished", "render", 1, 0),
    ]
    assert changes(grow(before.trace()), grow(before.trace())) == []


@pytest.mark.process
def test_comparing_files(tmp_path: Path) -> None:
    """Traces of the same root in two files are compared, one chosen by its id where that is given."""
    before, after = save(tmp_path, shopping(2, 50), "a"), save(tmp_path, shopping(9, 90), "b")
    done = compare(before, after)
    assert done.returncode == 0, done.stderr
    assert "shop: GET /cart: 50.0 ms -> 90.0 ms (+80 %)" in done.stdout
    assert "2 -> 9" in done.stdout
    assert "the same spans" in compare(before, f"{before}#{TRACE_ID[:6]}").stdout
    assert compare(before, f"{before}#ffff").returncode == 1
    assert compare(before).returncode == 2
    other = Recording()
    other.span("GET /other", SHOP, 0, 1)
    done = compare(before, save(tmp_path, other, "c"))
    assert done.returncode == 1
    assert "no root is in both" in done.stderr


def test_an_empty_comparison_needs_no_spans_of_one_age() -> None:
    """Traces whose roots did not come are compared by what is there."""
    recording = Recording()
    recording.span("orphan", SHOP, 0, 5, "00000000000000ff")
    tree = grow(Trace(TRACE_ID, tuple(recording.spans)))
    assert changes(tree, tree) == []


def test_the_documented_line() -> None:
    """docs/watch.md names every key of a line, every kind of finding, and nothing else."""
    text = (Path(__file__).parents[2] / "docs" / "watch.md").read_text(encoding="utf-8")
    recording = shopping(9)
    document = json.loads(line(recording.trace(), grow(recording.trace())))
    keys = set(document)
    keys |= {f"{outer}[].{key}" for outer in ("findings", "spans") for key in document[outer][0]}
    assert set(re.findall(r"^\| `([a-z_.\[\]]+)` \|", text, re.MULTILINE)) == keys
    kinds = re.findall(r"Finding\(\s*\"([a-z-]+)\"", Path(findings.__code__.co_filename).read_text(encoding="utf-8"))
    assert set(re.findall(r"^\| ([a-z-]+) \| [a-z]", text, re.MULTILINE)) - {"kind"} == set(kinds)
