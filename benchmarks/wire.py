"""Bytes a span on the wire, with and without gzip: this agent's encoder beside the SDK's, for the same spans.

Prints a table, and what a span costs in time and memory. Each request to a small Flask service, itself made with
`requests`, makes a client and a server span; where `TEST_REDIS_URL` and `TEST_POSTGRES_DSN` name servers, one of each
of those, too:

    cd tests && python -m services run redis postgres -- tracing-run python ../benchmarks/wire.py
"""

import gzip
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import requests
from flask import Flask
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from tracing_agent.export.http import _GZIP_LEVEL
from tracing_agent.export.otlp import Encoder
from werkzeug.serving import WSGIRequestHandler, make_server

#: Spans in a request: OTEL_BSP_MAX_EXPORT_BATCH_SIZE without it being set.
BATCH = 512
KEYS = tuple(f"attribute.{number}" for number in range(8))
# gzip.GzipFile's, which the SDK's exporter does not change.
SDK_LEVEL = 9


class Kept(SpanProcessor):
    """Keeps what ended."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


class Quiet(WSGIRequestHandler):
    """Prints nothing for a request."""

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def backends() -> Iterable[Callable[[str], object]]:
    """What a request asks for, of the servers that there are."""
    if url := os.environ.get("TEST_REDIS_URL"):
        import redis

        client = redis.Redis.from_url(url)
        yield lambda name: client.get(f"greeting:{name}")
    if dsn := os.environ.get("TEST_POSTGRES_DSN"):
        import psycopg

        connection = psycopg.connect(dsn, autocommit=True)
        yield lambda name: connection.execute("SELECT 1 AS found WHERE %s <> ''", (name,)).fetchone()


def record(count: int) -> list[Any]:
    """The spans of so many requests."""
    app = Flask(__name__)
    asked = list(backends())

    @app.get("/hello/<name>")
    def hello(name: str) -> str:
        for ask in asked:
            ask(name)
        return f"hello {name}"

    server = make_server("127.0.0.1", 0, app, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    kept = Kept()
    trace.get_tracer_provider().add_span_processor(kept)  # type: ignore[attr-defined]
    with requests.Session() as session:
        for number in range(count):
            session.get(f"http://127.0.0.1:{server.port}/hello/customer-{number}", timeout=30)
    server.shutdown()
    thread.join()
    return kept.spans


def ours(spans: list[Any]) -> bytes:
    """The body of this agent's request."""
    return Encoder().request(spans, spans[0].resource)


def official(spans: list[Any]) -> bytes:
    """The body of the request of the SDK's exporter."""
    body: bytes = encode_spans(spans).SerializeToString()
    return body


def row(name: str, spans: list[Any]) -> str:
    """A line of the table: means over whole batches."""
    batches = [spans[start : start + BATCH] for start in range(0, len(spans) - BATCH + 1, BATCH)]
    count = BATCH * len(batches)
    cells = []
    for encode, level in ((ours, _GZIP_LEVEL), (official, SDK_LEVEL)):
        bodies = [encode(batch) for batch in batches]
        cells.append(sum(map(len, bodies)) / count)
        cells.append(sum(len(gzip.compress(body, level)) for body in bodies) / count)
    return f"| {name} | {len(spans)} | " + " | ".join(f"{cell:.0f}" for cell in cells) + " |"


def work(spans: list[Any]) -> str:
    """What encoding and compressing cost in this process: the least of some tries."""
    encode, compress = [], []
    batch = spans[:BATCH]
    for _ in range(20):
        encoder = Encoder()
        begin = time.process_time()
        body = encoder.request(batch, batch[0].resource)
        middle = time.process_time()
        gzip.compress(body, _GZIP_LEVEL)
        encode.append(middle - begin)
        compress.append(time.process_time() - middle)
    encoded, compressed = (min(times) / BATCH * 1e6 for times in (encode, compress))
    return f"encoding: {encoded:.1f} us a span, gzip: {compressed:.1f} us a span"


def resident() -> int:
    """Bytes of memory that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def waiting(count: int) -> str:
    """What a span takes while it waits, with ten attributes set through the API."""
    tracer, kept = trace.get_tracer("waiting"), []
    before = resident()
    for number in range(count):
        span = tracer.start_span("GET /hello/<name>")
        for key in KEYS:
            span.set_attribute(key, "value")
        span.set_attribute("network.peer.port", number)
        span.set_attribute("url.path", f"/hello/{number}")
        span.end()
        kept.append(span)
    return f"memory: {(resident() - before) / count:.0f} bytes a waiting span"


def main() -> None:
    """Record, and print the table."""
    spans = record(2 * BATCH)
    print("| spans | number | ours | ours, gzip | SDK | SDK, gzip |\n|---|---|---|---|---|---|")
    print(row("all of a request", spans))
    kinds: dict[str, list[Any]] = {}
    for span in spans:
        scope = span.instrumentation_scope
        kinds.setdefault(f"{scope.name.rpartition('.')[2]}, {span.kind.name.lower()}", []).append(span)
    for name, found in sorted(kinds.items()):
        if len(found) >= BATCH:
            print(row(name, found))
    print(f"\n{work(spans)}; {waiting(20_000)}")


if __name__ == "__main__":
    main()
