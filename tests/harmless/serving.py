"""Programs that serve: one with Flask, one with FastAPI and with Starlette inside of it."""

from __future__ import annotations

import asyncio
from typing import Any

import fastapi
import flask
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from harmless.program import Program
from servers.asking import Answer, Ask, ask_asgi, ask_wsgi, environ_of, scope_of

CONTEXT = ("traceparent", f"00-{7:032x}-{8:016x}-01"), ("tracestate", "other=1"), ("baggage", "customer=7")
FORWARDED = (
    ("Forwarded", 'for="[2001:db8::1]:4711";proto=https;host="shop.example"'),
    ("X-Forwarded-For", "192.0.2.1, 192.0.2.2"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "shop.example"),
)
HOST = (("Host", "shop.example:8080"), ("User-Agent", "caf\xe9/1"), ("Authorization", "secret"))
ASKED = (
    Ask("/items/7?token=secret&x=1", headers=HOST + CONTEXT + FORWARDED),
    Ask("/items/caf%C3%A9", headers=HOST + FORWARDED[1:]),
    Ask("/items/8", "SPAM", headers=HOST),
    Ask("/items/9", "POST", headers=HOST, body=b"body"),
    Ask("/nowhere"),
    Ask("/refused"),
    Ask("/handled"),
    Ask("/broken"),
    Ask("/stream"),
    Ask("/stream", take=1),
    Ask("/inner/app/3"),
    Ask("/after"),
)


def told(answer: Answer) -> list[Any]:
    """An answer as a value."""
    return [answer.status, sorted(answer.headers.items()), answer.body, repr(answer.error)]


def with_flask() -> list[Any]:
    """Requests of all kinds to a Flask application."""
    app = flask.Flask("site")
    seen: list[Any] = []

    @app.route("/items/<item>", methods=["GET", "POST"])
    def items(item: str) -> str:
        seen.append((item, flask.request.get_data()))
        return f"item {item}"

    @app.route("/refused")
    def refused() -> None:
        flask.abort(403)

    @app.route("/handled")
    def handled() -> None:
        raise LookupError("handled")

    @app.errorhandler(LookupError)
    def missing(error: LookupError) -> tuple[str, int]:
        return f"missing: {error}", 410

    @app.route("/broken")
    def broken() -> None:
        raise ValueError("broken")

    @app.route("/stream")
    def stream() -> Any:
        return flask.Response(flask.stream_with_context(part for part in ("one", "two", flask.request.path)))

    @app.route("/after")
    def after() -> Any:
        response = flask.Response("after")
        response.call_on_close(lambda: seen.append("closed"))
        return response

    for ask in ASKED:
        seen.append(told(ask_wsgi(app, ask)))
    # A server that knows little of its client.
    environ = {**environ_of(Ask("/items/1")), "REMOTE_PORT": "none", "HTTP_HOST": "", "HTTP_USER_AGENT": ""}
    seen.append(told(ask_wsgi(app, Ask("/items/1"), environ)))
    return seen


def with_asgi() -> list[Any]:
    """Requests of all kinds to a FastAPI application that mounts a Starlette application."""
    seen: list[Any] = []
    app = fastapi.FastAPI()

    @app.api_route("/items/{item}", methods=["GET", "POST"])
    async def items(item: str, request: fastapi.Request) -> dict[str, str]:
        seen.append(await request.body())
        return {"item": item}

    @app.get("/refused")
    def refused() -> None:
        raise HTTPException(403)

    @app.get("/handled")
    async def handled() -> None:
        raise LookupError("handled")

    @app.exception_handler(LookupError)
    async def missing(request: fastapi.Request, error: LookupError) -> Any:
        return PlainTextResponse(f"missing: {error}", 410)

    @app.get("/broken")
    async def broken() -> None:
        raise ValueError("broken")

    @app.get("/stream")
    async def stream() -> Any:
        return StreamingResponse(iter((b"one", b"two")))

    @app.get("/after")
    async def after() -> Any:
        return PlainTextResponse("after", background=BackgroundTask(seen.append, "later"))

    async def third(request: Any) -> Any:
        return PlainTextResponse(str(request.path_params))

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        seen.append(await websocket.receive_text())
        await websocket.send_text("pong")
        await websocket.close(4000)

    bare = Starlette(routes=[Route("/{number}", third)])
    whole = Starlette(
        routes=[
            Mount("/inner", routes=[Mount("/app", app=bare), Mount("/raw", app=_raw)]),
            WebSocketRoute("/socket", socket),
            Mount("/", app=app),
        ]
    )
    prefixed = fastapi.APIRouter()
    prefixed.get("/deep")(third)
    app.include_router(prefixed, prefix="/api")

    async def run() -> None:
        for ask in (*ASKED, Ask("/inner/raw/x"), Ask("/api/deep")):
            seen.append(told(await ask_asgi(whole, ask)))
        seen.append(told(await ask_asgi(app, ASKED[0])))
        seen.append(await _socket(whole))

    asyncio.run(run())
    return seen


async def _raw(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse(scope["path"])(scope, receive, send)


async def _socket(app: Any) -> list[Any]:
    scope = {**scope_of(Ask("/socket", headers=HOST + CONTEXT)), "type": "websocket", "scheme": "ws"}
    del scope["method"]
    received = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "ping"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return received.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


# Known only once the request was described.
_RULES = "keep header:user-agent=*; keep header:content-type=text/*"
_ASGI = (("starlette", "starlette.applications"), ("fastapi", "fastapi"))

PROGRAMS = (
    Program("flask", with_flask, (("flask", "flask"),)),
    Program("asgi", with_asgi, _ASGI),
    Program(
        "asgi-b3", with_asgi, _ASGI, propagators=("b3", "tracecontext", "baggage"), only=("tracing_agent.drivers",)
    ),
    Program("flask-rules", with_flask, (("flask", "flask"),), only=("tracing_agent.drivers",), rules=_RULES),
    Program("asgi-rules", with_asgi, _ASGI, only=("tracing_agent.drivers",), rules=_RULES),
)
