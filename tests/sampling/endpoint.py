"""A sampling endpoint that can be told to fail, as no real one can."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeEndpoint:
    """Listens on 127.0.0.1. ``answer`` is the (status, body) of ``path``; other paths are not found.

    A body that is not text is sent as JSON. While ``gate`` is not set every answer waits. One that is ``down`` refuses
    connections until it is `up`.
    """

    def __init__(self, path: str = "/sampling", down: bool = False) -> None:
        self.answer: tuple[int, Any] = (200, {"probabilisticSampling": {"samplingRate": 1.0}})
        self.path = path
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.asked.append(self.path)
                fake.gate.wait(60)
                status, body = fake.answer if self.path.partition("?")[0] == fake.path else (404, "")
                content = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self._server.daemon_threads = True
        self._server.server_bind()
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        if not down:
            self.up()

    def up(self) -> None:
        """Listen, from now on."""
        self._server.server_activate()
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()


def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition that another thread brings about."""
    end = monotonic() + 60
    while not condition():
        assert monotonic() < end, "it did not come about in 60 s"
        sleep(0.005)
