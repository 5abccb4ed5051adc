"""The highest rate of spans from one process at which a real backend gets them all, at the default settings.

Prints a table: spans made, rate, what was exported, dropped and failed as the agent counts, and what Jaeger has.

    cd tests && TEST_JAEGER=BINARY python ../benchmarks/rate.py [RATE…]
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SPANS, IN_A_TRACE = 50_000, 10
RATES = (2_000, 5_000, 10_000, 20_000, 0)
SERVICE = "rate"


def produce(rate: float) -> None:
    """Record spans at a rate (0: as fast as can be), like those of a web service; print the agent's own numbers."""
    from opentelemetry import trace
    from opentelemetry.trace import SpanKind
    from tracing_agent.agent import running

    tracer = trace.get_tracer(SERVICE)
    begin = time.perf_counter()
    for number in range(SPANS):
        if number % IN_A_TRACE == 0:
            root = tracer.start_span("GET /hello/<name>", kind=SpanKind.SERVER)
            context = trace.set_span_in_context(root)
            span = root
        else:
            span = tracer.start_span("GET", context, SpanKind.CLIENT)
        for key, value in (
            ("http.request.method", "GET"),
            ("http.route", "/hello/<name>"),
            ("url.path", f"/hello/{number}"),
            ("url.scheme", "http"),
            ("http.response.status_code", 200),
            ("client.address", "127.0.0.1"),
            ("network.peer.port", number % 60_000),
            ("user_agent.original", "wrk/4.1"),
            ("server.address", "127.0.0.1"),
            ("server.port", 8000),
        ):
            span.set_attribute(key, value)
        span.end()
        # Ten at a time at the least, as the requests of a busy service come.
        if rate and (ahead := begin + number / rate - time.perf_counter()) > 0.002:
            time.sleep(ahead)
    took = time.perf_counter() - begin
    agent = running()
    assert agent is not None
    agent.provider.force_flush()
    print(json.dumps({**agent.health(), "rate": round(SPANS / took)}))


def measure(rate: float) -> str:
    """A line of the table, with a Jaeger of its own."""
    from backends.server import Jaeger

    with Jaeger() as jaeger:
        jaeger.start()
        done = subprocess.run(
            [Path(sys.executable).with_name("tracing-run"), sys.executable, __file__, "produce", str(rate)],
            env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": jaeger.endpoint, "OTEL_SERVICE_NAME": SERVICE},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=120,
        )
        health: dict[str, Any] = json.loads(done.stdout)
        # Some of what Jaeger has stored it shows a moment later.
        arrived, before = 0, -1
        while arrived != before:
            time.sleep(1)
            before, arrived = arrived, sum(len(trace["spans"]) for trace in jaeger.find(SERVICE))
    asked = f"{rate:,.0f}" if rate else "as fast as can be"
    cells = (
        asked,
        f"{health['rate']:,}",
        f"{health['exported']:,}",
        health["dropped"],
        health["failed"],
        f"{arrived:,}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Measure each rate."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{SPANS:,} spans each; load average before: {load}\n")
    print("| spans a second wanted | reached | exported | dropped | failed | in Jaeger |\n|---|---|---|---|---|---|")
    for rate in map(float, sys.argv[1:] or RATES):
        print(measure(rate), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["produce"]:
        produce(float(sys.argv[2]))
    else:
        main()
