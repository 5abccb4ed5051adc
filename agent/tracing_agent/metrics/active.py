"""The requests that a server is serving at the moment, counted by looking at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import Observation

if TYPE_CHECKING:
    from collections.abc import Iterable
    from weakref import WeakValueDictionary

    from opentelemetry.metrics import Meter

    from tracing_agent.trace.span import Span

# Methods and schemes remembered, to tell 0 of them; there are few.
_REMEMBERED = 64


def active_requests(meter: Meter, spans: WeakValueDictionary[int, Span]) -> None:
    """Make the instrument; ``spans`` are those of the requests. One that is described no further is not counted yet."""
    known: dict[tuple[str, str], None] = {}

    def told(options: Any) -> Iterable[Observation]:
        counts = dict.fromkeys(known, 0)
        for reference in spans.valuerefs():
            span = reference()
            if span is None or span._end_time is not None:
                continue
            method, scheme = span.values.get("http.request.method"), span.values.get("url.scheme")
            if method and scheme:
                counts[method, scheme] = counts.get((method, scheme), 0) + 1
        for key in counts:
            if len(known) < _REMEMBERED:
                known[key] = None
        return [
            Observation(count, {"http.request.method": method, "url.scheme": scheme})
            for (method, scheme), count in counts.items()
        ]

    meter.create_observable_up_down_counter(
        "http.server.active_requests", [told], "{request}", "Number of active HTTP server requests."
    )
