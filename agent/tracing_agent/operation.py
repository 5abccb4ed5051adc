"""An operation: what is constant about a kind of work that is traced, declared once where the library is described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind

from tracing_agent import __version__
from tracing_agent.faults import Breaker
from tracing_agent.trace.foreign import DATABASE, HTTP_CLIENT, MESSAGING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.span import Origin

#: The semantic conventions that the attributes follow.
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"


class Operation:
    """Whether to record, and what is constant: name, kind, scope, attributes, suppression key, breaker.

    ``name`` is the span's name until an extractor knows a better one. ``library`` names the instrumentation: its scope
    is ``tracing_instrumentations.<library>``. ``key`` is 0 or one of the suppression keys.
    """

    __slots__ = ("attributes", "breaker", "key", "kind", "library", "name")

    def __init__(
        self,
        library: str,
        name: str,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        key: int = 0,
        breaker: Breaker | None = None,
    ) -> None:
        self.library = library
        self.name = name
        self.kind = kind
        self.attributes = dict(attributes or {})
        self.key = key
        self.breaker = breaker or breaker_of(library)

    def origin(self, engine: Engine) -> Origin:
        """What this operation's spans share under ``engine``."""
        scope = InstrumentationScope(f"tracing_instrumentations.{self.library}", __version__, SCHEMA_URL)
        return engine.origin(scope, self.kind, self.attributes, self.key)


#: One breaker for each instrumentation: all its operations are switched off together.
BREAKERS: dict[str, Breaker] = {}


def breaker_of(library: str) -> Breaker:
    """The breaker that the operations of ``library`` share."""
    breaker = BREAKERS.get(library)
    if breaker is None:
        breaker = BREAKERS[library] = Breaker(library)
    return breaker


__all__ = ["BREAKERS", "DATABASE", "HTTP_CLIENT", "MESSAGING", "SCHEMA_URL", "Operation", "breaker_of"]
