"""The Collector's configuration that we ship keeps what it promises to keep, whole, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from backends.kinds import COUNTS
from backends.server import Collector, Jaeger
from services.daemon import free_port
from support.program import ROOT, TRACING_RUN, environment, run

HERE = Path(__file__).parent
SHARE = 0.1


def send(endpoint: str, half: str, given: str) -> str:
    """Run one half of the program; what it prints."""
    done = subprocess.run(
        [*TRACING_RUN, sys.executable, HERE / "kinds.py", half],
        input=given,
        env=environment(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_SERVICE_NAME=half),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_thousand_traces(jaeger: Jaeger) -> None:
    """Every trace with an error and every slow one arrives with all its spans; of the rest a share; no health check."""
    http, grpc = free_port(), free_port()
    with Collector.of(
        ROOT / "docs" / "operations" / "collector.yaml",
        BACKEND=f"127.0.0.1:{jaeger.grpc}",
        OTLP_HTTP=f"127.0.0.1:{http}",
        OTLP_GRPC=f"127.0.0.1:{grpc}",
        DECISION_WAIT="5s",
        SHARE_PERCENT=str(SHARE * 100),
    ) as collector:
        collector.start()
        endpoint = f"http://127.0.0.1:{http}"
        send(endpoint, "back", send(endpoint, "front", ""))
        whole = COUNTS["error"] + COUNTS["slow"]
        # Decisions are made in the order of arrival: with the last of the slow ones those before it are there, too.
        jaeger.wait(lambda traces: len(traces) >= whole, "front", operation="GET /orders")
        # In good order it decides what is left and sends it.
        collector.stop()
    traces = jaeger.find("front")
    kinds = Counter()
    for trace in traces:
        names = Counter(span["operationName"] for span in trace["spans"])
        assert names == {"GET /orders": 1, "GET /stock": 1}
        (kind,) = [tag["value"] for span in trace["spans"] for tag in span["tags"] if tag["key"] == "test.kind"]
        kinds[kind] += 1
    assert kinds["error"] == COUNTS["error"] and kinds["slow"] == COUNTS["slow"]
    assert kinds["health"] == 0
    # Five standard deviations of a share of that many.
    spread = 5 * (COUNTS["rest"] * SHARE * (1 - SHARE)) ** 0.5
    assert abs(kinds["rest"] - COUNTS["rest"] * SHARE) < spread


def test_two_tiers(jaeger: Jaeger) -> None:
    """The routing tier passes spans on to the sampling tier; a plain exporter stands for one that is not at hand."""
    first, second, grpc, other = (free_port() for _ in range(4))
    text = (ROOT / "docs" / "operations" / "collector-routing.yaml").read_text()
    begin, end = text.index("  loadbalancing:\n"), text.index("service:\n")
    plain = f"  otlp:\n    endpoint: 127.0.0.1:{grpc}\n    tls: {{insecure: true}}\n\n"
    routing = (text[:begin] + plain + text[end:]).replace("[loadbalancing]", "[otlp]")
    sampling = Collector.of(
        ROOT / "docs" / "operations" / "collector.yaml",
        BACKEND=f"127.0.0.1:{jaeger.grpc}",
        OTLP_HTTP=f"127.0.0.1:{second}",
        OTLP_GRPC=f"127.0.0.1:{grpc}",
        DECISION_WAIT="1s",
        SLOW_MS="0",
    )
    with sampling, Collector(routing, OTLP_HTTP=f"127.0.0.1:{first}", OTLP_GRPC=f"127.0.0.1:{other}") as router:
        sampling.start()
        router.start()
        program = "from opentelemetry import trace; trace.get_tracer('t').start_span('two tiers').end()"
        done = run(
            sys.executable,
            "-c",
            program,
            OTEL_SERVICE_NAME="tiers",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{first}",
        )
        assert (done.returncode, done.stderr) == (0, "")
        jaeger.wait(lambda traces: len(traces) == 1, "tiers", operation="two tiers")
