"""Requests handed straight to a WSGI or an ASGI callable, as a server would, without a socket."""

import asyncio
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

from measure import asynchronous, option, sync

Message = dict[str, Any]
# A caller's context; the last field is the flag that says whether the caller recorded its trace.
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flag}"


def headers() -> dict[str, str]:
    """The request's headers: a browser's few, and a traceparent if `traceparent=FLAG` asks for one."""
    flag = option("traceparent")
    given = {"host": "shop.example:8000", "user-agent": "benchmark/1", "accept": "*/*"}
    return {**given, "traceparent": TRACEPARENT.replace("{flag}", flag)} if flag else given


def wsgi(app: Callable[..., Any], path: str) -> Callable[[], object]:
    """The unit that has `app` answer a GET of `path` (PEP 3333)."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers().items()}
    answered: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        answered.append(status)
        return lambda data: None

    def unit() -> None:
        body = app({**environ, "wsgi.input": BytesIO()}, start_response)
        for _ in body:
            pass
        if hasattr(body, "close"):
            body.close()
        if answered.pop() != "200 OK":
            raise AssertionError(f"{path} was not answered with 200")

    return unit


def asgi(app: Callable[..., Awaitable[None]], path: str) -> Callable[[], Awaitable[object]]:
    """The same for an ASGI application (ASGI 3, HTTP)."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
    }
    fields = [(name.encode(), value.encode()) for name, value in headers().items()]
    answered: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answered.append(message["status"])

    async def unit() -> None:
        await app({**scope, "headers": list(fields), "state": {}}, receive, send)
        if answered.pop() != 200:
            raise AssertionError(f"{path} was not answered with 200")

    return unit


def measure_wsgi(app: Callable[..., Any], path: str) -> None:
    """Time a GET of `path` by a WSGI application."""
    sync(wsgi(app, path))


def measure_asgi(app: Any, path: str) -> None:
    """Time a GET of `path` by a Starlette application, within its lifespan."""

    async def main() -> None:
        async with app.router.lifespan_context(app):
            await asynchronous(asgi(app, path))

    asyncio.run(main())
