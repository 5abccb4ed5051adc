"""Flask: one server span per request, from the application's outermost middleware to the last byte."""

from __future__ import annotations

from sys import modules
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from tracing_agent.drivers.call import noted
from tracing_agent.drivers.serving import MARK
from tracing_agent.drivers.told import told
from tracing_agent.drivers.wsgi import READY, server
from tracing_agent.operation import Operation
from tracing_agent.patching.targets import Target
from tracing_agent.semconv.http import server_handled, server_route

if TYPE_CHECKING:
    from types import ModuleType

    from flask import Flask

REQUEST = Operation("flask", "HTTP", SpanKind.SERVER)


def aside(app: Flask) -> bool:
    """Whether opentelemetry-python-contrib was put into this application by hand: its server span is enough."""
    if "opentelemetry.instrumentation.wsgi" not in modules:
        return False
    if getattr(app, "_is_instrumented_by_opentelemetry", False) or type(app).__module__.startswith("opentelemetry."):
        return True
    layer: Any = app.__dict__.get("wsgi_app")
    while layer is not None:
        if type(layer).__module__ == "opentelemetry.instrumentation.wsgi":
            return True
        layer = getattr(layer, "wsgi", None) or getattr(layer, "wsgi_app", None) or getattr(layer, "app", None)
        if layer is app:
            return False
    return False


def targets(flask: ModuleType) -> dict[str, tuple[Target, ...]]:
    """Where Flask is cut: the application as a WSGI callable, the router, the error handlers."""
    # Flask's own variable and not its proxies, which cost more than everything we record. Two contexts until 3.2.
    variable: Any = getattr(flask.globals, "_cv_request", None) or flask.globals._cv_app
    http_exception: type[Exception] = flask.app.HTTPException

    def routed(app: Flask) -> dict[str, Any] | None:
        request = variable.get().request
        environ: dict[str, Any] = request.environ
        span = environ.get(MARK)
        if span is None:
            return None
        if span.recording:
            rule = request.url_rule
            if rule is not None:
                prefix = environ.get("SCRIPT_NAME")
                server_route(span, prefix + rule.rule if prefix else rule.rule)
        return environ

    def answered(environ: dict[str, Any], response: Any) -> None:
        # Functions to be called when the body is closed are the program's, too.
        if type(getattr(response, "response", None)) is list and not getattr(response, "_on_close", True):
            environ[READY] = True

    def raised(app: Flask, *context_and_error: Any) -> None:
        error = context_and_error[-1]
        span = variable.get().request.environ.get(MARK)
        # What abort() raises is a way to answer.
        if span is not None and span.recording and not isinstance(error, http_exception):
            server_handled(span, error)

    closing: type = modules["werkzeug.wsgi"].ClosingIterator

    def callbacks(body: Any) -> list[Any] | None:
        # A middleware may have put its own body in the place of Flask's.
        found = getattr(body, "_callbacks", None) if type(body) is closing else None
        return found if type(found) is list else None

    breaker = REQUEST.breaker
    request = server(REQUEST, aside, callbacks)
    return {
        "flask": (
            # __call__ comes before middlewares put on the instance (app.wsgi_app = ProxyFix(app.wsgi_app)); wsgi_app
            # is called directly by others.
            Target("flask.app", "Flask.__call__", request),
            Target("flask.app", "Flask.wsgi_app", request),
            Target("flask.app", "Flask.full_dispatch_request", told(breaker, routed, answered)),
            Target("flask.app", "Flask.handle_user_exception", noted(breaker, raised)),
            Target("flask.app", "Flask.handle_exception", noted(breaker, raised)),
        )
    }
