"""Spans of other tracers that stand for calls which ours would trace, too: below them ours makes none."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import SpanKind

#: Suppression keys: a span of an operation with a key silences operations with the same key below it.
HTTP_CLIENT, DATABASE, MESSAGING = 1, 2, 4

# By scope: the instrumentors of opentelemetry-python-contrib, which a program may have put in by hand.
_PREFIX = "opentelemetry.instrumentation."
_KEYS = {
    **dict.fromkeys(("requests", "urllib3", "httpx", "aiohttp_client"), HTTP_CLIENT),
    **dict.fromkeys(("redis", "psycopg", "psycopg2", "dbapi"), DATABASE),
}


def key_of(scope: str, kind: SpanKind) -> int:
    """The suppression key of another tracer's spans; 0 where they stand for nothing that ours traces."""
    return _KEYS.get(scope.removeprefix(_PREFIX), 0) if kind is SpanKind.CLIENT and scope.startswith(_PREFIX) else 0


def stands_for(span: Any) -> int:
    """The same of a span that another provider has made."""
    scope = getattr(span, "instrumentation_scope", None)
    return 0 if scope is None else key_of(str(scope.name), getattr(span, "kind", SpanKind.INTERNAL))
