"""What is particular to FastAPI: its routers, its dependencies, and its own telemetry."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

import fastapi
import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.routing import APIRoute
from opentelemetry import trace

from servers.asking import Answer, Ask, ask_asgi, scope_of
from servers.test_starlette import connect, under_root
from support.recorder import Recorder

NATIVE = tuple(int(part) for part in fastapi.__version__.split(".")[:2]) >= (0, 142)


@pytest.fixture
def recorder(recorder: Recorder) -> Recorder:
    """The recorder, with FastAPI and what it is built on patched."""
    recorder.patch("starlette", "starlette.applications")
    recorder.patch("fastapi")
    return recorder


@pytest.fixture
def global_provider(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorder's provider is the process's, as the agent's is."""
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: recorder.provider)


def ask(app: Any, path: str = "/", method: str = "GET", **more: Any) -> Answer:
    """The answer to one request."""
    return asyncio.run(ask_asgi(app, Ask(path, method, **more)))


def routes(recorder: Recorder) -> list[str | None]:
    """The routes of the recorded spans."""
    return [span["attributes"].get("http.route") for span in recorder.spans()]


# -- routes ---------------------------------------------------------------------------------------------------------


def test_routes_of_every_shape(recorder: Recorder) -> None:
    """User-pain row 18: the route is the whole template: routers in routers, one included twice, mounts."""
    inner, outer, sub = APIRouter(prefix="/deep"), APIRouter(prefix="/v1"), FastAPI()

    @inner.get("/x/{y}")
    def x(y: int) -> int:
        return y

    @outer.get("/own")
    def own() -> str:
        return "own"

    @sub.get("/s/{t}")
    def s(t: str) -> str:
        return t

    sub.include_router(inner, prefix="/sub")
    outer.include_router(inner)
    outer.mount("/mounted/{tenant}", sub)
    app = FastAPI()
    app.include_router(outer, prefix="/api")
    app.include_router(inner, prefix="/again")
    app.mount("/m/{tenant}", sub)
    paths = ["/api/v1/deep/x/3", "/api/v1/own", "/again/deep/x/3", "/m/7/s/4", "/m/7/sub/deep/x/3", "/openapi.json"]
    for path in paths:
        assert ask(app, path).status == 200
    expected = [
        "/api/v1/deep/x/{y}",
        "/api/v1/own",
        "/again/deep/x/{y}",
        "/m/{tenant}/s/{t}",
        "/m/{tenant}/sub/deep/x/{y}",
        "/openapi.json",
    ]
    assert routes(recorder) == expected
    # Only newer versions mount in routers.
    if ask(app, "/api/v1/mounted/7/s/4").status == 200:
        assert routes(recorder) == ["/api/v1/mounted/{tenant}/s/{t}"]


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/api/items/3", "DELETE", 405),
        ("/api/items/3/", "GET", 307),
        ("/api/nothing", "GET", 404),
        ("/nothing", "GET", 404),
    ],
)
def test_what_the_routers_refuse_has_no_route(recorder: Recorder, path: str, method: str, status: int) -> None:
    """User-pain row 18: what no route of an included router takes has no route."""
    router, app = APIRouter(), FastAPI()
    router.add_api_route("/items/{item}", lambda item: item)
    app.include_router(router, prefix="/api")
    assert ask(app, path, method).status == status
    assert routes(recorder) == [None]


def test_the_root_path(recorder: Recorder) -> None:
    """The path that a proxy has the application under belongs to the route."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions would rather have the server know it
        app = FastAPI(root_path="/shop")
    app.add_api_route("/items/{item}", lambda item: item)
    assert ask(app, under_root("/shop", "/items/3")).status == 200
    assert routes(recorder) == ["/shop/items/{item}"]


def test_route_classes(recorder: Recorder) -> None:
    """Routes of the program's own class are found as others are."""

    class Mine(APIRoute):
        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            await super().handle(scope, receive, send)

    router, app = APIRouter(route_class=Mine), FastAPI()
    router.add_api_route("/items/{item}", lambda item: item)
    app.include_router(router, prefix="/api")
    assert ask(app, "/api/items/3").status == 200
    assert routes(recorder) == ["/api/items/{item}"]


def test_websockets_in_routers(recorder: Recorder) -> None:
    """User-pain row 30: a WebSocket of an included router is one span with the whole route."""
    router, app = APIRouter(), FastAPI()

    @router.websocket("/{room}")
    async def room(socket: WebSocket, room: str) -> None:
        await socket.accept()
        await socket.close(4000)

    app.include_router(router, prefix="/rooms")
    connect(app)
    (span,) = recorder.spans()
    assert (span["name"], span["attributes"]["websocket.close.code"]) == ("GET /rooms/{room}", 4000)


