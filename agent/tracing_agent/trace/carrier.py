"""Context into and out of what crosses a process boundary, by the formats that ``OTEL_PROPAGATORS`` chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.propagation import jaeger, ottrace
from tracing_agent.propagation.baggage import format_baggage, parse_baggage
from tracing_agent.propagation.hosts import Hosts
from tracing_agent.propagation.names import BAGGAGE, DEFAULT, chosen, composite
from tracing_agent.propagation.remote import Remote
from tracing_agent.propagation.response import NAMES, ResponseHeader
from tracing_agent.propagation.selected import Selected
from tracing_agent.propagation.unreadable import unreadable
from tracing_agent.propagation.w3c import TraceContext, parse_traceparent, parse_tracestate
from tracing_agent.trace.sdk import BAGGAGE_KEY, current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tracing_agent.config_propagation import Propagation
    from tracing_agent.propagation.registered import Registered
    from tracing_agent.trace.span import Dropped, Span

    Values = Callable[[str], Sequence[str]]
    Set = Callable[[str, str], Any]

_HTTP = "HTTP_"


class _Baggage:
    """W3C Baggage, read and written as the formats with a header for each entry are."""

    def parse(self, names: Iterable[str], values: Values) -> dict[str, str]:
        found = values(BAGGAGE)
        return parse_baggage(found) if found else {}

    def format(self, entries: Mapping[str, object], set: Set) -> None:
        header = format_baggage(entries)
        if header:
            set(BAGGAGE, header)


_W3C = _Baggage()
_SOURCES: dict[str, Any] = {BAGGAGE: _W3C, "jaeger": jaeger.BAGGAGE, "ottrace": ottrace.BAGGAGE}


class Carrier:
    """The chosen formats, and what the program's owner decided about them.

    ``names`` are lower-case names of `propagation.names`, or keys of ``registered`` (propagators of other
    distributions), in order of preference. ``fields`` are the lower-case names of the headers that `inject` may write,
    those of single baggage entries aside.

    ``allows`` says of a host whether it may be sent context (None: all may); ``trusts`` is whether servers continue
    their callers' traces; ``copied`` are baggage entries that spans get as attributes, ``answer`` is the header that
    tells a server's caller the trace id (None: neither).
    """

    allows: Callable[[str], bool] | None = None
    trusts = True
    copied: Selected | None = None
    answer: ResponseHeader | None = None

    def __init__(self, names: Iterable[str] = DEFAULT, registered: Mapping[str, Registered] | None = None) -> None:
        names, registered = tuple(names), registered or {}
        self.format = composite(names, registered)
        #: What reads and writes baggage, in order: of an entry that comes twice the last counts.
        self.baggage: tuple[Any, ...] = tuple(
            source for source in map({**_SOURCES, **registered}.get, names) if source is not None
        )
        # The usual cases have ways of their own, without a look-up function and with the trace's cached header.
        self.plain = type(self.format) is TraceContext
        self._w3c = self.baggage == (_W3C,)
        self.fields = (*(self.format.fields if self.format else ()), *((BAGGAGE,) if _W3C in self.baggage else ()))
        self.inject: Callable[[Span | Dropped, Set], None] = self._inject_plain if self.plain else self._inject

    # -- in ---------------------------------------------------------------------------------------------------------

    def from_environ(self, environ: dict[str, Any]) -> Remote | None:
        """The remote parent in a WSGI environment; the server joins repeated headers with commas."""
        if self.plain:
            value = environ.get("HTTP_TRACEPARENT")
            if value is None:
                return None
            parent = parse_traceparent(value)
            if parent is None:
                unreadable("traceparent", value)
                return None
            state = environ.get("HTTP_TRACESTATE")
            trace_id, span_id, flags = parent
            return Remote(trace_id, span_id, flags, parse_tracestate((state,)) if state else "")
        return self.extract(_environ_values(environ))

    def baggage_from_environ(self, environ: dict[str, Any]) -> dict[str, str] | None:
        """The baggage in a WSGI environment."""
        if self._w3c:
            value = environ.get("HTTP_BAGGAGE")
            return parse_baggage((value,)) or None if value else None
        if not self.baggage:
            return None
        names = [key[5:].replace("_", "-").lower() for key in environ if key.startswith(_HTTP)]
        return self.extract_baggage(_environ_values(environ), names)

    def extract(self, values: Values) -> Remote | None:
        """The remote parent in any carrier: ``values`` gives all values of a header by its lower-case name."""
        if self.format is None:
            return None
        remote = self.format.extract(values)
        if remote is None and "traceparent" in self.fields:
            given = values("traceparent")
            if given:
                unreadable("traceparent", ",".join(given))
        return remote

    def extract_baggage(self, values: Values, names: Sequence[str] = ()) -> dict[str, str] | None:
        """The baggage in any carrier; ``names`` are those of its headers, for formats with a header for each entry."""
        entries: dict[str, str] = {}
        for source in self.baggage:
            entries.update(source.parse(names, values))
        return entries or None

    # -- out --------------------------------------------------------------------------------------------------------

    # ``inject(span, set)``: write the identity of a span, and the current context's baggage, by ``set(name, value)``.

    def _inject_plain(self, span: Span | Dropped, set: Set) -> None:
        trace = span.trace
        set("traceparent", trace.traceparent(span.span_id))
        if trace.state:
            set("tracestate", trace.state)
        entries: Any = current().get(BAGGAGE_KEY)
        if entries:
            self._inject_baggage(entries, set)

    def _inject(self, span: Span | Dropped, set: Set) -> None:
        trace = span.trace
        if self.format is not None:
            self.format.inject(Remote(trace.id, span.span_id, trace.flags, trace.state, debug=trace.debug), set)
        entries: Any = current().get(BAGGAGE_KEY)
        if entries:
            self._inject_baggage(entries, set)

    def _inject_baggage(self, entries: Mapping[str, object], set: Set) -> None:
        for source in self.baggage:
            source.format(entries, set)


def carrier_of(settings: Propagation, report: Callable[[str], None]) -> Carrier:
    """The carrier that the settings ask for; see `names.chosen` for the rules of ``OTEL_PROPAGATORS``."""
    found: dict[str, Registered] = {}

    def installed(name: str) -> bool:
        # Only for a name that is not ours: what is installed has to be read for it, and their code loaded.
        from tracing_agent.propagation.configured import registered
        from tracing_agent.propagation.registered import Registered

        propagator = registered(name, report)
        if propagator is not None:
            found[name] = Registered(name, propagator)
        return propagator is not None

    carrier = Carrier(chosen(settings.names, report, installed), found)
    carrier.trusts = settings.trusted
    if settings.hosts:
        carrier.allows = Hosts(settings.hosts).allows
    if settings.baggage_attributes:
        carrier.copied = Selected(settings.baggage_attributes)
    if settings.response_header != "none":
        carrier.answer = ResponseHeader(NAMES[settings.response_header])
    return carrier


def _environ_values(environ: dict[str, Any]) -> Values:
    def values(name: str) -> Sequence[str]:
        value = environ.get(_HTTP + name.upper().replace("-", "_"))
        return () if value is None else (value,)

    return values
