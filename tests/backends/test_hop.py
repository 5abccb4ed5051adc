"""Context in B3 and in Jaeger's header goes through a service that we did not write, and comes back: one trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.plugin import do_without
from support.program import run
from support.sink import Sink

HERE = Path(__file__).parent
#: The binary that scripts/test-backends has built of `hop/`, with OpenTelemetry's Go SDK.
GIVEN = "TEST_HOP"


@pytest.mark.parametrize("propagator", ["b3", "b3multi", "jaeger"])
def test_hop(propagator: str, sink: Sink) -> None:
    """The service in the middle continues our trace, and our service behind it continues that one's span."""
    binary = os.environ.get(GIVEN, "")
    if not os.access(binary, os.X_OK):
        do_without(
            f"not run: hop tests, because their Go service was not built; run scripts/test-backends, or set {GIVEN}"
        )
    hop = subprocess.Popen([binary, propagator], stdout=subprocess.PIPE, text=True)
    try:
        assert hop.stdout is not None
        address = hop.stdout.readline().strip()
        done = run(
            sys.executable,
            HERE / "hopping.py",
            f"http://{address}",
            OTEL_PROPAGATORS=propagator,
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
        )
        assert (done.returncode, done.stdout) == (0, "the end\n"), done.stderr
        trace_id, span_id, sampled = hop.stdout.readline().split()
    finally:
        hop.kill()
        hop.wait()
        hop.stdout.close()
    spans = {(span["name"], span["kind"]): span for span in sink.spans}
    start, end = spans["GET /start", "SERVER"], spans["GET /end", "SERVER"]
    (call,) = [span for span in sink.spans if span["kind"] == "CLIENT" and span["parent"] == start["id"]]
    assert sampled == "true"
    assert {span["trace"] for span in (start, call, end)} == {trace_id}
    assert end["parent"] == span_id
