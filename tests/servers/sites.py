"""The same small site in every framework: what the suite needs to know of one to test it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, NamedTuple, NoReturn

import fastapi
import flask
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, PlainTextResponse, StreamingResponse

from servers.asking import Answer, Ask, ask_asgi, ask_wsgi


class Reply(NamedTuple):
    """A status and a text, or pieces to be streamed, or a file by its path."""

    status: int = 200
    text: str = ""
    pieces: Callable[[], Iterator[bytes]] | None = None
    file: str | None = None


Endpoint = Callable[..., Reply]


class FlaskSite:
    """Flask."""

    library, patched = "flask", (("flask", "flask"),)

    def __init__(self) -> None:
        self.app: Any = flask.Flask("site")

    def template(self, path: str) -> str:
        """The framework's way to write a template like ``/items/{item}``."""
        return re.sub(r"\{(\w+)\}", r"<\1>", path)

    def route(self, path: str, endpoint: Endpoint, methods: tuple[str, ...] = ("GET",)) -> None:
        """Let ``endpoint`` answer."""

        def view(**values: str) -> Any:
            return self.response(endpoint(**values))

        self.app.add_url_rule(self.template(path), path, view, methods=list(methods))

    def response(self, reply: Reply) -> Any:
        """The framework's response for a reply."""
        if reply.file is not None:
            return flask.send_file(reply.file, mimetype="text/plain")
        body = reply.text if reply.pieces is None else reply.pieces()
        return flask.Response(body, reply.status, mimetype="text/plain")

    def handler(self, kind: type[Exception], handle: Callable[[Exception], Reply]) -> None:
        """Let ``handle`` answer where an exception was raised."""
        self.app.register_error_handler(kind, lambda error: self.response(handle(error)))

    def refuse(self, status: int) -> NoReturn:
        """Answer by the framework's own exception."""
        flask.abort(status)

    def ask(self, ask: Ask) -> Answer:
        """Hand a request to the application."""
        return ask_wsgi(self.app, ask)

    def measured(self, ask: Ask, times: tuple[int, ...], measure: Callable[[], float]) -> list[float]:
        """Hand the request over so many times, and measure after each round; without the cost of a client."""
        found = []
        for count in times:
            for _ in range(count):
                ask_wsgi(self.app, ask)
            found.append(measure())
        return found


class StarletteSite:
    """Starlette."""

    library: str = "starlette"
    patched: tuple[tuple[str, str], ...] = (("starlette", "starlette.applications"),)

    def __init__(self) -> None:
        self.app: Any = Starlette()

    def template(self, path: str) -> str:
        return path

    def route(self, path: str, endpoint: Endpoint, methods: tuple[str, ...] = ("GET",)) -> None:
        def view(request: Any) -> Any:
            return self.response(endpoint(**request.path_params))

        self.app.add_route(path, view, methods=list(methods))

    def response(self, reply: Reply) -> Any:
        if reply.file is not None:
            return FileResponse(reply.file, media_type="text/plain")
        if reply.pieces is not None:
            return StreamingResponse(reply.pieces(), reply.status, media_type="text/plain")
        return PlainTextResponse(reply.text, reply.status)

    def handler(self, kind: type[Exception], handle: Callable[[Exception], Reply]) -> None:
        async def handled(request: Any, error: Exception) -> Any:
            return self.response(handle(error))

        self.app.add_exception_handler(kind, handled)

    def refuse(self, status: int) -> NoReturn:
        raise HTTPException(status)

    def ask(self, ask: Ask) -> Answer:
        return asyncio.run(ask_asgi(self.app, ask))

    def measured(self, ask: Ask, times: tuple[int, ...], measure: Callable[[], float]) -> list[float]:
        async def rounds() -> list[float]:
            found = []
            for count in times:
                for _ in range(count):
                    await ask_asgi(self.app, ask)
                found.append(measure())
            return found

        return asyncio.run(rounds())


class FastAPISite(StarletteSite):
    """FastAPI."""

    library, patched = "fastapi", (("starlette", "starlette.applications"), ("fastapi", "fastapi"))

    def __init__(self) -> None:
        self.app = fastapi.FastAPI()

    def route(self, path: str, endpoint: Endpoint, methods: tuple[str, ...] = ("GET",)) -> None:
        @wraps(endpoint)
        def view(**values: str) -> Any:
            return self.response(endpoint(**values))

        self.app.add_api_route(path, view, methods=list(methods), response_model=None)


Site = FlaskSite | StarletteSite
SITES: tuple[type[Site], ...] = (FlaskSite, StarletteSite, FastAPISite)
