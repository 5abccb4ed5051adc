"""What an exporter meets: collectors that answer as told or not at all, over TLS or not, and proxies."""

from __future__ import annotations

import gzip
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Request:
    """One request as it arrived; ``headers`` under lower-case names."""

    def __init__(self, line: str, headers: dict[str, str], body: bytes, connection: int) -> None:
        self.line = line
        self.headers = headers
        self.raw = body
        self.connection = connection

    @property
    def body(self) -> bytes:
        """Without compression."""
        return gzip.decompress(self.raw) if self.headers.get("content-encoding") == "gzip" else self.raw

    @property
    def names(self) -> list[str]:
        """The spans' names."""
        return [
            span.name
            for resource in ExportTraceServiceRequest.FromString(self.body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


#: Answers that are none: close the connection, before or after reading; say something that is not HTTP.
CLOSE, CLOSE_EARLY, JUNK = object(), object(), object()


class Collector:
    """Listens on 127.0.0.1. ``answers`` are taken in turn: (status, headers, body) or one of the above; then 200."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.answers: list[Any] = []
        self.connections = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(), bind_and_activate=True)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.scheme = "http" if tls is None else "https"
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """For ``OTEL_EXPORTER_OTLP_ENDPOINT``."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: Request) -> Any:
        """Keep one request; what to answer."""
        with self._lock:
            self.requests.append(request)
            return self.answers.pop(0) if self.answers else (200, {}, b"")

    def _handler(collector) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                collector.connections += 1
                self.number = collector.connections

            def do_POST(self) -> None:
                headers = {key.lower(): value for key, value in self.headers.items()}
                if collector.answers and collector.answers[0] is CLOSE_EARLY:
                    collector.answers.pop(0)
                    self._reply(413, {"Connection": "close"}, b"too large")
                    self.close_connection = True
                    return
                body = self.rfile.read(int(headers["content-length"]))
                answer = collector.answer(Request(self.requestline, headers, body, self.number))
                if answer is CLOSE:
                    self.close_connection = True
                elif answer is JUNK:
                    self.wfile.write(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x7f\xff\xff\xff\r\n\r\n")
                    self.close_connection = True
                else:
                    self._reply(*answer)

            def _reply(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


@contextmanager
def collector(tls: ssl.SSLContext | None = None) -> Iterator[Collector]:
    """A `Collector` that is closed at the end."""
    found = Collector(tls)
    try:
        yield found
    finally:
        found.close()


@contextmanager
def black_hole() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield listening.getsockname()[1]


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]  # type: ignore[no-any-return]


class Proxy:
    """An HTTP proxy: forwards requests and opens tunnels; with ``credentials`` (a Basic header) it asks for them."""

    def __init__(self, credentials: str = "") -> None:
        self.credentials = credentials
        self.lines: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(proxy) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _refused(self) -> bool:
                proxy.lines.append(self.requestline)
                if proxy.credentials and self.headers.get("Proxy-Authorization") != proxy.credentials:
                    self.send_response(407)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return True
                return False

            def do_CONNECT(self) -> None:
                if self._refused():
                    return
                host, _, port = self.path.rpartition(":")
                with socket.create_connection((host, int(port)), 5) as other:
                    self.send_response(200)
                    self.end_headers()
                    _pump(self.connection, other)
                self.close_connection = True

            def do_POST(self) -> None:
                if self._refused():
                    return
                body = self.rfile.read(int(self.headers["Content-Length"]))
                address, _, path = self.path.removeprefix("http://").partition("/")
                host, _, port = address.rpartition(":")
                with socket.create_connection((host, int(port)), 5) as other:
                    kept = [f"{key}: {value}" for key, value in self.headers.items() if key != "Proxy-Authorization"]
                    head = "\r\n".join([f"POST /{path} HTTP/1.1", *kept, "Connection: close", "", ""])
                    other.sendall(head.encode("latin-1") + body)
                    while content := other.recv(65536):
                        self.wfile.write(content)
                self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def _pump(one: socket.socket, other: socket.socket) -> None:
    while True:
        for ready in select.select([one, other], [], [], 10)[0]:
            content = ready.recv(65536)
            if not content:
                return
            (other if ready is one else one).sendall(content)


@contextmanager
def proxy(credentials: str = "") -> Iterator[Proxy]:
    """A `Proxy` that is closed at the end."""
    found = Proxy(credentials)
    try:
        yield found
    finally:
        found.close()
