"""What drivers read and write headers with: every format, with its baggage, in and out of a WSGI environment too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.context.context import Context
from opentelemetry.propagators.textmap import Getter, Setter, TextMapPropagator

from propagation.headers import PARENT, SPAN, TRACE, joined, received
from tracing_agent.config import Settings
from tracing_agent.faults import LINES
from tracing_agent.propagation import configured, otel
from tracing_agent.propagation.names import FORMATS
from tracing_agent.propagation.registered import Registered
from tracing_agent.propagation.remote import Remote
from tracing_agent.trace.carrier import Carrier, carrier_of
from tracing_agent.trace.identity import Dropped, Trace

IDENTITY = Dropped(Trace(TRACE, 1, "a=1", True), SPAN)


class Theirs(TextMapPropagator):
    """A propagator of another distribution: trace and baggage in a header of its own."""

    def extract(self, carrier: Any, context: Context | None = None, getter: Getter[Any] = otel.default_getter) -> Any:
        found = getter.get(carrier, "X-Theirs")
        if not found:
            return context
        trace_id, span_id, tenant = found[0].split("/")
        identity = trace.SpanContext(int(trace_id, 16), int(span_id, 16), True, trace.TraceFlags(1))
        extracted = trace.set_span_in_context(trace.NonRecordingSpan(identity), context)
        return baggage.set_baggage("tenant", tenant, extracted)

    def inject(self, carrier: Any, context: Context | None = None, setter: Setter[Any] = otel.default_setter) -> None:
        identity = trace.get_current_span(context).get_span_context()
        tenant = baggage.get_baggage("tenant", context)
        setter.set(carrier, "x-theirs", f"{identity.trace_id:x}/{identity.span_id:x}/{tenant}")

    @property
    def fields(self) -> set[str]:
        return {"X-Theirs"}


class Broken(TextMapPropagator):
    """A propagator that raises whatever it is asked."""

    def extract(self, carrier: Any, context: Context | None = None, getter: Getter[Any] = otel.default_getter) -> Any:
        raise ValueError("extract")

    def inject(self, carrier: Any, context: Context | None = None, setter: Setter[Any] = otel.default_setter) -> None:
        raise ValueError("inject")

    @property
    def fields(self) -> set[str]:
        raise ValueError("fields")


def _environ(headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "wsgi.input": None,
        **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()},
    }


@pytest.fixture
def tenant() -> Iterator[None]:
    """Baggage in the current context."""
    token = context.attach(baggage.set_baggage("tenant", "blue sky"))
    yield
    context.detach(token)


def _injected(carrier: Carrier) -> dict[str, str]:
    headers: dict[str, str] = {}
    carrier.inject(IDENTITY, headers.__setitem__)
    return headers


@pytest.mark.parametrize("name", FORMATS)
def test_round_trip(name: str) -> None:
    """What each format writes is what it reads, from any carrier and from a WSGI environment."""
    carrier = Carrier((name,))
    headers = _injected(carrier)
    read = carrier.extract(received(*headers.items()))
    assert read is not None
    assert (read.trace_id & 0xFFFFFFFFFFFFFFFF, read.span_id, read.sampled) == (TRACE & 0xFFFFFFFFFFFFFFFF, SPAN, True)
    assert carrier.from_environ(_environ(headers)) == read
    assert set(headers) <= set(carrier.fields)
    assert carrier.from_environ(_environ({})) is carrier.extract(received()) is None


@pytest.mark.usefixtures("tenant")
@pytest.mark.parametrize(
    ("name", "header"),
    [("baggage", "baggage"), ("jaeger", "uberctx-tenant"), ("ottrace", "ot-baggage-tenant")],
)
def test_baggage_of_each_format(name: str, header: str) -> None:
    """The current context's baggage goes out by each format that has a place for it, and comes in again."""
    carrier = Carrier((name,))
    headers = _injected(carrier)
    assert header in headers or name == "ottrace"
    headers.setdefault(header, "blue sky")
    assert carrier.extract_baggage(received(*headers.items()), list(headers)) == {"tenant": "blue sky"}
    assert carrier.baggage_from_environ(_environ(headers)) == {"tenant": "blue sky"}
    assert carrier.baggage_from_environ(_environ({})) is None


