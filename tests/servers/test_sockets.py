"""Real servers over real sockets: werkzeug's, gunicorn's workers and uvicorn, with the same site in each framework."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support import program
from support.sink import Sink

pytestmark = pytest.mark.process

TESTS = Path(__file__).parents[1]
GUNICORN = ("gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "1", "servers.shop:app")
UVICORN = ("uvicorn", "servers.shop:app", "--port", "{port}", "--log-level", "warning")
SERVERS = {
    "flask-werkzeug": ("flask", "--app", "servers.shop", "run", "--port", "{port}"),
    "flask-sync": GUNICORN,
    "flask-gthread": (*GUNICORN, "--worker-class", "gthread", "--threads", "8"),
    "starlette-uvicorn": UVICORN,
    "fastapi-uvicorn": UVICORN,
}


class Server(NamedTuple):
    """A running server, and the service behind it that remembers what it was asked."""

    name: str
    port: int
    process: subprocess.Popen[str]
    asked: dict[str, str]

    @property
    def site(self) -> str:
        """The framework."""
        return self.name.partition("-")[0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def upstream() -> Iterator[tuple[str, dict[str, str]]]:
    """A service that answers with the path and remembers the traceparent that came with it."""
    asked: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked[self.path] = self.headers.get("traceparent", "")
            body = self.path.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def served(name: str, traced: bool = True, **variables: str) -> Iterator[Server]:
    """The server of that name, until the end of the block."""
    port = free_port()
    command = [part.format(port=port) for part in SERVERS[name]]
    with upstream() as (url, asked):
        variables |= {
            "SITE": name.partition("-")[0],
            "UPSTREAM": url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "PYTHONHASHSEED": "0",
        }
        process = program.start(*command, cwd=TESTS, traced=traced, **variables)
        try:
            wait_for(port, process)
            yield Server(name, port, process, asked)
        finally:
            process.terminate()
            process.communicate(timeout=30)


def wait_for(port: int, process: subprocess.Popen[str]) -> None:
    """Until somebody listens."""
    stop = threading.Event()
    for _ in range(600):
        assert process.poll() is None, process.communicate()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            stop.wait(0.05)
        else:
            return
    raise AssertionError("the server does not listen")


def raw(port: int, request: bytes) -> bytes:
    """Everything that comes back, but for the date."""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(request)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    return re.sub(rb"(?i)\r\ndate: [^\r]*", b"", received)


def get(path: str, *headers: bytes, method: bytes = b"GET") -> bytes:
    """A request."""
    lines = [method + b" " + path.encode() + b" HTTP/1.1", b"Host: shop.example", b"Connection: close", *headers]
    return b"\r\n".join([*lines, b"", b""])


REQUESTS = [
    get("/items/3?sig=secret"),
    get("/items/3", method=b"HEAD"),
    get("/items/3", method=b"DELETE"),
    get("/items/3", method=b"PURGE"),
    get("/nothing"),
    get("/stream"),
    get("/broken"),
    get("/file"),
    get("/file", b"Range: bytes=2-9"),
    get("/items/caf%C3%A9", b"User-Agent: caf\xc3\xa9", b"X-Forwarded-For: ,", b"traceparent: 00-\xff"),
    get("/items/%ff", b"baggage: =%zz;,", b"Forwarded: for=", b"User-Agent: " + b"x" * 4000),
]


@pytest.mark.parametrize("name", SERVERS)
def test_responses_are_as_untraced(name: str, sink: Sink) -> None:
    """User-pain row 2: byte by byte, the traced server answers as the untraced one does."""
    with served(name, traced=False) as server:
        expected = [raw(server.port, request) for request in REQUESTS]
    assert expected[0].endswith(b"item 3")
    with served(name, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint) as server:
        for request, answer in zip(REQUESTS, expected, strict=True):
            assert raw(server.port, request) == answer
        spans = sink.wait(lambda spans: len(spans) >= len(REQUESTS))
    assert len(spans) == len(REQUESTS)
    assert {span["kind"] for span in spans} == {"SERVER"}
    codes = sorted(span["attributes"]["http.response.status_code"] for span in spans)
    assert codes.count(500) == 1
    (failed,) = [span for span in spans if span["events"]]
    assert (failed["attributes"]["error.type"], failed["status"][0]) == ("ValueError", 2)


@pytest.mark.parametrize("name", SERVERS)
def test_many_at_once_do_not_mix(name: str, sink: Sink) -> None:
    """Of many simultaneous requests that each make a call, every span has the right parent, and every call its own."""
    parent = "00-{trace:032x}-{span:016x}-01"
    numbers = range(1, 61)

    def ask(number: int) -> bytes:
        header = b"traceparent: " + parent.format(trace=number, span=number + 1000).encode()
        return raw(server.port, get(f"/chain/{number}", header))

    with served(name, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint) as server:
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(ask, numbers))
        assert all(answer.endswith(f"/{number}".encode()) for number, answer in zip(numbers, answers, strict=True))
        spans = sink.wait(lambda spans: len(spans) >= 2 * len(numbers))
    assert len(spans) == 2 * len(numbers)
    by_kind = {(span["kind"], int(span["trace"], 16)): span for span in spans}
    for number in numbers:
        asked, called = by_kind["SERVER", number], by_kind["CLIENT", number]
        assert (asked["attributes"]["url.path"], asked["parent"]) == (f"/chain/{number}", f"{number + 1000:016x}")
        assert called["parent"] == asked["id"]
        assert called["attributes"]["url.full"].endswith(f"/{number}")
        assert server.asked[f"/{number}"] == f"00-{number:032x}-{called['id']}-01"
        assert asked["start"] <= called["start"] <= called["end"] <= asked["end"]


@pytest.mark.parametrize("name", [name for name in SERVERS if name != "flask-sync"])
def test_clients_that_hang_up(name: str, sink: Sink) -> None:
    """User-pain row 9: a client that hangs up in the middle of a stream ends the span, without an error."""
    with served(name, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint) as server:
        with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
            connection.sendall(get("/endless"))
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        (span,) = sink.wait(lambda spans: spans)
    assert (span["attributes"]["http.response.status_code"], span["attributes"]["http.route"]) == (200, "/endless")
    assert (span["status"], span["events"]) == ((0, ""), [])


@pytest.mark.parametrize("name", ["flask-gthread", "fastapi-uvicorn"])
def test_settings_by_environment(name: str, sink: Sink) -> None:
    """User-pain row 15: the variables reach the process: exclusion, known methods, headers, sizes, old names."""
    with served(
        name,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
        OTEL_PYTHON_EXCLUDED_URLS="chain",
        OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS="GET",
        OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST="x-team",
        OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE="content-type",
        OTEL_PYTHON_HTTP_BODY_SIZES="true",
        OTEL_SEMCONV_STABILITY_OPT_IN="http/dup",
    ) as server:
        assert raw(server.port, get("/chain/3")).endswith(b"/3")
        assert int(server.asked["/3"][-2:], 16) & 1 == 0
        raw(server.port, get("/items/3?a=1", b"X-Team: blue", b"Content-Length: 0", method=b"POST"))
        (span,) = sink.wait(lambda spans: spans)
    attributes = span["attributes"]
    assert attributes["http.request.method"] == "_OTHER"
    assert attributes["http.request.header.x-team"] == ["blue"]
    assert attributes["http.response.header.content-type"] == ["text/plain; charset=utf-8"]
    assert (attributes["http.request.body.size"], attributes["http.response.body.size"]) == (0, 6)
    assert (attributes["http.method"], attributes["http.target"]) == ("POST", "/items/3?a=1")
    assert (attributes["http.status_code"], attributes["net.host.name"]) == (200, "shop.example")
