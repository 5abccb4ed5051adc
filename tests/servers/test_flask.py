"""What is particular to Flask and to WSGI."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from flask.views import MethodView
from opentelemetry import trace
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from servers.asking import HEADERS, Ask, ask_wsgi, environ_of
from support.recorder import Recorder


@pytest.fixture
def recorder(recorder: Recorder) -> Recorder:
    """The recorder, with Flask patched."""
    recorder.patch("flask")
    return recorder


def routes(recorder: Recorder) -> list[str | None]:
    """The routes of the recorded spans."""
    return [span["attributes"].get("http.route") for span in recorder.spans()]


def current_id() -> int:
    return trace.get_current_span().get_span_context().span_id


# -- routes ---------------------------------------------------------------------------------------------------------


def test_routes_of_every_shape(recorder: Recorder, tmp_path: Path) -> None:
    """User-pain row 18: the route is the whole rule: nested blueprints, prefixes, converters, static files, views."""
    (tmp_path / "a.txt").write_text("static")
    app = flask.Flask("shapes", static_folder=str(tmp_path), static_url_path="/assets")
    outer, inner = flask.Blueprint("outer", "outer", url_prefix="/v1"), flask.Blueprint("inner", "inner")

    @inner.get("/<int:number>/<path:rest>")
    def converted(number: int, rest: str) -> str:
        return f"{number} {rest}"

    class Things(MethodView):
        def get(self) -> str:
            return "things"

    outer.register_blueprint(inner, url_prefix="/deep")
    app.register_blueprint(outer, url_prefix="/api")
    app.add_url_rule("/things", view_func=Things.as_view("things"))
    for path in ("/api/deep/3/x/y", "/things", "/assets/a.txt", "/assets/none.txt"):
        ask_wsgi(app, Ask(path))
    assert routes(recorder) == [
        "/api/deep/<int:number>/<path:rest>",
        "/things",
        "/assets/<path:filename>",
        "/assets/<path:filename>",
    ]


def test_routes_of_hosts(recorder: Recorder) -> None:
    """With host matching the route is the rule's path."""
    app = flask.Flask("hosts", host_matching=True, static_folder=None)
    app.add_url_rule("/items/<item>", view_func=lambda item: item, host="shop.example:8080")
    assert ask_wsgi(app, Ask("/items/3")).status == 200
    assert routes(recorder) == ["/items/<item>"]


def test_mounted_applications(recorder: Recorder) -> None:
    """Several applications behind one dispatcher: one span for a request, its route with the mount's prefix."""
    front, shop = flask.Flask("front"), flask.Flask("shop")
    front.add_url_rule("/", view_func=lambda: "front")
    shop.add_url_rule("/items/<item>", view_func=lambda item: item)
    beside = DispatcherMiddleware(front, {"/shop": shop})
    assert ask_wsgi(beside, Ask("/shop/items/3")).body == b"3"
    setattr(front, "wsgi_app", DispatcherMiddleware(front.wsgi_app, {"/shop": shop}))
    assert ask_wsgi(front, Ask("/shop/items/4")).body == b"4"
    assert routes(recorder) == ["/shop/items/<item>"] * 2


def test_the_route_is_known_to_hooks(recorder: Recorder) -> None:
    """The span is named before the program's own code runs."""
    app = flask.Flask("early")
    names: list[Any] = []
    app.before_request(lambda: names.append(trace.get_current_span().name))  # type: ignore[attr-defined]
    app.add_url_rule("/items/<item>", view_func=lambda item: item)
    ask_wsgi(app, Ask("/items/3"))
    assert names == ["GET /items/<item>"]


# -- where the application is ---------------------------------------------------------------------------------------


