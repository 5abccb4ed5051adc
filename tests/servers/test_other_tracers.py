"""Beside other tracers: what a program has put around or into its application by hand is enough."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import flask
import pytest
from fastapi import FastAPI
from opentelemetry import trace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from servers.asking import Ask, ask_asgi, ask_wsgi
from support.recorder import Recorder

FOREIGN = "starlette.middleware.opentelemetry"


@pytest.fixture
def recorder(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """The recorder, with everything patched, and its provider as the process's."""
    recorder.patch("starlette", "starlette.applications")
    recorder.patch("fastapi")
    recorder.patch("flask")
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: recorder.provider)
    yield recorder
    # Whoever looks for other tracers looks for these modules.
    for name in [name for name in sys.modules if name.startswith(("opentelemetry.instrumentation.", FOREIGN))]:
        del sys.modules[name]


async def fine(request: Request) -> Response:
    return PlainTextResponse("fine")


def scopes(recorder: Recorder) -> list[str]:
    """The scopes of the recorded spans."""
    return [span["scope"] for span in recorder.spans()]


def starlettes() -> Any:
    """Starlette's own middleware."""
    return pytest.importorskip(FOREIGN).OpenTelemetryMiddleware


def contribs() -> Any:
    """The middleware of opentelemetry-python-contrib, without its spans for messages."""
    kind = pytest.importorskip("opentelemetry.instrumentation.asgi").OpenTelemetryMiddleware
    return lambda app: kind(app, exclude_spans=["send", "receive"])


@pytest.mark.parametrize("middleware", [starlettes, contribs])
def test_middlewares_around(recorder: Recorder, middleware: Callable[[], Any]) -> None:
    """User-pain row 1: around an application, another tracer's middleware makes the only span of a request."""
    app = middleware()(Starlette(routes=[Route("/", fine)]))
    for _ in range(2):
        assert asyncio.run(ask_asgi(app, Ask("/"))).body == b"fine"
        assert len(found := scopes(recorder)) == 1
        assert not found[0].startswith("tracing_instrumentations")


@pytest.mark.parametrize("middleware", [starlettes, contribs])
@pytest.mark.parametrize("kind", [Starlette, FastAPI])
def test_middlewares_inside(recorder: Recorder, kind: Any, middleware: Callable[[], Any]) -> None:
    """User-pain row 1: added to an application, another tracer's middleware makes the only span, at once."""
    app = kind()
    app.add_route("/", fine)
    app.add_middleware(middleware() if middleware is starlettes else contrib_class())
    for _ in range(2):
        assert asyncio.run(ask_asgi(app, Ask("/"))).body == b"fine"
        found = scopes(recorder)
        assert len([name for name in found if name.startswith("tracing_instrumentations")]) == 0
        assert found


def contrib_class() -> Any:
    return pytest.importorskip("opentelemetry.instrumentation.asgi").OpenTelemetryMiddleware


def test_applications_beside(recorder: Recorder) -> None:
    """User-pain row 1: an application without another tracer's middleware is traced as ever, beside one that has it."""
    with_it, without = Starlette(routes=[Route("/", fine)]), Starlette(routes=[Route("/", fine)])
    with_it.add_middleware(starlettes())
    asyncio.run(ask_asgi(with_it, Ask("/")))
    asyncio.run(ask_asgi(without, Ask("/")))
    assert scopes(recorder) == ["starlette", "tracing_instrumentations.starlette"]


def instrumentor(module: str, name: str) -> Any:
    """One of contrib's instrumentors."""
    found: ModuleType = pytest.importorskip(f"opentelemetry.instrumentation.{module}")
    return getattr(found, name)


def test_contrib_in_fastapi(recorder: Recorder) -> None:
    """User-pain row 1: an application that contrib instruments by hand has contrib's spans."""
    app = FastAPI()
    app.add_route("/", fine)
    instrumentor("fastapi", "FastAPIInstrumentor").instrument_app(app, tracer_provider=recorder.provider)
    asyncio.run(ask_asgi(app, Ask("/")))
    assert not [name for name in scopes(recorder) if name.startswith("tracing")]


def test_contrib_in_flask(recorder: Recorder) -> None:
    """User-pain row 1: a Flask application that contrib instruments by hand has contrib's spans, and others ours."""
    kind = instrumentor("flask", "FlaskInstrumentor")
    app, other = flask.Flask("app"), flask.Flask("other")
    for one in (app, other):
        one.add_url_rule("/", view_func=lambda: "fine")
    kind().instrument_app(app, tracer_provider=recorder.provider)
    assert ask_wsgi(app, Ask("/")).body == b"fine"
    assert scopes(recorder) == ["opentelemetry.instrumentation.flask"]
    ask_wsgi(other, Ask("/"))
    assert scopes(recorder) == ["tracing_instrumentations.flask"]


@pytest.mark.parametrize("inside", [True, False])
def test_contrib_around_flask(recorder: Recorder, inside: bool) -> None:
    """User-pain row 1: with contrib's middleware around a Flask application, or in it, there is one span."""
    middleware = pytest.importorskip("opentelemetry.instrumentation.wsgi").OpenTelemetryMiddleware
    app: Any = flask.Flask("app")
    app.add_url_rule("/", view_func=lambda: "fine")
    if inside:
        app.wsgi_app = middleware(app.wsgi_app)
    else:
        app = middleware(app)
    assert ask_wsgi(app, Ask("/")).body == b"fine"
    assert scopes(recorder) == ["opentelemetry.instrumentation.wsgi"]