def test_baggage_of_several_formats() -> None:
    """Entries of several formats come together; of one that comes twice the format named last counts."""
    headers = {"baggage": "a=1,b=2", "uberctx-b": "3", "uberctx-c": "4"}
    for names, b in ((("baggage", "jaeger"), "3"), (("jaeger", "baggage"), "2")):
        carrier = Carrier(names)
        assert carrier.baggage_from_environ(_environ(headers)) == {"a": "1", "b": b, "c": "4"}
    assert Carrier(("tracecontext",)).baggage_from_environ(_environ(headers)) is None


@pytest.mark.usefixtures("tenant")
def test_nothing_without_propagators() -> None:
    """With no propagator nothing is read and nothing written."""
    carrier = Carrier(())
    assert _injected(carrier) == {}
    assert carrier.fields == ()
    assert carrier.from_environ(_environ({"traceparent": PARENT, "baggage": "a=1"})) is None
    assert carrier.baggage_from_environ(_environ({"baggage": "a=1"})) is None


@pytest.mark.usefixtures("tenant")
def test_registered_propagator(monkeypatch: pytest.MonkeyPatch) -> None:
    """A propagator of another distribution is read from and written to beside ours, its baggage included."""
    monkeypatch.setattr(configured, "registered", lambda name, report: Theirs() if name == "theirs" else None)
    reported: list[str] = []
    settings = Settings({"OTEL_PROPAGATORS": "theirs, tracecontext, nobody"})
    carrier = carrier_of(settings.propagation, reported.append)
    assert len(reported) == 1
    assert "'nobody'" in reported[0]
    assert carrier.fields == ("x-theirs", "traceparent", "tracestate")
    headers = _injected(carrier)
    assert headers == {"x-theirs": f"{TRACE:x}/{SPAN:x}/blue sky", "traceparent": PARENT, "tracestate": "a=1"}
    assert carrier.from_environ(_environ(headers)) == Remote(TRACE, SPAN, 1)
    assert carrier.baggage_from_environ(_environ(headers)) == {"tenant": "blue sky"}
    assert carrier.extract(joined(("traceparent", PARENT))) == Remote(TRACE, SPAN, 1)


def test_broken_registered_propagator(capsys: pytest.CaptureFixture[str]) -> None:
    """A propagator that raises leaves the others working; each of its faults is one line."""
    LINES.strict = False
    carrier = Carrier(("broken", "tracecontext"), {"broken": Registered("broken", Broken())})
    headers = _injected(carrier)
    assert headers == {"traceparent": PARENT, "tracestate": "a=1"}
    assert carrier.from_environ(_environ(headers)) == Remote(TRACE, SPAN, 1, "a=1")
    assert carrier.baggage_from_environ(_environ(headers)) is None
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("propagator's ")[2].split()[0] for line in lines] == ["fields", "inject", "extract"]


def test_flags_and_ids_of_a_traceparent() -> None:
    """A trace's header names it, the span and the two flags that Level 2 defines, whatever else was set."""
    trace_of = Trace(0xA, 0xFF, "", True)
    assert trace_of.traceparent(0xB) == f"00-{0xA:032x}-{0xB:016x}-03"
    assert trace_of.traceparent((1 << 64) - 1) == f"00-{0xA:032x}-{'f' * 16}-03"


def test_debug_of_a_request_served_goes_on_through_the_api() -> None:
    """A sender's debug flag that came with a request served is in what the program injects by itself."""
    served = Dropped(Trace(TRACE, 1, "", True, debug=True), SPAN)
    headers: dict[str, str] = {}
    otel.B3Propagator().inject(headers, trace.set_span_in_context(served, Context()))
    assert headers == {"b3": f"{TRACE:032x}-{SPAN:016x}-d"}
