"""The receiver as clients meet it: HTTP over real sockets."""

from __future__ import annotations

import gzip
import http.client
import json
import queue
import socket
import threading
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tracing_watch import body as bodies
from tracing_watch.model import Span
from tracing_watch.receiver import JSON, PROTOBUF, Receiver
from watch.otlp import Recording, process, request
from watch.test_decode import as_json


class Running:
    """A receiver on a free port, what it has handed on, and what it has warned of."""

    def __init__(self) -> None:
        self.spans: queue.SimpleQueue[list[Span]] = queue.SimpleQueue()
        self.warnings: list[str] = []
        self.room = True
        self.receiver = Receiver("127.0.0.1", 0, self.take, self.warnings.append)
        self.address = ("127.0.0.1", self.receiver.port)
        threading.Thread(target=self.receiver.serve_forever, args=(0.01,), daemon=True).start()

    def take(self, spans: list[Span]) -> bool:
        if self.room:
            self.spans.put(spans)
        return self.room

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self.address, timeout=20)

    def post(
        self, body: bytes, media: str = PROTOBUF, path: str = "/v1/traces", method: str = "POST", **headers: str
    ) -> tuple[int, bytes]:
        connection = self.connect()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Content-Type": media, **named})
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer

    def names(self) -> list[str]:
        return [span.name for span in self.spans.get(timeout=20)]


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    running = Running()
    with running.receiver:
        yield running
        running.receiver.shutdown()


@pytest.fixture
def running(shared: Running) -> Iterator[Running]:
    yield shared
    shared.room = True
    assert shared.spans.empty()
    assert shared.warnings == []
    # Whatever a test did to it, the receiver still serves.
    assert shared.post(BODY) == (200, b"")
    assert shared.names() == ["work"]


MESSAGE = request(Recording().span("work", process("service"), 0, 1))
BODY = MESSAGE.SerializeToString()
JSON_BODY = json.dumps(as_json(MESSAGE)).encode()


def test_protobuf(running: Running) -> None:
    """A protobuf request is answered with an empty ExportTraceServiceResponse."""
    status, answer = running.post(BODY)
    assert status == 200
    assert ExportTraceServiceResponse.FromString(answer) == ExportTraceServiceResponse()
    assert running.names() == ["work"]


