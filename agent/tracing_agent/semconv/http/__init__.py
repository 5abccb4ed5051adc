"""HTTP spans: names, attributes, status and redaction for servers and clients.

Source: semantic conventions 1.44, "HTTP" (stable).
"""

from tracing_agent.semconv.http.client import client_request, client_response
from tracing_agent.semconv.http.headers import Capture
from tracing_agent.semconv.http.methods import METHODS, known_methods, method_of
from tracing_agent.semconv.http.server import (
    forwarded,
    server_handled,
    server_request,
    server_response,
    server_route,
    websocket_closed,
    websocket_request,
)
from tracing_agent.semconv.http.settings import HttpSettings
from tracing_agent.semconv.http.url import LONGEST, PORTS, SENSITIVE_KEYS, host_port, redacted_query

__all__ = [
    "LONGEST",
    "METHODS",
    "PORTS",
    "SENSITIVE_KEYS",
    "Capture",
    "HttpSettings",
    "client_request",
    "client_response",
    "forwarded",
    "host_port",
    "known_methods",
    "method_of",
    "redacted_query",
    "server_handled",
    "server_request",
    "server_response",
    "server_route",
    "websocket_closed",
    "websocket_request",
]
