"""What is particular to Starlette and to ASGI."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import flask
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import sampling
from starlette import _utils
from starlette.applications import Starlette
from starlette.background import BackgroundTask, BackgroundTasks
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from servers.asking import HEADERS, Answer, Ask, ask_asgi, scope_of
from servers.test_outcomes import only
from support.recorder import Recorder
from tracing_agent.semconv.http import HttpSettings

UNSAMPLED = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")


@pytest.fixture
def recorder(recorder: Recorder) -> Recorder:
    """The recorder, with Starlette patched."""
    recorder.patch("starlette", "starlette.applications")
    return recorder


def ask(app: Any, path: str = "/", method: str = "GET", **more: Any) -> Answer:
    """The answer to one request."""
    return asyncio.run(ask_asgi(app, Ask(path, method, **more)))


def current_id() -> int:
    return trace.get_current_span().get_span_context().span_id


async def fine(request: Request) -> Response:
    return PlainTextResponse("fine")


def under_root(root: str, path: str) -> str:
    """The path of a scope with a root path: of old, the one did not begin with the other."""
    return root + path if hasattr(_utils, "get_route_path") else path


def routes(recorder: Recorder) -> list[str | None]:
    """The routes of the recorded spans."""
    return [span["attributes"].get("http.route") for span in recorder.spans()]


# -- routes ---------------------------------------------------------------------------------------------------------


def test_routes_of_every_shape(recorder: Recorder, tmp_path: Path) -> None:
    """User-pain row 18: the route is the whole template: convertors, mounts with parameters, hosts, sub-routers."""
    (tmp_path / "a.txt").write_text("static")

    class Things(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            return PlainTextResponse("things")

    sub = Starlette(routes=[Route("/items/{item:int}", fine)])
    app = Starlette(
        routes=[
            Route("/numbers/{number:int}", fine),
            Route("/things", Things),
            Mount("/tenants/{tenant}", routes=[Mount("/v1", sub), Route("/", fine)]),
            Mount("/static", StaticFiles(directory=tmp_path)),
            Host("api.example", Router([Route("/hosted/{item}", fine)])),
            Mount("/plain", PlainTextResponse("plain")),
            Mount("", PlainTextResponse("rest")),
        ]
    )
    for path in ("/numbers/3", "/things", "/tenants/blue/v1/items/3", "/tenants/blue/", "/static/a.txt", "/plain/x"):
        assert ask(app, path).status == 200
    assert ask(app, "/hosted/3", headers=(("Host", "api.example"),)).body == b"fine"
    assert ask(app, "/elsewhere").body == b"rest"
    assert routes(recorder) == [
        "/numbers/{number:int}",
        "/things",
        "/tenants/{tenant}/v1/items/{item:int}",
        "/tenants/{tenant}/",
        "/static",
        "/plain",
        "/hosted/{item}",
        "/",
    ]


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/v1/nothing", "GET", 404), ("/v1/items/3", "DELETE", 405), ("/v1/items/3/", "GET", 307), ("/v1", "GET", 307)],
)
def test_what_inner_routers_refuse_has_no_route(recorder: Recorder, path: str, method: str, status: int) -> None:
    """User-pain row 18: where a mounted application's own router refuses, there is no route."""
    app = Starlette(routes=[Mount("/v1", Starlette(routes=[Route("/items/{item}", fine)]))])
    assert ask(app, path, method).status == status
    assert routes(recorder) == [None]


def test_the_root_path(recorder: Recorder) -> None:
    """The path that a server or proxy has the application under belongs to the route."""
    app = Starlette(routes=[Mount("/v1", routes=[Route("/items/{item}", fine)])])
    scope = scope_of(Ask(under_root("/api", "/v1/items/3"))) | {"root_path": "/api"}
    assert asyncio.run(ask_asgi(app, Ask("/"), scope)).status == 200
    assert routes(recorder) == ["/api/v1/items/{item}"]


# -- middlewares ----------------------------------------------------------------------------------------------------


class Copying:
    """A pure ASGI middleware that hands on a scope of its own."""

    def __init__(self, app: Any, seen: list[int]) -> None:
        self.app, self.seen = app, seen

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(current_id())
        await self.app(dict(scope), receive, send)