@pytest.mark.parametrize("media", [JSON, "Application/JSON; charset=utf-8"])
def test_json(running: Running, media: str) -> None:
    """A JSON request is answered in JSON."""
    assert running.post(JSON_BODY, media) == (200, b"{}")
    assert running.names() == ["work"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity", "GZIP"])
def test_compressed(running: Running, encoding: str) -> None:
    """The compressions that exporters offer are understood."""
    body = {"gzip": gzip.compress(BODY), "deflate": zlib.compress(BODY)}.get(encoding.lower(), BODY)
    assert running.post(body, Content_Encoding=encoding) == (200, b"")
    assert running.names() == ["work"]


def test_chunked(running: Running) -> None:
    """A body that is sent in chunks, with extensions and trailers, arrives whole."""
    half = len(BODY) // 2
    with socket.create_connection(running.address, timeout=20) as client:
        client.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
            b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
        for part in (BODY[:half], BODY[half:]):
            client.sendall(b"%x;name=value\r\n%s\r\n" % (len(part), part))
        client.sendall(b"0\r\nTrailer: value\r\n\r\n")
        assert client.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
    assert running.names() == ["work"]


def test_connections_are_kept(running: Running) -> None:
    """Many requests, good and bad, go over one connection."""
    connection = running.connect()
    connection.connect()
    client = connection.sock
    for body, expected in ((BODY, 200), (b"\xff", 400), (BODY, 200), (b"", 200)):
        connection.request("POST", "/v1/traces", body, {"Content-Type": PROTOBUF})
        response = connection.getresponse()
        response.read()
        assert response.status == expected
        assert connection.sock is client
    connection.close()
    assert running.names() == running.names() == ["work"]


def test_spans_without_valid_ids_are_told(running: Running) -> None:
    """A request of good and bad spans is taken in part, and the answer says how many were not."""
    message = request(*(Recording().span(name, process("service"), 0, 1) for name in ("good", "bad")))
    message.resource_spans[1].scope_spans[0].spans[0].span_id = b"short"
    status, answer = running.post(message.SerializeToString())
    assert status == 200
    assert ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans == 1
    assert running.names() == ["good"]
    status, answer = running.post(json.dumps(as_json(message)).encode(), JSON)
    assert status == 200
    assert json.loads(answer)["partialSuccess"]["rejectedSpans"] == "1"
    assert running.names() == ["good"]


@pytest.mark.parametrize("path", ["/v1/metrics", "/v1/logs"])
def test_other_signals_are_taken_and_ignored(running: Running, path: str) -> None:
    """Programs that send metrics and logs to the same endpoint see no failure."""
    assert running.post(b"anything", path=path) == (200, b"")
    assert running.post(b"{}", JSON, path=path) == (200, b"{}")


@pytest.mark.parametrize("path", ["/", "/v1/trace", "/v1/traces/", "/v1development/profiles", "*"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_other_paths(running: Running, path: str, method: str) -> None:
    """There is nothing at other paths."""
    assert running.post(BODY, path=path, method=method)[0] == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs?x=1"])
def test_other_methods(running: Running, path: str, method: str) -> None:
    """Only POST is served."""
    connection = running.connect()
    connection.request(method, path, BODY if method == "PUT" else None)
    response = connection.getresponse()
    assert (response.status, response.headers["Allow"]) == (405, "POST")
    connection.close()


@pytest.mark.parametrize("media", ["text/plain", "application/grpc", "", "application/x-www-form-urlencoded"])
def test_other_media(running: Running, media: str) -> None:
    """What is neither protobuf nor JSON is refused, so that a web page's plain form cannot post here."""
    assert running.post(BODY, media)[0] == 415


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_other_compressions(running: Running, encoding: str) -> None:
    """A compression that is not understood is refused."""
    assert running.post(BODY, Content_Encoding=encoding)[0] == 415


def test_refusals_say_why(running: Running) -> None:
    """A refusal carries a google.rpc.Status in the request's encoding, or text where that is not known."""
    status, answer = running.post(b"\xff" * 10)
    assert (status, answer[:3]) == (400, b"\x08\x03\x12")
    assert b"not an ExportTraceServiceRequest" in answer
    status, answer = running.post(b"{", JSON)
    assert (status, json.loads(answer)["code"]) == (400, 3)
    assert running.post(b"", "text/plain") == (415, f"Content-Type is neither {PROTOBUF} nor {JSON}\n".encode())


@pytest.mark.parametrize("body", [BODY, gzip.compress(BODY)[:-4], gzip.compress(BODY) + b"x", b""])
def test_broken_compression(running: Running, body: bytes) -> None:
    """A body that is not what Content-Encoding says, or ends early or late, is malformed."""
    assert running.post(body, Content_Encoding="gzip")[0] == 400


def test_an_oversized_body(running: Running) -> None:
    """A body over the bound is refused, and a client that first sends all of it sees the answer."""
    assert running.post(bytes(bodies.LIMIT + 1))[0] == 413


def test_an_oversized_body_in_chunks(running: Running) -> None:
    """The bound holds for bodies whose length is not told beforehand, before they are read."""
    with socket.create_connection(running.address, timeout=20) as client:
        client.sendall(
            b"POST /v1/traces HTTP/1.1\r\nContent-Type: application/x-protobuf\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n"
        )
        assert client.makefile("rb").readline().split()[1] == b"413"


def test_a_body_that_expands_too_much(running: Running) -> None:
    """A small body that expands to a large one is refused."""
    assert running.post(gzip.compress(bytes(bodies.LIMIT + 1), 1), Content_Encoding="gzip")[0] == 413


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: -1",
        b"Content-Length: 1_0",
        b"Content-Length: \xb2",
        b"Content-Length: 99999999999999999999",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 2000,
        b"X: " + b"x" * 70_000,
        b"\r\n".join(b"X: x" for _ in range(200)),
    ],
)
def test_unclear_framing(running: Running, headers: bytes) -> None:
    """Where it is not clear how long a body is, the request is refused and the connection closed."""
    with socket.create_connection(running.address, timeout=20) as client:
        client.sendall(b"POST /v1/traces HTTP/1.1\r\nContent-Type: application/x-protobuf\r\n" + headers + b"\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read()
        assert answer.split()[1] in (b"400", b"431")
        assert answer.count(b"HTTP/1.1") == 1


def test_no_length(running: Running) -> None:
    """A body without a length is asked for one."""
    with socket.create_connection(running.address, timeout=20) as client:
        client.sendall(b"POST /v1/traces HTTP/1.1\r\nContent-Type: application/x-protobuf\r\n\r\n")
        assert client.makefile("rb").readline().split()[1] == b"411"


def test_a_client_that_goes_away(running: Running) -> None:
    """A connection that breaks in the middle of a body costs nothing and is not told."""
    with socket.create_connection(running.address, timeout=20) as client:
        client.sendall(
            b"POST /v1/traces HTTP/1.1\r\nContent-Type: application/x-protobuf\r\nContent-Length: 100\r\n\r\nabc"
        )
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def test_no_room(running: Running) -> None:
    """When spans cannot be taken now, the client is told to come again."""
    running.room = False
    connection = running.connect()
    connection.request("POST", "/v1/traces", BODY, {"Content-Type": PROTOBUF})
    response = connection.getresponse()
    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    connection.close()


def test_grpc_is_told_what_to_do(running: Running) -> None:
    """A program that speaks gRPC to the port is refused, and the reader of the terminal told how to set it."""
    with socket.create_connection(running.address, timeout=20) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert client.makefile("rb").readline().split()[1] == b"505"
    (warning,) = running.warnings
    running.warnings.clear()
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in warning


@settings(deadline=None)
@given(body=st.binary(max_size=200), media=st.sampled_from([PROTOBUF, JSON]), encoding=st.sampled_from(["", "gzip"]))
def test_arbitrary_bodies(shared: Running, body: bytes, media: str, encoding: str) -> None:
    """Any body gets an answer: taken, or a reason why not."""
    status, _ = shared.post(body, media, Content_Encoding=encoding)
    assert status in (200, 400)
    assert shared.warnings == []


@settings(deadline=None)
@given(sent=st.one_of(st.binary(max_size=200), st.binary(max_size=100).map(b"POST /v1/traces HTTP/1.1\r\n".__add__)))
def test_arbitrary_connections(shared: Running, sent: bytes) -> None:
    """Any bytes on a connection get a refusal or nothing, and the receiver serves on."""
    with socket.create_connection(shared.address, timeout=20) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read()
    assert answer == b"" or answer.split()[1][:1] in b"45"
    assert shared.warnings == []
    assert shared.post(BODY) == (200, b"")
    assert shared.names() == ["work"]
