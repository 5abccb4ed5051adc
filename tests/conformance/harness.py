"""Both ends of a service under test: sends it requests, and takes what it forwards.

The protocol is that of the W3C validation suite (w3c/trace-context, "test"), written anew: a case here stands for one
there.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, NamedTuple

TRACE, PARENT = "12345678901234567890123456789012", "1234567890123456"
GIVEN = f"00-{TRACE}-{PARENT}-01"

Header = tuple[str, str]
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class Forwarded(NamedTuple):
    """The trace context of a request that the service made."""

    trace: str
    parent: str
    flags: int
    #: The members of all its tracestate headers, in order.
    state: list[str]
    headers: list[Header]

    @classmethod
    def of(cls, headers: list[Header]) -> Forwarded:
        """Read it; there is exactly one traceparent, of version 00 and well formed."""
        (value,) = [value for name, value in headers if name.lower() == "traceparent"]
        found = _TRACEPARENT.fullmatch(value)
        assert found, f"no valid traceparent: {value!r}"
        trace, parent, flags = found.groups()
        assert int(trace, 16)
        assert int(parent, 16)
        states = [value for name, value in headers if name.lower() == "tracestate"]
        members = [member.strip(" \t") for member in ",".join(states).split(",")] if states else []
        return cls(trace, parent, int(flags, 16), members, headers)


class Harness:
    """Takes requests on 127.0.0.1 until `close`, and sends to the service on ``port``."""

    def __init__(self, port: int) -> None:
        self._service = port
        self._taken: dict[str, list[Header]] = {}
        self._names: Iterator[int] = count()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._taken))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def forward(self, headers: Sequence[Header], calls: int = 1) -> list[Forwarded]:
        """What the service forwards, ``calls`` times, when it gets a request with these headers."""
        return [Forwarded.of(headers) for headers in self.exchange(headers, calls)[0]]

    def exchange(self, headers: Sequence[Header], calls: int = 1) -> tuple[list[list[Header]], http.client.HTTPMessage]:
        """The headers of what the service forwards, ``calls`` times, and those of its response."""
        paths = [f"/{next(self._names)}" for _ in range(calls)]
        port = self._server.server_address[1]
        body = json.dumps([{"url": f"http://127.0.0.1:{port}{path}", "arguments": []} for path in paths]).encode()
        answer = self._post(headers, body)
        return [self._taken.pop(path) for path in paths], answer

    def _post(self, headers: Sequence[Header], body: bytes) -> http.client.HTTPMessage:
        connection = http.client.HTTPConnection("127.0.0.1", self._service, timeout=20)
        connection.putrequest("POST", "/test", skip_accept_encoding=True)
        for name, value in (
            ("Accept", "application/json"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            *headers,
        ):
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        assert response.status == 200, content
        return response.headers

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(taken: dict[str, list[Header]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            taken[self.path] = self.headers.items()
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
