"""Starlette: one server span per request or WebSocket, from the application's outermost middleware to the last byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind

from tracing_agent.drivers.asgi import server
from tracing_agent.operation import Operation
from tracing_agent.patching.targets import Target
from tracing_instrumentations._starlette import aside, gone, shared_targets

if TYPE_CHECKING:
    from types import ModuleType

REQUEST = Operation("starlette", "HTTP", SpanKind.SERVER)


def targets(applications: ModuleType) -> dict[str, tuple[Target, ...]]:
    """Where Starlette is cut: the application as an ASGI callable, and what tells of its requests."""
    return {
        "starlette.applications": (
            Target("starlette.applications", "Starlette.__call__", server(REQUEST, aside, gone())),
            *shared_targets("starlette", REQUEST.breaker),
        )
    }
