"""How long the parsers and writers take: run it, `python tests/propagation/timings.py`; it asserts nothing."""

from __future__ import annotations

import timeit
from collections.abc import Callable

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tracing_agent.propagation.baggage import format_baggage, parse_baggage
from tracing_agent.propagation.configured import composite
from tracing_agent.propagation.names import FORMATS
from tracing_agent.propagation.otel import BaggagePropagator, TraceContextPropagator
from tracing_agent.propagation.remote import Remote
from tracing_agent.propagation.w3c import TAILS, head, parse_traceparent, parse_tracestate, traceparent

TRACE, SPAN = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7
PARENT = traceparent(TRACE, SPAN, 3)
STATE = "dd=s:1;p:00f067aa0ba902b7,ot=th:c"
BAGGAGE = "tenant=acme,user=Am%C3%A9lie,region=eu-west-1;internal"
HEADERS = {"traceparent": PARENT, "tracestate": STATE, "baggage": BAGGAGE}
REMOTE = Remote(TRACE, SPAN, 3, STATE)


def _microseconds(call: Callable[[], object]) -> float:
    timer = timeit.Timer(call)
    loops, _ = timer.autorange()
    return min(timer.repeat(5, loops)) / loops * 1e6


def _calls() -> dict[str, Callable[[], object]]:
    begin, entries, root = head(TRACE), parse_baggage([BAGGAGE]), Context()
    written: dict[str, str] = {}
    calls: dict[str, Callable[[], object]] = {
        "parse_traceparent": lambda: parse_traceparent(PARENT),
        "parse_traceparent, malformed": lambda: parse_traceparent(PARENT + "-x"),
        "traceparent": lambda: traceparent(TRACE, SPAN, 3),
        "head + span id + tail": lambda: f"{begin}{SPAN:016x}{TAILS[3]}",
        "head + span id by bytes + tail": lambda: f"{begin}{SPAN.to_bytes(8, 'big').hex()}{TAILS[3]}",
        "parse_tracestate, 2 members": lambda: parse_tracestate([STATE]),
        "parse_baggage, 3 entries": lambda: parse_baggage([BAGGAGE]),
        "format_baggage, 3 entries": lambda: format_baggage(entries),
    }
    for name, format in FORMATS.items():
        carrier: dict[str, str] = {}
        format.inject(REMOTE, carrier.__setitem__)
        lists = {key: [value] for key, value in carrier.items()}
        calls[f"{name}: extract"] = lambda format=format, lists=lists: format.extract(  # type: ignore[misc]
            lambda field: lists.get(field, ())
        )
        calls[f"{name}: inject"] = lambda format=format: format.inject(REMOTE, written.__setitem__)  # type: ignore[misc]
    for label, propagator in {
        "ours": composite(["tracecontext", "baggage"], print),
        "ours, tracecontext": TraceContextPropagator(),
        "the API's, tracecontext": TraceContextTextMapPropagator(),
        "ours, baggage": BaggagePropagator(),
        "the API's, baggage": W3CBaggagePropagator(),
    }.items():
        found = propagator.extract(HEADERS, root)
        calls[f"propagator, {label}: extract"] = lambda propagator=propagator: propagator.extract(HEADERS, root)  # type: ignore[misc]
        calls[f"propagator, {label}: inject"] = lambda propagator=propagator, found=found: propagator.inject({}, found)  # type: ignore[misc]
    return calls


if __name__ == "__main__":
    for name, call in _calls().items():
        print(f"{name:45} {_microseconds(call):7.2f} us")