# -- what runs in a request -----------------------------------------------------------------------------------------


def test_dependencies_and_endpoints(recorder: Recorder) -> None:
    """User-pain row 29: what dependencies (with yield, in threads or not) and endpoints do is below the request."""

    def work(name: str) -> None:
        recorder.tracer.start_span(name).end()

    def threaded() -> Iterator[str]:
        work("before in thread")
        yield "t"
        work("after in thread")

    async def plain() -> AsyncIterator[str]:
        work("before")
        yield "p"
        work("after")

    app = FastAPI()

    @app.get("/sync")
    def sync(first: str = Depends(threaded), second: str = Depends(plain)) -> str:
        work("endpoint")
        return first + second

    @app.get("/async")
    async def asynchronous(first: str = Depends(threaded), second: str = Depends(plain)) -> str:
        work("endpoint")
        return first + second

    for path in ("/sync", "/async"):
        assert ask(app, path).body == b'"tp"'
        spans = recorder.spans()
        server = next(span for span in spans if span["kind"] == "SERVER")
        assert {span["parent"] for span in spans if span is not server} == {server["id"]}
        assert len(spans) == 6


def test_background_tasks(recorder: Recorder) -> None:
    """User-pain row 10: tasks that an endpoint or a dependency adds have spans of their own, after the request's."""
    app = FastAPI()

    def depends(tasks: BackgroundTasks) -> None:
        tasks.add_task(dependent)

    def dependent() -> None:
        pass

    async def endpoint() -> None:
        recorder.tracer.start_span("child").end()

    @app.get("/", dependencies=[Depends(depends)])
    def view(tasks: BackgroundTasks) -> str:
        tasks.add_task(endpoint)
        return "fine"

    ask(app)
    server, first, child, second = recorder.spans()
    assert server["kind"] == "SERVER"
    assert (first["parent"], second["parent"], child["parent"]) == (server["id"], server["id"], second["id"])
    assert first["name"].endswith("dependent")
    assert second["name"].endswith("endpoint")


def test_validation_errors(recorder: Recorder) -> None:
    """A request that is not valid, or not allowed, is no error of the server, and no exception event."""
    app = FastAPI()

    @app.get("/items/{item}")
    def view(item: int) -> int:
        raise HTTPException(403)

    assert (ask(app, "/items/x").status, ask(app, "/items/3").status) == (422, 403)
    for span in recorder.spans():
        assert (span["status"], "events" in span, span["attributes"]["http.route"]) == ("UNSET", False, "/items/{item}")


def test_streams_in_threads(recorder: Recorder) -> None:
    """User-pain row 9: a stream that runs in threads makes its children below the request's span."""
    app = FastAPI()

    def pieces() -> Iterator[bytes]:
        for _ in range(3):
            recorder.tracer.start_span("piece").end()
            yield b"x"

    app.add_api_route("/", lambda: StreamingResponse(pieces()), response_model=None)
    assert ask(app).body == b"xxx"
    *pieces_made, server = recorder.spans()
    assert [piece["parent"] for piece in pieces_made] == [server["id"]] * 3


# -- FastAPI's own telemetry ----------------------------------------------------------------------------------------


def shown(recorder: Recorder) -> list[tuple[str, str]]:
    """Name and scope of what was recorded."""
    return sorted((span["name"], span["scope"]) for span in recorder.spans())


class Mine(FastAPI):
    """An application's own kind of application."""

    def __init__(self, **options: Any) -> None:
        super().__init__(title="mine", **options)


def with_tasks(kind: type[FastAPI] = FastAPI, **options: Any) -> FastAPI:
    """An application that has something for FastAPI's own telemetry to tell of."""
    app = kind(**options)

    def depends() -> str:
        return "fine"

    @app.get("/items/{item}")
    def view(item: int, tasks: BackgroundTasks, text: str = Depends(depends)) -> str:
        tasks.add_task(depends)
        return text

    return app


OURS = [
    ("BackgroundTask with_tasks.<locals>.depends", "tracing_instrumentations.starlette"),
    ("GET /items/{item}", "tracing_instrumentations.fastapi"),
]


@pytest.mark.usefixtures("global_provider")
def test_its_own_tracing_is_silent(recorder: Recorder) -> None:
    """User-pain row 1: with a global provider there is one SERVER span in one trace, and none of FastAPI's own."""
    for app in (with_tasks(), with_tasks(title="shop"), with_tasks(Mine)):
        assert ask(app, "/items/3").status == 200
        assert shown(recorder) == OURS


