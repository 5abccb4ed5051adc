"""What crosses the edge of a service: hosts, baggage as attributes, and the trace id back to the caller."""

from __future__ import annotations

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.context.context import Context
from opentelemetry.sdk.trace import sampling

from support.recorder import Recorder
from tracing_agent.config import Settings
from tracing_agent.drivers.call import call
from tracing_agent.operation import Operation
from tracing_agent.propagation.baggage import Value
from tracing_agent.propagation.hosts import Hosts
from tracing_agent.propagation.response import SERVER_TIMING, TRACERESPONSE, ResponseHeader
from tracing_agent.propagation.selected import Selected
from tracing_agent.trace.carrier import carrier_of

IDENTITY = "00-0000000000000000000000000000000a-000000000000000b-01"


@pytest.mark.parametrize(
    ("globs", "allowed", "refused"),
    [
        (["shop.example"], ["shop.example", "SHOP.example", "shop.example."], ["a.shop.example", "shop.example.evil"]),
        (["*.internal"], ["a.internal", "a.b.internal"], ["internal", "a.internal.evil", "a-internal"]),
        (["*.internal", "!secret.internal"], ["a.internal"], ["secret.internal", "shop.example"]),
        (["!secret.internal", "*.internal"], ["a.internal"], ["secret.internal"]),
        (["!*.example"], ["a.internal", "127.0.0.1", ""], ["shop.example"]),
        (["10.*", "::1"], ["10.0.0.1", "::1"], ["110.0.0.1", "::2"]),
        (["[a-c].internal"], ["b.internal"], ["d.internal"]),
        (["!*"], [], ["shop.example", ""]),
        (["", "!", " shop.example "], ["shop.example"], ["b"]),
        ([], ["shop.example"], []),
    ],
)
def test_hosts(globs: list[str], allowed: list[str], refused: list[str]) -> None:
    """Globs name hosts, in any case and order; what is excluded is, and excluding alone allows all others."""
    hosts = Hosts(globs)
    for _ in range(2):
        assert [host for host in allowed if not hosts.allows(host)] == []
        assert [host for host in refused if hosts.allows(host)] == []


def test_hosts_and_names_are_not_remembered_without_end() -> None:
    """Neither hosts nor baggage names take memory without end."""
    hosts, selected = Hosts(["*.internal"]), Selected(["a*"])
    for number in range(5000):
        assert hosts.allows(f"{number}.internal")
        found: dict[str, str] = {}
        selected.onto(found.__setitem__, {f"a{number}": "1", f"b{number}": "1"})
        assert found == {f"a{number}": "1"}
    assert len(hosts._known) <= 1024
    assert len(selected._known) <= 1024


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ([], [("traceresponse", IDENTITY), ("Access-Control-Expose-Headers", "traceresponse")]),
        ([("TraceResponse", "mine")], []),
        (
            [("Access-Control-Expose-Headers", "X-Shop")],
            [("traceresponse", IDENTITY), ("Access-Control-Expose-Headers", "traceresponse")],
        ),
        ([("access-control-expose-headers", "X-Shop, TraceResponse")], [("traceresponse", IDENTITY)]),
        ([("access-control-expose-headers", "*")], [("traceresponse", IDENTITY)]),
    ],
)
def test_traceresponse(given: list[tuple[str, str]], added: list[tuple[str, str]]) -> None:
    """The header is added and exposed, unless the application has set it or exposed it itself."""
    before = list(given)
    assert ResponseHeader(TRACERESPONSE).added(IDENTITY, given) == added
    assert given == before


@pytest.mark.parametrize(
    ("given", "is_added"),
    [
        ([], True),
        ([("Server-Timing", "db;dur=53, app;dur=47")], True),
        ([("Server-Timing", "tracer;desc=x"), ("server-timing", 'db;desc="trace;desc"')], True),
        ([("Server-Timing", "db;dur=53, trace;desc=mine")], False),
        ([("Server-Timing", "trace")], False),
    ],
)
def test_server_timing(given: list[tuple[str, str]], is_added: bool) -> None:
    """The metric is added beside those of the application, unless it has one of that name."""
    added = ResponseHeader(SERVER_TIMING).added(IDENTITY, given)
    exposed = ("Access-Control-Expose-Headers", "Server-Timing")
    assert added == ([("Server-Timing", f"trace;desc={IDENTITY}"), exposed] if is_added else [])


