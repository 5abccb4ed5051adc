"""Flask: one server span per request, from the application's outermost middleware to the last byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from tracing_agent.drivers.call import noted
from tracing_agent.drivers.wsgi import MARK, server
from tracing_agent.operation import Operation
from tracing_agent.patching.targets import Target
from tracing_agent.semconv.http import server_handled, server_route

if TYPE_CHECKING:
    from types import ModuleType

    from flask import Flask

REQUEST = Operation("flask", "HTTP", SpanKind.SERVER)


def targets(flask: ModuleType) -> dict[str, tuple[Target, ...]]:
    """Where Flask is cut: the application as a WSGI callable, the router, the error handlers."""
    # Flask's own variable and not its proxies, which cost more than everything we record. Two contexts until 3.2.
    variable: Any = getattr(flask.globals, "_cv_request", None) or flask.globals._cv_app

    def routed(app: Flask, *context: Any) -> None:
        request = variable.get().request
        span = request.environ.get(MARK)
        rule = request.url_rule
        if rule is not None and span is not None and span.recording:
            server_route(span, request.environ.get("SCRIPT_NAME", "") + rule.rule)

    def raised(app: Flask, *context_and_error: Any) -> None:
        span = variable.get().request.environ.get(MARK)
        if span is not None and span.recording:
            server_handled(span, context_and_error[-1])

    breaker = REQUEST.breaker
    return {
        "flask": (
            # __call__ comes before middlewares put on the instance (app.wsgi_app = ProxyFix(app.wsgi_app)); wsgi_app
            # is called directly by others.
            Target("flask.app", "Flask.__call__", server(REQUEST)),
            Target("flask.app", "Flask.wsgi_app", server(REQUEST)),
            Target("flask.app", "Flask.full_dispatch_request", noted(breaker, routed)),
            Target("flask.app", "Flask.handle_user_exception", noted(breaker, raised)),
            Target("flask.app", "Flask.handle_exception", noted(breaker, raised)),
        )
    }
