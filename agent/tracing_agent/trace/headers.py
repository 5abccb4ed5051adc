"""Context into and out of the headers of a message: a list of pairs of a name and bytes, as Apache Kafka has them.

The specification leaves open how messages carry context. As other implementations do, names are those of the formats
for HTTP, in lower case, and of a name that occurs several times the last one counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.propagation.baggage import parse_baggage
from tracing_agent.propagation.remote import Remote
from tracing_agent.propagation.unreadable import unreadable
from tracing_agent.propagation.w3c import parse_traceparent, parse_tracestate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracing_agent.trace.carrier import Carrier
    from tracing_agent.trace.span import Dropped, Span


class Headers:
    """Headers of one message, with the names in lower case only; any other content is no header of ours.

    ``headers`` is whatever another producer wrote and the client library made of it: nothing here raises.
    """

    __slots__ = ("_found",)

    def __init__(self, headers: Any) -> None:
        try:
            self._found: dict[Any, Any] = dict(headers)
        except (TypeError, ValueError):
            self._found = {}

    def values(self, name: str) -> Sequence[str]:
        """The last value of a header, if there is one, as text."""
        value = self._found.get(name)
        if type(value) is bytes:
            # No byte is refused, and the formats refuse what is not ASCII.
            return (value.decode("latin-1"),)
        return (value,) if type(value) is str else ()

    def remote(self, carrier: Carrier) -> Remote | None:
        """The context in which the message was made; None where there is none, or none that can be read."""
        if not carrier.plain:
            return carrier.extract(self.values)
        values = self.values("traceparent")
        parent = parse_traceparent(values[0]) if values else None
        if parent is None:
            if values:
                unreadable("traceparent", values[0])
            return None
        states = self.values("tracestate")
        trace_id, span_id, flags = parent
        return Remote(trace_id, span_id, flags, parse_tracestate(states) if states else "")

    def baggage(self, carrier: Carrier) -> dict[str, str] | None:
        """The baggage that came with the message."""
        if not carrier.baggage or "baggage" not in self._found:
            return None
        values = self.values("baggage")
        return (parse_baggage(values) or None) if values else None


def with_context(carrier: Carrier, identity: Span | Dropped, headers: list[Any] | None) -> list[Any] | None:
    """A new list: ``headers`` with the identity of ``identity`` and the current baggage; None where there is neither.

    What ``headers`` has of the same names is left out if it is context (then it could not be read, or it would have
    been kept), and kept if it is baggage: the program's own wins. None also for headers that no client would send.
    """
    written: dict[str, str] = {}
    carrier.inject(identity, written.__setitem__)
    ours = [(name, value.encode()) for name, value in written.items()]
    if not headers or not ours:
        return ours or None
    try:
        names = {name for name, _ in headers}
    except (TypeError, ValueError):
        return None
    if "baggage" in names:
        ours = [header for header in ours if header[0] != "baggage"]
    fields = () if carrier.format is None else carrier.format.fields
    kept = headers if names.isdisjoint(fields) else [header for header in headers if header[0] not in fields]
    return [*kept, *ours]
