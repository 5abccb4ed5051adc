"""Request methods: the known ones, and what stands for the others.

Source: semantic conventions 1.44, "HTTP": ``http.request.method`` and its environment variable.
"""

from __future__ import annotations

from typing import Any

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"))
OTHER = "_OTHER"
_LONGEST = 64


def known_methods(value: str) -> frozenset[str]:
    """The methods of ``OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS``, a full replacement of `METHODS` where not empty."""
    return frozenset(method for method in (part.strip() for part in value.split(",")) if method) or METHODS


def method_of(values: dict[str, Any], method: str, known: frozenset[str] = METHODS) -> str:
    """Record the method; what stands for it in a span's name (``HTTP`` where it is none of the known ones)."""
    if method in known:
        values["http.request.method"] = method
        return method
    upper = method.upper()
    values["http.request.method_original"] = method[:_LONGEST]
    if upper in known:
        values["http.request.method"] = upper
        return upper
    values["http.request.method"] = OTHER
    return "HTTP"
