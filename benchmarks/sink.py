"""A server process that accepts what the agents post, counts it, and serves the page that clients ask for."""

import asyncio
import gzip
import json
import sys
import zlib
from collections.abc import Callable

from payloads import datadog_v04_spans, datadog_v05_spans, otlp_spans

COUNTERS: dict[bytes, Callable[[bytes], int]] = {
    b"/v1/traces": otlp_spans,
    b"/v0.4/traces": datadog_v04_spans,
    b"/v0.5/traces": datadog_v05_spans,
}
# What Datadog's agent says of itself; without an endpoint in the list its tracers do not post there.
INFO = {"version": "7.60.0", "endpoints": ["/v0.4/traces", "/v0.5/traces", "/v0.6/stats"], "client_drop_p0s": True}
JSON_ANSWERS = {
    b"/v0.4/traces": b'{"rate_by_service":{"service:,env:":1.0}}',
    b"/v0.5/traces": b'{"rate_by_service":{"service:,env:":1.0}}',
    b"/info": json.dumps(INFO).encode(),
}
# Bodies wait uncounted up to this size: counting then takes no processor time from what is measured.
HELD_BYTES = 256 * 1024 * 1024


class Tally:
    """Counts of what was posted since the last reset."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.requests = self.bytes = self.spans = self.unread = self.held = self.marked = 0
        self.bodies: list[tuple[bytes, bytes]] = []

    def add(self, path: bytes, body: bytes) -> None:
        self.requests += 1
        self.bytes += len(body)
        if path in COUNTERS:
            self.bodies.append((path, body))
            self.held += len(body)
            if self.held > HELD_BYTES:
                self.count()

    def count(self) -> None:
        """Turn the bodies held into spans; one that cannot be read counts as unread."""
        for path, body in self.bodies:
            try:
                plain = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
                self.spans += COUNTERS[path](plain)
            except (ValueError, IndexError, KeyError, OSError, EOFError, zlib.error):
                self.unread += 1
        self.bodies.clear()
        self.held = 0

    def mark(self) -> None:
        """Remember the spans counted up to now."""
        self.count()
        self.marked = self.spans

    def stats(self) -> bytes:
        self.count()
        names = ("requests", "bytes", "spans", "unread", "marked")
        return json.dumps({name: getattr(self, name) for name in names}).encode()


class Connection(asyncio.Protocol):
    """One client's connection, HTTP/1.1 with keep-alive; bodies by length or in chunks."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.buffer = bytearray()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            first, *lines = bytes(self.buffer[:end]).split(b"\r\n")
            fields = (line.partition(b":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in fields}
            body = self._body(end + 4, headers)
            if body is None:
                return
            self.transport.write(self._answer(first.split(b" ")[1], body))
            if headers.get(b"connection", b"").lower() == b"close":
                self.transport.close()
                return

    def _body(self, start: int, headers: dict[bytes, bytes]) -> bytes | None:
        """The body that begins at `start`, taken out of the buffer; None while it is not whole."""
        buffer = self.buffer
        if headers.get(b"transfer-encoding", b"").lower() != b"chunked":
            end = start + int(headers.get(b"content-length", b"0"))
            if len(buffer) < end:
                return None
            body = bytes(buffer[start:end])
            del buffer[:end]
            return body
        chunks = bytearray()
        while (line := buffer.find(b"\r\n", start)) >= 0:
            size = int(bytes(buffer[start:line]).partition(b";")[0], 16)
            end = line + 2 + size + 2
            if len(buffer) < end:
                return None
            chunks += buffer[line + 2 : end - 2]
            start = end
            if size == 0:
                del buffer[:end]
                return bytes(chunks)
        return None

    def _answer(self, path: bytes, body: bytes) -> bytes:
        if path == b"/page":
            return _response(b'{"page": "found"}')
        if path == b"/stats":
            return _response(self.tally.stats())
        if path == b"/mark":
            self.tally.mark()
            return _response(b"{}")
        if path == b"/reset":
            self.tally.reset()
            return _response(b"{}")
        if body:
            self.tally.add(path, body)
        if path == b"/v1/traces":
            return _response(b"", b"application/x-protobuf")
        return _response(JSON_ANSWERS.get(path, b"{}"))


def _response(body: bytes, content_type: bytes = b"application/json") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (content_type, len(body))
    return head + body


async def serve() -> None:
    """Serve on a free port of the loopback, written to standard output, until standard input ends."""
    loop = asyncio.get_running_loop()
    tally = Tally()
    server = await loop.create_server(lambda: Connection(tally), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # The harness holds the other end: it ends with the harness, however that ends.
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
