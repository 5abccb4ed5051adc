"""OTEL_PROPAGATORS in a whole program: inject and extract of the API go by it, and no value fails an import."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.program import run

_SCRIPT = """
import json
from opentelemetry import propagate, trace
carrier = {}
with trace.get_tracer("own").start_as_current_span("work"):
    propagate.inject(carrier)
print(json.dumps(sorted(carrier)))
"""


@pytest.mark.process
@pytest.mark.parametrize(
    ("value", "headers", "lines"),
    [
        ("", ["traceparent"], 0),
        ("B3", ["b3"], 0),
        ("tracecontext,jaeger,jaeger", ["traceparent", "uber-trace-id"], 0),
        ("b3,nonsense", ["b3"], 1),
        ("nonsense", ["traceparent"], 1),
        ("none", [], 0),
    ],
)
def test_value(tmp_path: Path, value: str, headers: list[str], lines: int) -> None:
    """user-pain row 24: the known names work in any case and once, an unknown one costs a line."""
    script = tmp_path / "app.py"
    script.write_text(_SCRIPT)
    done = run("python", script, OTEL_PROPAGATORS=value, OTEL_TRACES_EXPORTER="none")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == headers
    assert len(done.stderr.splitlines()) == lines
    assert lines == 0 or "nonsense" in done.stderr
