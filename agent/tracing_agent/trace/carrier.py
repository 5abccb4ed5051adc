"""Context into and out of what crosses a process boundary, by the formats that ``OTEL_PROPAGATORS`` chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.propagation.baggage import format_baggage, parse_baggage
from tracing_agent.propagation.names import BAGGAGE, DEFAULT, composite
from tracing_agent.propagation.remote import Remote
from tracing_agent.propagation.w3c import TraceContext, parse_traceparent, parse_tracestate
from tracing_agent.trace.sdk import BAGGAGE_KEY, current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tracing_agent.trace.span import Dropped, Span


class Carrier:
    """The chosen formats. ``names`` are lower-case names of `propagation.names`, in order of preference."""

    def __init__(self, names: Iterable[str] = DEFAULT) -> None:
        names = tuple(names)
        self.format = composite(names)
        self.baggage = BAGGAGE in names
        # The usual case has a way of its own, without a look-up function and with the trace's cached header.
        self.plain = type(self.format) is TraceContext

    def from_environ(self, environ: dict[str, Any]) -> Remote | None:
        """The remote parent in a WSGI environment; the server joins repeated headers with commas."""
        if self.plain:
            value = environ.get("HTTP_TRACEPARENT")
            if value is None:
                return None
            parent = parse_traceparent(value)
            if parent is None:
                return None
            state = environ.get("HTTP_TRACESTATE")
            trace_id, span_id, flags = parent
            return Remote(trace_id, span_id, flags, parse_tracestate((state,)) if state else "")
        if self.format is None:
            return None

        def values(name: str) -> Sequence[str]:
            value = environ.get("HTTP_" + name.upper().replace("-", "_"))
            return () if value is None else (value,)

        return self.format.extract(values)

    def baggage_from_environ(self, environ: dict[str, Any]) -> dict[str, str] | None:
        """The baggage in a WSGI environment."""
        if self.baggage:
            value = environ.get("HTTP_BAGGAGE")
            if value:
                return parse_baggage((value,)) or None
        return None

    def extract(self, values: Callable[[str], Sequence[str]]) -> Remote | None:
        """The remote parent in any carrier: ``values`` gives all values of a header by its lower-case name."""
        return None if self.format is None else self.format.extract(values)

    def extract_baggage(self, values: Callable[[str], Sequence[str]]) -> dict[str, str] | None:
        """The baggage in any carrier."""
        if self.baggage:
            found = values("baggage")
            if found:
                return parse_baggage(found) or None
        return None

    def inject(self, span: Span | Dropped, set: Callable[[str, str], Any]) -> None:
        """Write the identity of ``span``, and the current context's baggage, through ``set(name, value)``."""
        trace = span.trace
        if self.plain:
            set("traceparent", trace.traceparent(span.span_id))
            if trace.state:
                set("tracestate", trace.state)
        elif self.format is not None:
            self.format.inject(Remote(trace.id, span.span_id, trace.flags, trace.state, debug=trace.debug), set)
        if self.baggage:
            entries = current().get(BAGGAGE_KEY)
            if entries:
                header = format_baggage(entries)  # type: ignore[arg-type]
                if header:
                    set("baggage", header)
