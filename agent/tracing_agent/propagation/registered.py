"""A propagator that another distribution registered, used as one of our formats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opentelemetry import baggage as baggage_api
from opentelemetry.context import get_current
from opentelemetry.context.context import Context
from opentelemetry.propagators.textmap import Getter, Setter, TextMapPropagator
from opentelemetry.trace import get_current_span

from tracing_agent.faults import fault
from tracing_agent.propagation.otel import context_with
from tracing_agent.propagation.remote import Remote, Set, Values


class _Lookup(Getter[Values]):
    """Reads from a look-up function, which cannot tell what else there is."""

    def get(self, carrier: Values, key: str) -> list[str] | None:
        return list(carrier(key.lower())) or None

    def keys(self, carrier: Values) -> list[str]:
        return []


class _Write(Setter[Set]):
    def set(self, carrier: Set, key: str, value: str) -> None:
        carrier(key, value)


_LOOKUP, _WRITE = _Lookup(), _Write()


class Registered:
    """See Format. What the propagator raises becomes one line of the agent."""

    __slots__ = ("_propagator", "fields", "name")

    def __init__(self, name: str, propagator: TextMapPropagator) -> None:
        self.name = name
        self._propagator = propagator
        self.fields = tuple(field.lower() for field in self._fields())

    def _fields(self) -> Iterator[str]:
        try:
            yield from self._propagator.fields
        except Exception as error:
            fault(f"{self.name} propagator's fields", error)

    def _extracted(self, values: Values) -> Context:
        try:
            carrier: Any = values
            return self._propagator.extract(carrier, Context(), _LOOKUP)
        except Exception as error:
            fault(f"{self.name} propagator's extract", error)
            return Context()

    def extract(self, values: Values) -> Remote | None:
        """See Format."""
        identity = get_current_span(self._extracted(values)).get_span_context()
        if not identity.is_valid:
            return None
        return Remote(identity.trace_id, identity.span_id, identity.trace_flags & 3, identity.trace_state.to_header())

    def parse(self, headers: Iterable[str], values: Values) -> dict[str, str]:
        """The baggage entries that it reads."""
        return {name: str(value) for name, value in baggage_api.get_all(self._extracted(values)).items()}

    def format(self, entries: Mapping[str, object], set: Set) -> None:
        """Nothing: inject() has written the baggage too."""

    def inject(self, remote: Remote, set: Set) -> None:
        """See Format; it finds the baggage of the current context where the API keeps it."""
        try:
            carrier: Any = set
            self._propagator.inject(carrier, context_with(remote, get_current()), _WRITE)
        except Exception as error:
            fault(f"{self.name} propagator's inject", error)