def _recorder(names: str, sampler: sampling.Sampler = sampling.DEFAULT_ON) -> Recorder:
    recorder = Recorder(sampler)
    settings = Settings({"OTEL_PYTHON_BAGGAGE_SPAN_ATTRIBUTES": names}).propagation
    recorder.engine.carrier.copied = carrier_of(settings, str).copied
    return recorder


def test_baggage_on_every_span() -> None:
    """The named entries are on each span that begins under them: the program's own, and those of libraries."""
    recorder = _recorder(" tenant.id , user.* ")
    work = call(Operation("shop", "work"), lambda span: span.set_attribute("own", 1))(lambda: None, recorder.engine)
    entries = {"tenant.id": "blue", "user.name": Value("Ann", "secret=1"), "user": "no", "Tenant.id": "no", "x": "no"}
    token = context.attach(Context())
    for name, value in entries.items():
        context.attach(baggage.set_baggage(name, value))
    try:
        with recorder.tracer.start_as_current_span("manual", attributes={"user.name": "mine"}):
            work()
    finally:
        context.detach(token)
    work()
    recorder.tracer.start_span("given", context=baggage.set_baggage("tenant.id", 7)).end()
    copied = {"tenant.id": "blue", "user.name": "Ann"}
    assert [span["attributes"] for span in recorder.spans()] == [
        {**copied, "own": 1},
        {**copied, "user.name": "mine"},
        {"own": 1},
        {"tenant.id": "7"},
    ]


def test_baggage_on_no_span_by_default(recorder: Recorder) -> None:
    """Without the setting no entry becomes an attribute."""
    token = context.attach(baggage.set_baggage("tenant.id", "blue"))
    with recorder.tracer.start_as_current_span("manual"):
        pass
    context.detach(token)
    (span,) = recorder.spans()
    assert span["attributes"] == {}


def test_baggage_and_spans_that_are_not_recorded() -> None:
    """Spans that are not recorded get nothing, and limits of attributes hold for what comes with baggage, too."""
    recorder = _recorder("*", sampling.DEFAULT_OFF)
    work = call(Operation("shop", "work"), lambda span: None)(trace.get_current_span, recorder.engine)
    token = context.attach(baggage.set_baggage("tenant.id", "blue"))
    with recorder.tracer.start_as_current_span("manual"):
        work()
    context.detach(token)
    assert recorder.spans() == []
    recorder = _recorder("*")
    recorder.engine.limits.max_span_attribute_length = 2
    token = context.attach(baggage.set_baggage("tenant.id", "blue"))
    with recorder.tracer.start_as_current_span("manual"):
        pass
    context.detach(token)
    (span,) = recorder.spans()
    assert span["attributes"] == {"tenant.id": "bl"}


def test_settings() -> None:
    """Nothing is decided by default; values that cannot be used are reported, and the default is used."""
    carrier = carrier_of(Settings({}).propagation, str)
    assert (carrier.allows, carrier.trusts, carrier.copied, carrier.answer) == (None, True, None, None)
    assert carrier.fields == ("traceparent", "tracestate", "baggage")
    settings = Settings(
        {
            "OTEL_PYTHON_TRACE_RESPONSE_HEADER": "Server-Timing",
            "OTEL_PYTHON_TRUST_REMOTE_PARENT": "FALSE",
            "OTEL_PYTHON_PROPAGATION_HOSTS": "Shop.example,!a",
        }
    )
    carrier = carrier_of(settings.propagation, str)
    assert carrier.answer is not None
    assert carrier.answer.name == "Server-Timing"
    assert carrier.trusts is False
    assert carrier.allows is not None
    assert carrier.allows("shop.example")
    assert settings.rejected == []
    wrong = Settings({"OTEL_PYTHON_TRACE_RESPONSE_HEADER": "x", "OTEL_PYTHON_TRUST_REMOTE_PARENT": "no"})
    assert [sentence.partition("=")[0] for sentence in wrong.rejected] == [
        "OTEL_PYTHON_TRUST_REMOTE_PARENT",
        "OTEL_PYTHON_TRACE_RESPONSE_HEADER",
    ]
    assert carrier_of(wrong.propagation, str).answer is None
