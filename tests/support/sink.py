"""An OTLP receiver for whole-process tests: real HTTP, decoded by opentelemetry-proto, with faults on request."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Received(dict[str, Any]):
    """One span as it arrived: name, kind, ids in hex, attributes, resource, scope, status, events, links, pid."""

    @property
    def pid(self) -> int:
        """The process that made it."""
        pid: int = self["resource"]["process.pid"]
        return pid


class Sink:
    """Listens on 127.0.0.1 (port 0: a free one). ``answers`` are taken in turn (status, headers, body); then 200.

    ``metrics`` are requests with metrics, as messages of the protocol; they are none of ``requests``, and get none of
    the ``answers``.
    """

    def __init__(self, port: int = 0) -> None:
        self.spans: list[Received] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.metrics: list[Any] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.connections = 0
        self.changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def endpoint(self) -> str:
        """For ``OTEL_EXPORTER_OTLP_ENDPOINT``."""
        return f"http://127.0.0.1:{self.port}"

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Keep one request; what to answer."""
        with self.changed:
            self.requests.append((headers, body))
            answer = self.answers.pop(0) if self.answers else (200, {}, b"")
            if answer[0] == 200:
                content = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
                self.spans += decoded(ExportTraceServiceRequest.FromString(content))
            self.changed.notify_all()
        return answer

    def take_metrics(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Keep one request with metrics; what to answer."""
        content = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        with self.changed:
            self.metrics.append(ExportMetricsServiceRequest.FromString(content))
            self.changed.notify_all()
        return 200, {}, b""

    def wait_metrics(self, until: Callable[[list[Any]], Any], timeout: float = 30.0) -> list[Any]:
        """The requests with metrics, once ``until(requests)`` is true; fails the test if that does not come."""
        with self.changed:
            arrived = self.changed.wait_for(lambda: until(self.metrics), timeout)
            assert arrived, f"not received in {timeout} s; there are {len(self.metrics)} requests with metrics"
            return list(self.metrics)

    def wait(self, until: Callable[[list[Received]], Any], timeout: float = 20.0) -> list[Received]:
        """The spans, once ``until(spans)`` is true; fails the test if that does not come."""
        with self.changed:
            arrived = self.changed.wait_for(lambda: until(self.spans), timeout)
            assert arrived, f"not received in {timeout} s; there are {[span['name'] for span in self.spans]}"
            return list(self.spans)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _handler(sink: Sink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            sink.connections += 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            take = sink.take_metrics if self.path.endswith("/v1/metrics") else sink.take
            status, headers, content = take({key.lower(): value for key, value in self.headers.items()}, body)
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def decoded(request: ExportTraceServiceRequest) -> list[Received]:
    """Every span of a request as a plain value."""
    return [
        Received(
            name=span.name,
            kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex() or None,
            attributes=_attributes(span.attributes),
            resource=_attributes(batch.resource.attributes),
            scope=scope.scope.name,
            status=(span.status.code, span.status.message),
            events=[(event.name, _attributes(event.attributes)) for event in span.events],
            links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
            start=span.start_time_unix_nano,
            end=span.end_time_unix_nano,
        )
        for batch in request.resource_spans
        for scope in batch.scope_spans
        for span in scope.spans
    ]


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    content = getattr(value, kind)
    if kind == "array_value":
        return [_value(item) for item in content.values]
    if kind == "kvlist_value":
        return _attributes(content.values)
    return content