@pytest.mark.skipif(not NATIVE, reason="has no telemetry of its own")
@pytest.mark.usefixtures("global_provider")
@pytest.mark.parametrize(
    "telemetry",
    [{"tracing": True}, {"operation_spans": False}, {"exclude": lambda scope: False}, {"auto_configure": True}],
)
def test_its_own_tracing_is_respected(recorder: Recorder, telemetry: dict[str, Any]) -> None:
    """User-pain row 1: an application that configured FastAPI's own tracing gets that, and nothing twice."""
    assert ask(with_tasks(telemetry=telemetry), "/items/3").status == 200
    spans = shown(recorder)
    assert {scope for _, scope in spans} == {"fastapi"}
    assert [name for name, _ in spans if name.startswith("GET")] == ["GET /items/{item}"]


@pytest.mark.skipif(not NATIVE, reason="has no telemetry of its own")
@pytest.mark.usefixtures("global_provider")
def test_its_own_tracing_leaves_out(recorder: Recorder) -> None:
    """User-pain row 1: a request that the application excludes from FastAPI's own tracing gets no span of ours."""
    assert ask(with_tasks(telemetry={"exclude": lambda scope: True}), "/items/3").status == 200
    assert not [name for name, _ in shown(recorder) if name.startswith("GET")]


@pytest.mark.skipif(not NATIVE, reason="has no telemetry of its own")
@pytest.mark.usefixtures("global_provider")
def test_its_own_tracing_by_environment(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """User-pain row 1: an application that FastAPI configures from the environment has FastAPI's own tracing."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    ask(with_tasks(), "/items/3")
    assert {scope for _, scope in shown(recorder)} == {"fastapi"}
    ask(with_tasks(telemetry={"auto_configure": False}), "/items/3")
    assert shown(recorder) == OURS


@pytest.mark.skipif(not NATIVE, reason="has no telemetry of its own")
@pytest.mark.usefixtures("global_provider")
@pytest.mark.parametrize("telemetry", [{"tracing": False}, {"metrics": False}, {"logs": False}, {}, None])
def test_its_own_tracing_switched_off(recorder: Recorder, telemetry: dict[str, Any] | None) -> None:
    """User-pain row 1: an application that switched parts of FastAPI's telemetry off has our spans."""
    ask(with_tasks(telemetry=telemetry), "/items/3")
    assert shown(recorder) == OURS


@pytest.mark.skipif(not NATIVE, reason="has no telemetry of its own")
@pytest.mark.usefixtures("global_provider")
def test_its_own_metrics_stay(recorder: Recorder) -> None:
    """User-pain row 1: metrics that the application collects by FastAPI's own telemetry go on."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    meters = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    ask(with_tasks(telemetry={"meter_provider": meters}), "/items/3")
    data: Any = reader.get_metrics_data()
    names = {
        metric.name for batch in data.resource_metrics for scope in batch.scope_metrics for metric in scope.metrics
    }
    assert "http.server.request.duration" in names
    assert shown(recorder) == OURS
    meters.shutdown()


@pytest.mark.skipif(not NATIVE, reason="has no telemetry of its own")
def test_its_own_tracing_by_its_own_provider(recorder: Recorder) -> None:
    """User-pain row 1: what an application traces by FastAPI and a provider of its own, we do not trace as well."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    ask(with_tasks(telemetry={"tracer_provider": provider}), "/items/3")
    assert "fastapi.background_task" in {span.name for span in exporter.get_finished_spans()}
    assert recorder.spans() == []


def test_applications_come_and_go(recorder: Recorder) -> None:
    """An application that was thrown away leaves no mark on the next one."""
    for _ in range(20):
        FastAPI(**({"telemetry": {"tracing": True}} if NATIVE else {}))
    app = FastAPI()
    app.add_api_route("/", lambda: PlainTextResponse("fine"), response_model=None)
    ask(app)
    assert len(recorder.spans()) == 1


def test_applications_stay_what_they_are() -> None:
    """What is asked of the class has the same answers as untraced."""
    import inspect

    before = (
        inspect.signature(FastAPI.__init__),
        inspect.iscoroutinefunction(FastAPI.__call__),
        FastAPI.__init__.__doc__,
    )
    recorder = Recorder()
    recorder.patch("fastapi")
    try:
        now = (
            inspect.signature(FastAPI.__init__),
            inspect.iscoroutinefunction(FastAPI.__call__),
            FastAPI.__init__.__doc__,
        )
        assert now == before
    finally:
        recorder.undo()


def test_without_starlettes_instrumentation() -> None:
    """FastAPI alone, where Starlette's instrumentation was switched off, is traced whole."""
    recorder = Recorder()
    recorder.patch("fastapi")
    try:
        ask(with_tasks(), "/items/3")
        assert [name for name, _ in shown(recorder)] == [name for name, _ in OURS]
        assert asyncio.run(ask_asgi(with_tasks(), Ask("/items/3"), scope_of(Ask("/items/3")))).status == 200
    finally:
        recorder.undo()