def test_middlewares(recorder: Recorder) -> None:
    """User-pain row 21: the span is current in middlewares of both kinds, and the route is found below them."""
    seen: list[int] = []

    async def around(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        seen.append(current_id())
        response = await call_next(request)
        seen.append(current_id())
        return response

    middleware = [Middleware(Copying, seen=seen), Middleware(BaseHTTPMiddleware, dispatch=around)]
    app = Starlette(routes=[Route("/items/{item}", fine)], middleware=middleware)
    assert ask(app, "/items/3").body == b"fine"
    (span,) = recorder.spans()
    assert seen == [span["id"]] * 3
    assert span["attributes"]["http.route"] == "/items/{item}"


def test_errors_that_a_middleware_answers(recorder: Recorder) -> None:
    """User-pain row 21: an exception that a middleware turns into a 5xx is recorded, although no handler saw it."""

    async def broken(request: Request) -> Response:
        raise ValueError("jammed")

    async def catch(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            return await call_next(request)
        except ValueError:
            return PlainTextResponse("later", 503)

    app = Starlette(routes=[Route("/", broken)], middleware=[Middleware(BaseHTTPMiddleware, dispatch=catch)])
    assert ask(app).status == 503
    (span,) = recorder.spans()
    assert (span["attributes"]["error.type"], len(span["events"])) == ("ValueError", 1)


def test_unhandled_exceptions_are_recorded_once(recorder: Recorder) -> None:
    """User-pain row 21: through mounts, middlewares and the handler of last resort, an exception is one event."""

    async def broken(request: Request) -> Response:
        raise ValueError("jammed")

    async def through(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        return await call_next(request)

    async def last(request: Request, error: Exception) -> Response:
        return PlainTextResponse("sorry", 500)

    inner = Starlette(routes=[Route("/", broken)], middleware=[Middleware(BaseHTTPMiddleware, dispatch=through)])
    app = Starlette(routes=[Mount("/v1", inner)], exception_handlers={Exception: last})
    assert isinstance(only(ask(app, "/v1/").error), ValueError)
    (span,) = recorder.spans()
    assert span["status"] == ("ERROR", "jammed")
    assert (len(span["events"]), span["attributes"]["http.response.status_code"]) == (1, 500)


# -- the end of a response ------------------------------------------------------------------------------------------


def test_background_tasks(recorder: Recorder) -> None:
    """User-pain row 10: the request's span ends with the response; each task has a span of its own below it."""
    ended: list[bool] = []

    def server_ended() -> bool:
        return any(span.name == "GET /" for span in recorder.finished)

    async def mail(to: str) -> None:
        ended.append(server_ended())
        recorder.tracer.start_span("smtp").end()

    def report() -> None:
        ended.append(server_ended())
        raise ValueError("no paper")

    async def view(request: Request) -> Response:
        tasks = BackgroundTasks([BackgroundTask(mail, "you"), BackgroundTask(partial(mail, "me"))])
        tasks.add_task(report)
        return PlainTextResponse("fine", background=tasks)

    app = Starlette(routes=[Route("/", view)])
    assert ask(app).body == b"fine"
    server, smtp, first, _, second, failed = recorder.spans()
    assert ended == [True, True, True]
    assert (server["name"], server["status"], server["attributes"]["http.response.status_code"]) == (
        "GET /",
        "UNSET",
        200,
    )
    name = f"{mail.__module__}.{mail.__qualname__}"
    for task in (first, second):
        assert task == {
            "name": f"BackgroundTask {mail.__qualname__}",
            "kind": "INTERNAL",
            "trace": server["trace"],
            "id": task["id"],
            "parent": server["id"],
            "scope": "tracing_instrumentations.starlette",
            "attributes": {"code.function.name": name},
            "status": "UNSET",
        }
    assert smtp["parent"] == first["id"]
    assert (failed["parent"], failed["status"], len(failed["events"])) == (server["id"], ("ERROR", "no paper"), 1)


def test_background_tasks_of_unrecorded_requests(recorder: Recorder) -> None:
    """User-pain row 10: the tasks of a request that is not recorded are not recorded."""
    app = Starlette(routes=[Route("/", PlainTextResponse("x", background=BackgroundTask(current_id)))])
    ask(app, headers=(*HEADERS, UNSAMPLED))
    assert recorder.spans() == []


def test_files_by_path(recorder: Recorder, tmp_path: Path) -> None:
    """Where the server sends a file by its path, that message ends the span."""
    (tmp_path / "file").write_text("content")
    app = Starlette(routes=[Route("/", FileResponse(tmp_path / "file", background=BackgroundTask(lambda: None)))])
    scope = scope_of(Ask("/")) | {"extensions": {"http.response.pathsend": {}}}
    asyncio.run(ask_asgi(app, Ask("/"), scope))
    assert [span["name"][:10] for span in recorder.spans()] == ["GET /", "Background"]


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "http.response.start", "status": 200}, {"type": "http.response.body"}],
        [
            {"type": "http.response.start", "status": 200, "trailers": True},
            {"type": "http.response.body", "body": b"x"},
            {"type": "http.response.trailers", "headers": []},
        ],
        [
            {"type": "http.response.start", "status": 200},
            {"type": "http.response.zerocopysend", "more_body": True},
            {"type": "http.response.body", "body": b"x", "more_body": False},
        ],
    ],
    ids=["plain", "trailers", "zero-copy"],
)
def test_the_last_message_ends_the_span(recorder: Recorder, messages: list[dict[str, Any]]) -> None:
    """The span ends with the last message of the response, whichever that is, and not with the application."""
    ended: list[list[bool]] = []

    async def view(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            ended.append([bool(recorder.finished)])
            await send(message)
        ended.append([bool(recorder.finished)])

    ask(Starlette(routes=[Mount("/", view)]))
    assert ended == [[False]] * len(messages) + [[True]]
    assert len(recorder.spans()) == 1


def test_no_response_at_all(recorder: Recorder) -> None:
    """An application that returns without an answer has one span, without status and error."""

    async def view(scope: Any, receive: Any, send: Any) -> None:
        pass

    ask(Starlette(routes=[Mount("/x", view)]), "/x/")
    (span,) = recorder.spans()
    assert (span["status"], span["attributes"].get("http.response.status_code")) == ("UNSET", None)


def test_uploads_and_early_readers(recorder: Recorder) -> None:
    """User-pain row 7: a request body of many messages is no span of its own."""

    async def view(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    app = Starlette(routes=[Route("/", view, methods=["POST"])])
    messages = [{"type": "http.request", "body": b"x" * 10, "more_body": number < 99} for number in range(100)]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope_of(Ask("/", "POST")), receive, send))
    assert sent[-1]["body"] == b"1000"
    assert [span["name"] for span in recorder.spans()] == ["POST /"]


