"""Receives OTLP over HTTP and hands the spans on.

Source: OpenTelemetry protocol specification, "OTLP/HTTP": paths, media types, answers, and which failures a
client should try again.
"""

from __future__ import annotations

import json
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tracing_watch import body as bodies
from tracing_watch.body import Refused
from tracing_watch.decode import Decoded, Malformed, decode_json, decode_protobuf
from tracing_watch.model import Span

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
TRACES = "/v1/traces"
# Programs that send every signal to one endpoint are not to be bothered with failures.
IGNORED = ("/v1/metrics", "/v1/logs")

# google.rpc.Code of the Status that OTLP wants in the body of a failure.
INVALID_ARGUMENT, UNAVAILABLE = 3, 14

GRPC_HERE = "a program speaks gRPC to this port; set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf for it"

Sink = Callable[[list[Span]], bool]
"""Takes decoded spans on the receiver's threads; False if there is no room for them now."""


class Receiver(ThreadingHTTPServer):
    """An OTLP/HTTP server; `port` 0 takes a free one. Raises OSError if it cannot listen."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, sink: Sink, warn: Callable[[str], None]) -> None:
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        self.sink = sink
        self.warn = warn
        # Decoding takes a multiple of the body in memory: one at a time.
        self.decoding = threading.Lock()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """As `TCPServer`: the HTTP server's own would look the host's name up, which can take seconds."""
        socketserver.TCPServer.server_bind(self)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """Says what failed in one line; broken connections are daily life, all else is a fault here."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.warn(f"a request could not be handled: {type(error).__name__}: {error}")


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"
    server_version = "tracing-run-watch"
    sys_version = ""
    timeout = 120.0
    # Headers and body of an answer leave in one packet; Nagle would hold the second back.
    wbufsize = -1
    disable_nagle_algorithm = True
    decoders: ClassVar[dict[str, Callable[[bytes], Decoded]]] = {PROTOBUF: decode_protobuf, JSON: decode_json}

    def do_POST(self) -> None:
        try:
            self._post()
        except Refused as refusal:
            self._refuse(refusal)

    def _other_method(self) -> None:
        if self.path.partition("?")[0] in (TRACES, *IGNORED):
            self._refuse(Refused(HTTPStatus.METHOD_NOT_ALLOWED, "only POST is served here", None))
        else:
            self._refuse(Refused(HTTPStatus.NOT_FOUND, f"only {TRACES} is served here", None))

    def _post(self) -> None:
        path = self.path.partition("?")[0]
        if path not in (TRACES, *IGNORED):
            raise self._unread(HTTPStatus.NOT_FOUND, f"only {TRACES} is served here")
        media = self._media_type()
        if media not in self.decoders:
            raise self._unread(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type is neither {PROTOBUF} nor {JSON}")
        body = bodies.read(self.rfile, self.headers)
        if path in IGNORED:
            self._answer(HTTPStatus.OK, media, b"{}" if media == JSON else b"")
            return
        with self.server.decoding:
            body = bodies.expand(body, self.headers.get("content-encoding", ""))
            try:
                decoded = self.decoders[media](body)
            except Malformed as error:
                raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error
        if decoded.spans and not self.server.sink(decoded.spans):
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "spans come faster than they can be shown")
        self._accept(decoded, media)

    def _media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def _unread(self, status: HTTPStatus, reason: str) -> Refused:
        """A refusal before the body was read."""
        try:
            return Refused(status, reason, bodies.content_length(self.headers))
        except Refused:
            return Refused(status, reason, None)

    def _accept(self, decoded: Decoded, media: str) -> None:
        response = ExportTraceServiceResponse()
        reason = "a trace id has 16 bytes, a span id 8, not all zero"
        if decoded.rejected:
            response.partial_success.rejected_spans = decoded.rejected
            response.partial_success.error_message = reason
        if media == PROTOBUF:
            self._answer(HTTPStatus.OK, media, response.SerializeToString())
            return
        partial = {"rejectedSpans": str(decoded.rejected), "errorMessage": reason}
        answer = {"partialSuccess": partial} if decoded.rejected else {}
        self._answer(HTTPStatus.OK, media, json.dumps(answer).encode())

    def _refuse(self, refusal: Refused) -> None:
        code = UNAVAILABLE if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE else INVALID_ARGUMENT
        media = self._media_type()
        if media == JSON:
            answer = json.dumps({"code": code, "message": refusal.reason}).encode()
        elif media == PROTOBUF:
            answer = _status(code, refusal.reason)
        else:
            media, answer = "text/plain; charset=utf-8", f"{refusal.reason}\n".encode()
        if refusal.unread is None or refusal.unread > 0:
            self.close_connection = True
        self._answer(refusal.status, media, answer)
        if refusal.unread:
            self._discard(refusal.unread)

    def _answer(self, status: HTTPStatus, media: str, answer: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(answer)))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "POST")
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", "1")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)
        self.wfile.flush()

    def _discard(self, length: int) -> None:
        """Closing on unread bytes would reset the connection, and the client would not see the answer."""
        left = min(length, bodies.DISCARD)
        self.connection.settimeout(2.0)
        while left > 0:
            block = self.rfile.read(min(left, bodies.BLOCK))
            if not block:
                break
            left -= len(block)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class finds wrong with a request's head; 501 is its word for all but POST."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._other_method()
            return
        if code == HTTPStatus.HTTP_VERSION_NOT_SUPPORTED:
            self.server.warn(GRPC_HERE)
        # The base class takes what it cannot read for HTTP/0.9, in which there is no status to answer.
        self.request_version = self.protocol_version
        self.close_connection = True
        status = HTTPStatus(code)
        self._answer(status, "text/plain; charset=utf-8", f"{message or status.phrase}\n".encode())

    def log_message(self, format: str, *args: object) -> None:
        """The terminal shows traces and nothing else."""


def _status(code: int, message: str) -> bytes:
    """google.rpc.Status (code = 1, message = 2), whose descriptor's package may not be installed."""
    text = message[:127].encode("ascii", "replace")
    return bytes((0x08, code, 0x12, len(text))) + text
