"""A client that hands requests to WSGI and ASGI applications as a server would, without a socket."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

Pairs = Iterable[tuple[str, str]]

PEER = ("192.0.2.7", 4711)
HEADERS = (("Host", "shop.example:8080"), ("User-Agent", "tests/1"))


class Answer(NamedTuple):
    """What came back; ``error`` is what left the application, if anything did."""

    status: int
    headers: dict[str, str]
    body: bytes
    error: BaseException | None = None


class Ask(NamedTuple):
    """One request. The client goes away when it has had ``take`` pieces of the body, if that is not None."""

    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = HEADERS
    body: bytes = b""
    take: int | None = None
    version: str = "1.1"


def environ_of(ask: Ask) -> dict[str, Any]:
    """The request as PEP 3333 hands it over."""
    path, _, query = ask.path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": ask.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": f"HTTP/{ask.version}",
        "REMOTE_ADDR": PEER[0],
        "REMOTE_PORT": str(PEER[1]),
        "CONTENT_LENGTH": str(len(ask.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(ask.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in ask.headers:
        key = "HTTP_" + name.upper().replace("-", "_")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def ask_wsgi(app: Any, ask: Ask, environ: dict[str, Any] | None = None) -> Answer:
    """The application's answer."""
    started: list[tuple[int, dict[str, str]]] = []
    error: BaseException | None = None
    chunks: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started.append((int(status[:3]), {name.lower(): value for name, value in headers}))
        return chunks.append

    body = None
    try:
        body = app(environ_of(ask) if environ is None else environ, start_response)
        for chunk in body:
            chunks.append(chunk)
            if len(chunks) == ask.take:
                break
    except Exception as raised:
        error = raised
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
    status, headers = started[-1] if started else (500, {})
    return Answer(status, headers, b"".join(chunks), error)


def scope_of(ask: Ask) -> dict[str, Any]:
    """The request as ASGI hands it over."""
    path, _, query = ask.path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": ask.version,
        "method": ask.method,
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path.encode(),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in ask.headers]
        + [(b"content-length", str(len(ask.body)).encode())],
        "client": PEER,
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


async def ask_asgi(app: Any, ask: Ask, scope: dict[str, Any] | None = None) -> Answer:
    """The application's answer."""
    messages: list[dict[str, Any]] = []
    gone = asyncio.Event()
    asked = False
    error: BaseException | None = None

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": ask.body, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)
        if len([one for one in messages if one.get("body")]) == ask.take:
            gone.set()
        if message["type"] == "http.response.body" and not message.get("more_body"):
            gone.set()
        await asyncio.sleep(0)

    try:
        await app(scope_of(ask) if scope is None else scope, receive, send)
    except Exception as raised:
        error = raised
    starts = [message for message in messages if message["type"] == "http.response.start"]
    headers = {
        name.decode().lower(): value.decode() for name, value in (starts[0].get("headers", ()) if starts else ())
    }
    body = b"".join(message.get("body", b"") for message in messages)
    return Answer(starts[0]["status"] if starts else 500, headers, body, error)