def test_applications_of_every_kind() -> None:
    """Applications made before or after patching, subclassed, behind middlewares, called by wsgi_app, are traced."""

    class Mine(flask.Flask):
        def __call__(self, environ: Any, start_response: Any) -> Any:
            return super().__call__(environ, start_response)

    before = flask.Flask("before")
    recorder = Recorder()
    recorder.patch("flask")
    try:
        after, mine, fixed = flask.Flask("after"), Mine("mine"), flask.Flask("fixed")
        setattr(fixed, "wsgi_app", ProxyFix(fixed.wsgi_app, x_prefix=1))
        for app in (before, after, mine, fixed):
            app.add_url_rule("/", view_func=lambda: "fine")
            ask_wsgi(app, Ask("/", headers=(*HEADERS, ("X-Forwarded-Prefix", "/shop"))))
        ask_wsgi(after.wsgi_app, Ask("/"))
        assert routes(recorder) == ["/", "/", "/", "/shop/", "/"]
    finally:
        recorder.undo()
    ask_wsgi(after, Ask("/"))
    assert recorder.spans() == []


def test_middlewares_are_inside(recorder: Recorder) -> None:
    """What a middleware on the application does before, and with the body after, is below the request's span."""
    app = flask.Flask("inside")
    app.add_url_rule("/", view_func=lambda: "fine")
    inner = app.wsgi_app

    def middleware(environ: Any, start_response: Any) -> Iterator[bytes]:
        recorder.tracer.start_span("before").end()
        yield from inner(environ, start_response)
        recorder.tracer.start_span("after").end()

    setattr(app, "wsgi_app", middleware)
    assert ask_wsgi(app, Ask("/")).body == b"fine"
    before, after, server = recorder.spans()
    assert [span["name"] for span in (before, after, server)] == ["before", "after", "GET /"]
    assert (before["parent"], after["parent"]) == (server["id"], server["id"])


def test_an_application_that_asks_another(recorder: Recorder) -> None:
    """A request that is made to another application in the same process is a span of its own below."""
    front, shop = flask.Flask("front"), flask.Flask("shop")
    shop.add_url_rule("/items", view_func=lambda: "items")
    front.add_url_rule("/", view_func=lambda: shop.test_client().get("/items").data)
    assert ask_wsgi(front, Ask("/")).body == b"items"
    inner, outer = recorder.spans()
    assert (inner["parent"], inner["trace"], inner["kind"]) == (outer["id"], outer["trace"], "SERVER")


# -- the program's hooks --------------------------------------------------------------------------------------------


def test_hooks_run_as_untraced(recorder: Recorder) -> None:
    """Hooks, signals and functions at the body's end all run, in their order, with the request's span current."""
    app = flask.Flask("hooks")
    seen: list[tuple[str, int]] = []

    def note(name: str) -> None:
        seen.append((name, current_id()))

    app.before_request(lambda: note("before"))
    app.teardown_request(lambda error: note("teardown"))
    flask.request_started.connect(started := lambda sender, **_: note("started"), app)

    @app.after_request
    def after(response: flask.Response) -> flask.Response:
        note("after")
        response.call_on_close(lambda: note("closed"))
        return response

    @app.get("/")
    def view() -> str:
        note("view")
        return "fine"

    ask_wsgi(app, Ask("/"))
    flask.request_started.disconnect(started, app)
    assert [name for name, _ in seen] == ["started", "before", "view", "after", "teardown", "closed"]
    assert {span for _, span in seen} == {recorder.spans()[0]["id"]}


def test_async_views(recorder: Recorder) -> None:
    """An asynchronous view answers, with the request's span current."""
    app = flask.Flask("async")

    @app.get("/")
    async def view() -> str:
        return str(current_id())

    answer = ask_wsgi(app, Ask("/"))
    assert answer.body.decode() == str(recorder.spans()[0]["id"])


def test_no_request_no_span(recorder: Recorder) -> None:
    """Commands and request contexts without a request make no spans; the test client's requests do."""
    app = flask.Flask("commands")
    app.add_url_rule("/", view_func=lambda: flask.request.path)

    @app.cli.command("count")
    def count() -> None:
        print("counted")

    with app.test_request_context("/"):
        assert app.preprocess_request() is None
        assert app.full_dispatch_request().data == b"/"
    assert "counted" in app.test_cli_runner().invoke(args=["count"]).output
    assert recorder.spans() == []
    with app.test_client() as client:
        assert client.get("/").text == "/"
        assert flask.request.path == "/"
    assert len(recorder.spans()) == 1


