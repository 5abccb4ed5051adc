"""FastAPI: as Starlette, on which it is built, with its own routes, and with its own tracing kept silent."""

from __future__ import annotations

import os
import weakref
from inspect import signature
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from tracing_agent.drivers.asgi import server
from tracing_agent.drivers.completed import completed
from tracing_agent.drivers.routed import route
from tracing_agent.operation import Operation
from tracing_agent.patching.targets import Target
from tracing_agent.semconv.http import server_route
from tracing_instrumentations._starlette import artificial, aside, chosen, gone, prefix_of, shared_targets

if TYPE_CHECKING:
    from types import ModuleType

    from fastapi import FastAPI
    from fastapi.routing import APIRoute

    from tracing_agent.trace.span import Span

REQUEST = Operation("fastapi", "HTTP", SpanKind.SERVER)


def telemetry(app: FastAPI, options: dict[str, Any]) -> dict[str, Any]:
    """The application's options with FastAPI's own tracing switched off, unless they ask for it.

    Its metrics and log records stay as the application has them: they need providers that only it can have set.
    """
    given = options.get("telemetry") or {}
    if given.get("tracing") is False:
        return options
    auto = os.environ.get("FASTAPI_OTEL_AUTO_CONFIGURE", "").lower() == "true"
    if (
        given.get("auto_configure", auto)
        or given.get("tracer_provider") is not None
        or not {"tracing", "operation_spans", "exclude"}.isdisjoint(given)
    ):
        number = id(app)
        chosen[number] = weakref.ref(app, lambda _: chosen.pop(number, None))
        return options
    return {**options, "telemetry": {**given, "tracing": False}}


def routed(span: Span, route: APIRoute, scope: dict[str, Any]) -> None:
    """A route was found. Of one that was included with a prefix, only what FastAPI keeps in the scope knows that."""
    effective = scope.get("fastapi", {}).get("effective_route_context")
    if effective is None or effective.original_route is not route:
        return  # Starlette's own method comes next
    if not effective.methods or scope["method"] in effective.methods:
        server_route(span, prefix_of(scope) + effective.path)


def targets(fastapi: ModuleType) -> dict[str, tuple[Target, ...]]:
    """Where FastAPI is cut: the application as an ASGI callable, its telemetry's switch, and its routes."""
    breaker = REQUEST.breaker
    cuts = [Target("fastapi.applications", "FastAPI.__call__", server(REQUEST, aside, gone()))]
    if "telemetry" in signature(fastapi.FastAPI.__init__).parameters:
        cuts.append(Target("fastapi.applications", "FastAPI.__init__", completed(breaker, telemetry)))
    if "handle" in fastapi.routing.APIRoute.__dict__:
        cuts.append(Target("fastapi.routing", "APIRoute.handle", route(breaker, routed, artificial())))
    return {"fastapi": (*cuts, *shared_targets("fastapi", breaker))}