def test_clients_that_leave_while_the_body_is_read(recorder: Recorder) -> None:
    """That the client went away is no error of the server, although the framework raises an exception for it."""

    async def view(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    app = Starlette(routes=[Route("/", view, methods=["POST"])])

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    with pytest.raises(Exception, match=r"^$"):
        asyncio.run(app(scope_of(Ask("/", "POST")), receive, send))
    (span,) = recorder.spans()
    assert (span["status"], span.get("events")) == ("UNSET", None)
    assert "http.response.status_code" not in span["attributes"]


def test_cancelled_requests(recorder: Recorder) -> None:
    """A request that its server cancels ends, without an error."""

    async def view(request: Request) -> Response:
        await anyio.sleep_forever()
        return PlainTextResponse("never")

    async def cancel() -> None:
        with anyio.move_on_after(0.01):
            await ask_asgi(Starlette(routes=[Route("/", view)]), Ask("/"))

    asyncio.run(cancel())
    (span,) = recorder.spans()
    assert (span["status"], span.get("events")) == ("UNSET", None)


# -- concurrency inside a request -----------------------------------------------------------------------------------


def test_children_in_tasks_and_threads(recorder: Recorder) -> None:
    """User-pain row 29: what runs in tasks, groups and threads of the request is below its span."""

    async def child() -> None:
        recorder.tracer.start_span("child").end()

    async def view(request: Request) -> Response:
        await asyncio.gather(child(), child())
        async with anyio.create_task_group() as group:
            group.start_soon(child)
        await anyio.to_thread.run_sync(lambda: recorder.tracer.start_span("child").end())
        await asyncio.create_task(child())
        return PlainTextResponse("fine")

    ask(Starlette(routes=[Route("/", view)]))
    *children, server = recorder.spans()
    assert [child["parent"] for child in children] == [server["id"]] * 5


def test_server_sent_events(recorder: Recorder) -> None:
    """User-pain row 7: a stream of events is one span, which a client that goes away ends without an error."""

    async def events() -> AsyncIterator[str]:
        while True:
            yield "data: tick\n\n"
            recorder.tracer.start_span("tick").end()
            await asyncio.sleep(0)

    async def view(request: Request) -> Response:
        return StreamingResponse(events(), media_type="text/event-stream")

    ask(Starlette(routes=[Route("/", view)]), take=5)
    *ticks, server = recorder.spans()
    assert len(ticks) >= 4
    assert {tick["parent"] for tick in ticks} == {server["id"]}
    assert (server["status"], server["attributes"]["http.response.status_code"]) == ("UNSET", 200)


# -- WebSockets and lifespan ----------------------------------------------------------------------------------------


def connect(app: Any, *incoming: dict[str, Any], headers: Any = HEADERS) -> list[dict[str, Any]]:
    """What the application sends on a WebSocket on which these messages come in."""
    messages = [{"type": "websocket.connect"}, *incoming]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = scope_of(Ask("/rooms/3?key=1", headers=headers)) | {"type": "websocket", "scheme": "ws", "subprotocols": []}
    del scope["method"]
    try:
        asyncio.run(app(scope, receive, send))
    except ValueError:
        pass
    return sent


def text(value: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": value}


def socket_app(view: Any) -> Starlette:
    return Starlette(routes=[WebSocketRoute("/rooms/{room}", view)])


def test_a_websocket_is_one_span(recorder: Recorder) -> None:
    """User-pain row 30: a connection is one span from its handshake to its closing frame, however many messages."""

    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        async for message in socket.iter_text():
            recorder.tracer.start_span("message").end()
            await socket.send_text(message)

    sent = connect(socket_app(echo), *[text("x")] * 50, {"type": "websocket.disconnect", "code": 1001})
    assert len(sent) == 51
    *messages, server = recorder.spans()
    assert {message["parent"] for message in messages} == {server["id"]}
    assert server["attributes"] == {
        "http.request.method": "GET",
        "url.scheme": "ws",
        "url.path": "/rooms/3",
        "url.query": "key=1",
        "http.route": "/rooms/{room}",
        "http.response.status_code": 101,
        "network.protocol.name": "websocket",
        "network.protocol.version": "1.1",
        "network.peer.address": "192.0.2.7",
        "network.peer.port": 4711,
        "client.address": "192.0.2.7",
        "server.address": "shop.example",
        "server.port": 8080,
        "user_agent.original": "tests/1",
        "websocket.close.code": 1001,
    }
    assert (server["name"], server["kind"], server["status"]) == ("GET /rooms/{room}", "SERVER", "UNSET")


def test_websockets_that_the_program_closes(recorder: Recorder) -> None:
    """User-pain row 30: the close code is the program's where it closes; before it has accepted, it refuses."""

    async def close(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close(4001)

    async def refuse(socket: WebSocket) -> None:
        await socket.close()

    connect(socket_app(close))
    connect(socket_app(refuse))
    closed, refused = (span["attributes"] for span in recorder.spans())
    assert (closed["http.response.status_code"], closed["websocket.close.code"]) == (101, 4001)
    assert (refused["http.response.status_code"], refused.get("websocket.close.code")) == (403, None)


def test_websockets_that_break(recorder: Recorder) -> None:
    """User-pain row 30: an exception of the program is an error of the connection; that the client has gone is none."""

    async def broken(socket: WebSocket) -> None:
        await socket.accept()
        raise ValueError("jammed")

    async def careless(socket: WebSocket) -> None:
        await socket.accept()
        while True:
            await socket.receive_text()

    async def late(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive()
        raise ValueError("late")

    gone = {"type": "websocket.disconnect", "code": 1006}
    connect(socket_app(broken))
    with pytest.raises(Exception):  # noqa: B017
        connect(socket_app(careless), gone)
    connect(socket_app(late), gone)
    failed, left, after = recorder.spans()
    assert (failed["status"], failed["attributes"]["http.response.status_code"]) == (("ERROR", "jammed"), 101)
    assert (left["status"], left["attributes"]["websocket.close.code"]) == ("UNSET", 1006)
    assert (after["status"], len(after["events"])) == (("ERROR", "late"), 1)


def test_websockets_last_as_long_as_the_connection(recorder: Recorder) -> None:
    """User-pain row 30: what the program does after the connection has ended does not lengthen its span."""
    clock = recorder.engine.clock

    async def lingering(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive()
        for _ in range(100):
            clock()

    connect(socket_app(lingering), {"type": "websocket.disconnect", "code": 1000})
    (span,) = recorder.finished
    assert span.end_time is not None
    assert span.start_time is not None
    assert span.end_time - span.start_time == 1_000_000_000
    recorder.spans()


def test_unrecorded_websockets(recorder: Recorder) -> None:
    """A connection that its caller did not sample is not recorded."""

    async def close(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    assert len(connect(socket_app(close), headers=(*HEADERS, UNSAMPLED))) == 2
    assert recorder.spans() == []


def test_lifespans_are_no_spans(recorder: Recorder) -> None:
    """Start and end of the application are no requests."""
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(Starlette()({"type": "lifespan", "asgi": {}, "state": {}}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert recorder.spans() == []


# -- where the application is ---------------------------------------------------------------------------------------


def test_applications_stay_what_they_are(recorder: Recorder) -> None:
    """What servers ask of an application has the same answers as untraced: it is a coroutine function."""
    import inspect

    assert inspect.iscoroutinefunction(Starlette().__call__)
    assert inspect.signature(Starlette.__call__).parameters.keys() == {"self", "scope", "receive", "send"}


def test_custom_samplers_see_the_request(recorder: Recorder) -> None:
    """A sampler of the program's own is asked with the request's attributes, and its answer counts."""

    class ByPath(sampling.Sampler):
        def should_sample(self, *args: Any, **kwargs: Any) -> sampling.SamplingResult:
            attributes = args[4]
            keep = attributes["url.path"] != "/health"
            return sampling.SamplingResult(sampling.Decision.RECORD_AND_SAMPLE if keep else sampling.Decision.DROP)

        def get_description(self) -> str:
            return "by path"

    recorder.engine.sampled_by(ByPath())
    app = Starlette(routes=[Route("/{path}", fine)])
    ask(app, "/health")
    ask(app, "/items")
    assert [span["attributes"]["url.path"] for span in recorder.spans()] == ["/items"]


def test_refusals_by_exception_keep_headers(recorder: Recorder) -> None:
    """The framework's own exceptions are answered with what they carry."""

    async def refuse(request: Request) -> Response:
        raise HTTPException(429, "slow down", {"Retry-After": "3"})

    answer = ask(Starlette(routes=[Route("/", refuse)]))
    assert (answer.status, answer.headers["retry-after"]) == (429, "3")
    assert recorder.spans()[0]["status"] == "UNSET"


def test_iterables_of_headers(recorder: Recorder) -> None:
    """Headers may be any iterable, such as one that can be read once, and statuses any number."""
    recorder.undo()
    recorder.engine.http = HttpSettings(captured={"server_request": "x-.*", "server_response": "x-.*"})
    recorder.patch("starlette", "starlette.applications")

    async def view(scope: Any, receive: Any, send: Any) -> None:
        headers = iter([(b"x-answer", b"2")])
        await send({"type": "http.response.start", "status": HTTPStatus.ACCEPTED, "headers": headers})
        await send({"type": "http.response.body"})

    request = Ask("/", headers=(*HEADERS, ("X-Ask", "1")))
    scope = scope_of(request)
    scope["headers"] = iter(scope["headers"])
    answer = asyncio.run(ask_asgi(Starlette(routes=[Mount("/", view)]), request, scope))
    assert (answer.status, answer.headers) == (202, {"x-answer": "2"})
    attributes = recorder.spans()[0]["attributes"]
    assert type(attributes["http.response.status_code"]) is int
    assert attributes["http.request.header.x-ask"] == ("1",)
    assert attributes["http.response.header.x-answer"] == ("2",)


@pytest.mark.parametrize("excluded", [False, True])
def test_flask_inside(recorder: Recorder, excluded: bool) -> None:
    """User-pain row 1: a request that goes on into a mounted WSGI application is one span, with that one's route."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions would rather have another package do it
        from starlette.middleware.wsgi import WSGIMiddleware

    recorder.undo()
    if excluded:
        recorder.engine.http = HttpSettings(excluded={"starlette": "/v1"})
    recorder.patch("starlette", "starlette.applications")
    recorder.patch("flask")
    inner = flask.Flask("inner")
    inner.add_url_rule("/items/<item>", view_func=lambda item: f"item {item}")
    app = Starlette(routes=[Mount("/v1", WSGIMiddleware(inner))])
    parent = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    for headers in (HEADERS, (*HEADERS, parent)):
        assert ask(app, "/v1/items/3", headers=headers).body == b"item 3"
        spans = recorder.spans()
        assert [span["name"] for span in spans] == ([] if excluded else ["GET /v1/items/<item>"])


def test_the_program_calls_it_a_success(recorder: Recorder) -> None:
    """A status that the program set to OK stays."""

    async def view(request: Request) -> Response:
        trace.get_current_span().set_status(trace.StatusCode.OK)
        return PlainTextResponse("as planned", 503)

    ask(Starlette(routes=[Route("/", view)]))
    (span,) = recorder.spans()
    assert (span["status"], span["attributes"]["http.response.status_code"]) == ("OK", 503)


def test_groups_of_exceptions(recorder: Recorder) -> None:
    """Of what a task group makes of one exception, that exception is recorded; of several, the group."""
    if int(version("anyio").split(".")[0]) < 4:
        pytest.skip("before anyio 4 one exception leaves a task group as it is, and several as a type of its own")

    async def fail(text: str) -> None:
        raise ValueError(text)

    async def view(request: Request) -> Response:
        async with anyio.create_task_group() as group:
            for text in request.path_params["texts"]:
                group.start_soon(fail, text)
        return PlainTextResponse("never")

    app = Starlette(routes=[Route("/{texts}", view)])
    for path in ("/a", "/ab"):
        ask(app, path)
    one, several = (span["attributes"]["error.type"] for span in recorder.spans())
    assert one == "ValueError"
    assert several.endswith("ExceptionGroup")


@pytest.mark.parametrize(
    ("client", "headers", "expected"),
    [
        (("203.0.113.9", 0), (("X-Forwarded-For", "203.0.113.9"),), ["client.address"]),
        (None, (), []),
        (("", 0), (), []),
        (["192.0.2.7", 4711], (), ["client.address", "network.peer.address", "network.peer.port"]),
    ],
    ids=["rewritten", "unknown", "unix", "list"],
)
def test_the_other_side(recorder: Recorder, client: Any, headers: Any, expected: list[str]) -> None:
    """The socket's other side is recorded where it is known: a server that trusts its proxy puts the client there."""
    scope = scope_of(Ask("/", headers=headers)) | {"client": client}
    asyncio.run(ask_asgi(Starlette(routes=[Route("/", fine)]), Ask("/"), scope))
    attributes = recorder.spans()[0]["attributes"]
    assert sorted(name for name in attributes if name.startswith(("client.", "network.peer"))) == expected


@pytest.mark.parametrize("captured", [None, {"server_request": ".*"}], ids=["plain", "captured"])
def test_less_in_the_scope(recorder: Recorder, captured: dict[str, str] | None) -> None:
    """A scope of no more than type, method and path, as tests and adapters make them, is traced and gets no headers."""
    recorder.engine.http = HttpSettings(captured=captured)
    scopes: list[dict[str, Any]] = []

    async def keep(request: Request) -> Response:
        scopes.append(dict(request.scope))
        return Response()

    app = Starlette(routes=[Route("/", keep)])
    assert asyncio.run(ask_asgi(app, Ask("/"), {"type": "http", "method": "GET", "path": "/"})).status == 200
    assert [span["name"] for span in recorder.spans()] == ["GET /"]
    assert "headers" not in scopes[0]