# -- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["TESTING", "DEBUG", "PROPAGATE_EXCEPTIONS"])
def test_exceptions_that_leave(recorder: Recorder, setting: str) -> None:
    """An exception that Flask lets through to the server is the same one, recorded once, with status 500."""
    app = flask.Flask("broken")
    app.config[setting] = True
    app.add_url_rule("/", view_func=lambda: 1 // 0)
    assert isinstance(ask_wsgi(app, Ask("/")).error, ZeroDivisionError)
    (span,) = recorder.spans()
    assert (len(span["events"]), span["attributes"]["http.response.status_code"]) == (1, 500)


def test_exceptions_in_hooks(recorder: Recorder) -> None:
    """An exception in a hook is one of the request."""
    app = flask.Flask("broken")
    app.before_request(lambda: 1 // 0)
    app.add_url_rule("/", view_func=lambda: "never")
    assert ask_wsgi(app, Ask("/")).status == 500
    (span,) = recorder.spans()
    assert (span["attributes"]["error.type"], span["attributes"]["http.route"]) == ("ZeroDivisionError", "/")


# -- bodies ---------------------------------------------------------------------------------------------------------


def test_streams_with_context(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """User-pain row 9: a span that a streamed body keeps open from piece to piece has what comes meanwhile below it."""
    app = flask.Flask("stream")

    @app.get("/")
    def view() -> flask.Response:
        def pieces() -> Iterator[str]:
            with recorder.tracer.start_as_current_span("outer"):
                yield flask.request.path
                recorder.tracer.start_span("inner").end()
                yield flask.request.path

        return flask.Response(flask.stream_with_context(pieces()))

    assert ask_wsgi(app, Ask("/")).body == b"//"
    inner, outer, server = recorder.spans()
    assert (inner["parent"], outer["parent"]) == (outer["id"], server["id"])
    assert caplog.records == []


def test_bodies_that_nobody_closes(recorder: Recorder) -> None:
    """A server or middleware that does not close the body loses no span."""
    app = flask.Flask("forgotten")
    app.add_url_rule("/", view_func=lambda: "fine")
    app.add_url_rule("/stream", "stream", lambda: flask.Response(iter(["fine"])))
    for path in ("/", "/stream"):
        app(environ_of(Ask(path)), lambda status, headers, exc_info=None: lambda data: None)
        assert [span["name"] for span in recorder.spans()] == [f"GET {path}"]


class Files:
    """A server's file wrapper, which the server recognises by its type."""

    closed = False

    def __init__(self, file: Any, size: int = 8192) -> None:
        self.file = file

    def __iter__(self) -> Iterator[bytes]:
        yield self.file.read()

    def close(self) -> None:
        self.closed = True


def test_file_wrappers(recorder: Recorder, tmp_path: Path) -> None:
    """What the server's own file wrapper made gets back to the server as it is; the span ends when it is closed."""
    (tmp_path / "file").write_text("content")
    app = flask.Flask("files")
    app.add_url_rule("/", view_func=lambda: flask.send_file(tmp_path / "file"))
    environ = environ_of(Ask("/")) | {"wsgi.file_wrapper": Files}
    body = app(environ, lambda status, headers, exc_info=None: lambda data: None)
    assert type(body) is Files
    assert recorder.spans() == []
    body.close()
    assert body.closed
    assert body.close.__func__ is Files.close
    assert [span["name"] for span in recorder.spans()] == ["GET /"]
    body.file.close()


def test_file_wrappers_that_give_the_file(recorder: Recorder) -> None:
    """uWSGI's wrapper gives the file itself, which it must get back."""
    app, file = flask.Flask("files"), io.BytesIO(b"content")
    app.add_url_rule("/", view_func=lambda: Response(file, direct_passthrough=True))
    environ = environ_of(Ask("/")) | {"wsgi.file_wrapper": lambda file, size=0: file}
    assert app(environ, lambda status, headers, exc_info=None: lambda data: None) is file
    file.close()
    assert [span["name"] for span in recorder.spans()] == ["GET /"]


@pytest.mark.parametrize("body", [[b"fine"], (b"fi", b"ne"), []])
def test_bodies_that_can_be_counted(recorder: Recorder, body: Any) -> None:
    """The server gets a body that it can count as it is: of one piece it knows the length."""
    app = flask.Flask("list")

    def plain(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return body

    setattr(app, "wsgi_app", plain)
    assert app(environ_of(Ask("/")), lambda status, headers, exc_info=None: None) is body
    assert [span["name"] for span in recorder.spans()] == ["GET"]


def test_the_write_callable(recorder: Recorder) -> None:
    """What start_response gives reaches the program: the write callable of old."""
    app = flask.Flask("write")

    def plain(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])(b"written ")
        return iter([b"and returned"])

    setattr(app, "wsgi_app", plain)
    assert ask_wsgi(app, Ask("/")).body == b"written and returned"
    assert len(recorder.spans()) == 1


def test_second_thoughts(recorder: Recorder) -> None:
    """Where the program starts its response anew after an exception, the last status counts."""
    app = flask.Flask("twice")

    def plain(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        try:
            raise ValueError
        except ValueError as error:
            start_response("503 Busy", [], (ValueError, error, None))
        return iter([b"later"])

    setattr(app, "wsgi_app", plain)
    assert ask_wsgi(app, Ask("/")).status == 503
    assert recorder.spans()[0]["attributes"]["http.response.status_code"] == 503


def test_an_environment_that_is_used_again(recorder: Recorder) -> None:
    """A harness may hand over the same environment for each request."""
    app = flask.Flask("again")
    app.add_url_rule("/", view_func=lambda: "fine")
    app.add_url_rule("/stream", "stream", lambda: flask.Response(iter(["fine"])))
    for path in ("/", "/stream"):
        environ = environ_of(Ask(path))
        keys = set(environ)
        for _ in range(3):
            ask_wsgi(app, Ask(path), environ)
        assert len(recorder.spans()) == 3
        assert {key for key in set(environ) - keys if "tracing" in key} == set()


@pytest.mark.parametrize("missing", [("REMOTE_ADDR", "REMOTE_PORT"), ("QUERY_STRING", "SCRIPT_NAME"), ("REMOTE_PORT",)])
def test_environments_with_gaps(recorder: Recorder, missing: tuple[str, ...]) -> None:
    """What a server leaves out of the environment, as it may, is not recorded; an empty address is none."""
    app = flask.Flask("gaps")
    app.add_url_rule("/", view_func=lambda: "fine")
    environ = {key: value for key, value in environ_of(Ask("/")).items() if key not in missing}
    if missing == ("REMOTE_PORT",):
        environ["REMOTE_ADDR"] = ""
    assert ask_wsgi(app, Ask("/"), environ).body == b"fine"
    attributes = recorder.spans()[0]["attributes"]
    assert None not in attributes.values()
    assert ("network.peer.address" in attributes) == (missing == ("QUERY_STRING", "SCRIPT_NAME"))


def test_statuses_that_are_none(recorder: Recorder) -> None:
    """A status that is none is the server's business to refuse, and no fault of ours."""
    app: Any = flask.Flask("odd")

    def plain(environ: Any, start_response: Any) -> Any:
        start_response("fine", [])
        return iter([b"fine"])

    app.wsgi_app = plain
    body = app(environ_of(Ask("/")), lambda status, headers, exc_info=None: None)
    assert list(body) == [b"fine"]
    assert "http.response.status_code" not in recorder.spans()[0]["attributes"]
