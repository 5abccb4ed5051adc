"""A real HTTP server on the loopback address whose answers the path asks for, and an HTTP proxy; both by TLS, too."""

from __future__ import annotations

import hashlib
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import trustme

#: Everybody who wants trusts it; certificates of its servers are for 127.0.0.1 and localhost.
AUTHORITY = trustme.CA()
#: Nobody trusts it.
STRANGER = trustme.CA()
PASSWORD = "Mufasa:shop:Circle of Life"


class Seen(NamedTuple):
    """A request as it arrived: header names as they were written, in order, with repetitions."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for key, value in self.headers if key.lower() == name]

    def one(self, name: str) -> str:
        """The value of a header that came exactly once."""
        (value,) = self.all(name)
        return value


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests."""


class Server:
    """Listens on 127.0.0.1 until `close`. ``seen`` are the requests in the order in which they arrived.

    ``release`` lets requests for ``/slow`` and ``/drip`` go on; they wait for it.
    """

    def __init__(self, authority: trustme.CA | None = None, client_authority: trustme.CA | None = None) -> None:
        self.seen: list[Seen] = []
        self.release = threading.Event()
        self.failures: dict[str, int] = {}
        self._http = _Quiet(("127.0.0.1", 0), _handler(self))
        self.port: int = self._http.server_address[1]
        self.scheme = "http"
        if authority is not None:
            self.scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
            if client_authority is not None:
                client_authority.configure_trust(context)
                context.verify_mode = ssl.CERT_REQUIRED
            # The handshake is the thread's that serves the connection, and not that of the one that accepts it.
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def url(self, path: str = "/ok") -> str:
        """An absolute URL here."""
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    def parents(self) -> list[str]:
        """The traceparents that arrived, in order."""
        return [request.one("traceparent") for request in self.seen]

    def close(self) -> None:
        """Stop listening, and let who waits go."""
        self.release.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        shared = server

    return Handler


class _Handler(BaseHTTPRequestHandler):
    shared: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        body = self._body()
        self.shared.seen.append(Seen(self.command, self.path, self.headers.items(), body))
        for pattern, answer in _ANSWERS:
            found = re.fullmatch(pattern, self.path.partition("?")[0])
            if found:
                answer(self, *found.groups())
                return
        self.answer(404)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_SPAM = handle_any  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, body: bytes = b"", length: int | None = None, **headers: str) -> None:
        """Send a response; ``length`` is what is said of the body's."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def redirect(self, left: str) -> None:
        if left == "0":
            self.answer(200, b"arrived")
        else:
            self.answer(302, Location=f"/redirect/{int(left) - 1}")

    def flaky(self, status: str, times: str) -> None:
        count = self.shared.failures[self.path] = self.shared.failures.get(self.path, 0) + 1
        if count > int(times):
            self.answer(200, b"at last")
        else:
            self.answer(int(status), b"not yet")

    def slow(self) -> None:
        self.shared.release.wait(30)
        self.close_connection = True

    def drip(self) -> None:
        self.answer(200, b"dr", length=4)
        self.wfile.flush()
        self.shared.release.wait(30)
        self.wfile.write(b"ip")

    def cut(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"8\r\nhalf")
        self.close_connection = True

    def reset(self) -> None:
        self.close_connection = True

    def digest(self) -> None:
        given = dict(re.findall(r'(\w+)="([^"]*)"', self.headers.get("Authorization", "")))
        secret, work = (hashlib.md5(text.encode()).hexdigest() for text in (PASSWORD, f"{self.command}:{self.path}"))
        wanted = hashlib.md5(f"{secret}:{given.get('nonce')}:{work}".encode()).hexdigest()
        if given.get("response") == wanted:
            self.answer(302, Location="/ok")
        else:
            self.answer(401, WWW_Authenticate='Digest realm="shop", nonce="dcd98b7102dd"')

    def chunks(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in (b"one", b"two", b"three"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        pass


_Answer = Callable[..., None]
_ANSWERS: tuple[tuple[str, _Answer], ...] = (
    (r"/ok", lambda self: self.answer(200, b"ok", X_Shop="open", Set_Cookie="session=secret")),
    (r"/echo", lambda self: self.answer(200, self.shared.seen[-1].body)),
    (r"/status/(\d+)", lambda self, status: self.answer(int(status))),
    (r"/redirect/(\d+)", _Handler.redirect),
    (r"/loop", lambda self: self.answer(302, Location="/loop")),
    (r"/away", lambda self: self.answer(302, Location="foo://elsewhere/")),
    (r"/flaky/(\d+)/(\d+)", _Handler.flaky),
    (r"/slow", _Handler.slow),
    (r"/drip", _Handler.drip),
    (r"/cut", _Handler.cut),
    (r"/reset", _Handler.reset),
    (r"/digest", _Handler.digest),
    (r"/chunks", _Handler.chunks),
)


class Proxy:
    """An HTTP proxy: forwards absolute requests, and tunnels what CONNECT asks for. ``seen`` are the first lines."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.heads: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """For a client's settings."""
        return f"http://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(65536)
            if not data:
                return
            head += data
        first, _, rest = head.partition(b"\r\n")
        method, target, _ = first.decode().split(" ")
        self.seen.append(f"{method} {target}")
        self.heads.append(head.decode("latin-1"))
        authority, path = (target, "") if method == "CONNECT" else target.removeprefix("http://").split("/", 1)
        host, _, port = authority.partition(":")
        upstream = socket.create_connection((host, int(port)))
        self._open.append(upstream)
        if method == "CONNECT":
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            upstream.sendall(f"{method} /{path} HTTP/1.1\r\n".encode() + rest)
        _pump(client, upstream)

    def close(self) -> None:
        """Stop listening, and drop what is open."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()
        for connection in self._open:
            connection.close()


def _pump(one: socket.socket, other: socket.socket) -> None:
    ways = {one: other, other: one}
    try:
        while True:
            for source in select.select([one, other], [], [])[0]:
                data = source.recv(65536)
                if not data:
                    return
                ways[source].sendall(data)
    except (OSError, ValueError):
        return
    finally:
        one.close()
        other.close()


def unopened() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
