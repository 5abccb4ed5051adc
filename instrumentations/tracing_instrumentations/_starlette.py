"""What Starlette and frameworks built upon it share: routes, handled exceptions, background tasks, other tracers."""

from __future__ import annotations

import weakref
from sys import modules
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from tracing_agent.drivers.call import noted
from tracing_agent.drivers.routed import route
from tracing_agent.drivers.task import task
from tracing_agent.operation import Operation
from tracing_agent.patching.targets import Target
from tracing_agent.semconv.http import server_handled, server_route
from tracing_agent.trace.sdk import SPAN_KEY, current
from tracing_agent.trace.span import Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.routing import Mount, Route, WebSocketRoute

    from tracing_agent.faults import Breaker

#: In the scope of a request: the templates of the mounts that it came through.
_MOUNTED = "tracing_agent.mounted"
#: Middlewares that make server spans, as (module, class).
_TRACERS = (
    ("opentelemetry.instrumentation.asgi", "OpenTelemetryMiddleware"),
    ("starlette.middleware.opentelemetry", "OpenTelemetryMiddleware"),
)

#: Applications that chose a tracer of their own by their framework's switches, by their identity.
chosen: dict[int, weakref.ref[Starlette]] = {}


def aside(app: Starlette) -> bool:
    """Whether the application has a tracer of its own, by choice or by a middleware: what that records is enough."""
    if chosen and id(app) in chosen:
        return True
    if _TRACERS[0][0] not in modules and _TRACERS[1][0] not in modules:
        return False
    if app.middleware_stack is None:
        # As the application itself does on its first request.
        app.middleware_stack = app.build_middleware_stack()
    layer: Any = app.middleware_stack
    while layer is not None:
        if (type(layer).__module__, type(layer).__name__) in _TRACERS:
            return True
        layer = getattr(layer, "app", None)
    return False


def prefix_of(scope: Mapping[str, Any]) -> str:
    """What stands before a route's own template: the application's root, and the mounts' templates."""
    mounted: str | None = scope.get(_MOUNTED)
    if mounted is not None:
        return mounted
    # Mounts keep the root apart from what they add to it, which are not templates but parts of the path.
    root: str = scope.get("app_root_path", scope.get("root_path", ""))
    return root.rstrip("/")


def routed(span: Span, route: Route | WebSocketRoute, scope: dict[str, Any]) -> None:
    """A route was found."""
    methods = getattr(route, "methods", None)
    if not methods or scope["method"] in methods:
        server_route(span, prefix_of(scope) + route.path)


def mounted(span: Span, mount: Mount, scope: dict[str, Any]) -> None:
    """The request goes on into a mounted application, which may have routes of its own."""
    prefix = scope[_MOUNTED] = prefix_of(scope) + mount.path
    if not mount.routes:
        server_route(span, prefix or "/")


def _server_span() -> Span | None:
    span = current().get(SPAN_KEY)
    if type(span) is Span and span.origin.kind is SpanKind.SERVER:
        return span
    return None


def _ours() -> bool:
    """Whether a task began below a span that is not another server tracer's, which would make one for it, too."""
    span: Any = current().get(SPAN_KEY)
    if span is None:
        return False
    # Of any provider: the application may have given the other tracer its own.
    scope = getattr(span, "instrumentation_scope", None)
    return scope is None or not scope.name.startswith(("fastapi", "opentelemetry.instrumentation."))


def begun(span: Span, task: BackgroundTask) -> None:
    """A background task begins."""
    function = task.func
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    name = getattr(function, "__qualname__", type(function).__qualname__)
    span._name = f"BackgroundTask {name}"
    span.values["code.function.name"] = f"{getattr(function, '__module__', type(function).__module__)}.{name}"


def shared_targets(library: str, breaker: Breaker) -> tuple[Target, ...]:
    """The cuts in Starlette that serve any framework upon it."""
    answers = artificial()

    def handled(handlers: Any, error: Exception) -> None:
        span = _server_span()
        if span is not None and span._end_time is None and not isinstance(error, answers):
            server_handled(span, error)

    leaf, inner = route(breaker, routed, answers), route(breaker, mounted, answers)
    background = task(Operation(library, "BackgroundTask"), _ours, begun)
    return (
        Target("starlette.routing", "Route.handle", leaf),
        Target("starlette.routing", "WebSocketRoute.handle", leaf),
        Target("starlette.routing", "Mount.handle", inner),
        # Since 0.27 a route's exception is handled before it leaves the route.
        Target("starlette._exception_handler", "_lookup_exception_handler", noted(breaker, handled), optional=True),
        Target("starlette.background", "BackgroundTask.__call__", background),
    )


def artificial() -> tuple[type[BaseException], ...]:
    """The exceptions by which programs answer."""
    return (modules["starlette.exceptions"].HTTPException,)


def gone() -> tuple[type[BaseException], ...]:
    """The exceptions that tell the program that its client has gone."""
    return modules["starlette.requests"].ClientDisconnect, modules["starlette.websockets"].WebSocketDisconnect
