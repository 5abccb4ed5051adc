"""The settings of propagation, as services under the agent obey them: whole processes, one for each set of values."""

from __future__ import annotations

import json
import subprocess

import pytest

from conformance.conftest import SERVICES, serving
from conformance.harness import GIVEN, PARENT, TRACE, Forwarded, Harness, Header
from support.sink import Received, Sink

pytestmark = [pytest.mark.process, pytest.mark.parametrize("service", SERVICES)]

LOW = TRACE[16:]
B3 = {"X-B3-TraceId": TRACE, "X-B3-SpanId": PARENT, "X-B3-Sampled": "1", "X-B3-ParentSpanId": "0" * 15 + "1"}
FORMATS: dict[str, dict[str, str]] = {
    "tracecontext": {"traceparent": GIVEN},
    "b3": {"b3": f"{TRACE}-{PARENT}-1-{'0' * 15}1"},
    "b3multi": B3,
    "jaeger": {"uber-trace-id": f"{TRACE}:{PARENT}:0:1"},
    "xray": {"X-Amzn-Trace-Id": f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={PARENT};Sampled=1"},
    "ottrace": {"ot-tracer-traceid": LOW, "ot-tracer-spanid": PARENT, "ot-tracer-sampled": "true"},
}


def _stop(process: subprocess.Popen[str]) -> str:
    """End a service; what it has written to stderr, its own log aside."""
    process.terminate()
    _, errors = process.communicate(timeout=20)
    return "\n".join(line for line in errors.splitlines() if line.startswith("tracing-agent"))


def _spans(sink: Sink, harness: Harness, headers: list[Header]) -> tuple[Received, Received]:
    """The service's server and client spans of one request."""
    known = len(sink.spans)
    harness.exchange(headers)
    spans = sink.wait(lambda spans: len(spans) >= known + 2)[known:]
    (server,) = [span for span in spans if span["kind"] == "SERVER"]
    (client,) = [span for span in spans if span["kind"] == "CLIENT"]
    return server, client


@pytest.fixture
def exported(sink: Sink) -> dict[str, str]:
    """Variables for a service that sends its spans to `sink` soon."""
    return {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "20",
    }


def _forwarded(harness: Harness, headers: list[Header]) -> list[Header]:
    """All headers of what the service forwards once."""
    (forwarded,), _ = harness.exchange(headers)
    return forwarded


def test_every_propagator(service: str) -> None:
    """user-pain row 24: any combination, order and case of propagators works, and an unknown one costs one line."""
    names = "B3Multi, jaeger,xray,OTTRACE,b3 ,nonsense,TraceContext,jaeger,baggage,"
    with serving(service, OTEL_PROPAGATORS=names) as (harness, process):
        for name, headers in FORMATS.items():
            forwarded = _forwarded(harness, list(headers.items()))
            sent = {key.lower(): value for key, value in forwarded}
            trace = sent["traceparent"].split("-")[1]
            assert trace == (TRACE if name != "ottrace" else "0" * 16 + LOW), name
            span = sent["traceparent"].split("-")[2]
            assert span != PARENT
            assert sent["b3"] == f"{trace}-{span}-1"
            assert (sent["x-b3-traceid"], sent["x-b3-spanid"], sent["x-b3-sampled"]) == (trace, span, "1")
            assert "x-b3-parentspanid" not in sent
            assert sent["uber-trace-id"] == f"{trace}:{span}:0:01"
            assert sent["x-amzn-trace-id"] == f"Root=1-{trace[:8]}-{trace[8:]};Parent={span};Sampled=1"
            assert (sent["ot-tracer-traceid"], sent["ot-tracer-spanid"]) == (trace[16:], span)
        lines = _stop(process).splitlines()
        assert len(lines) == 1
        assert "'nonsense'" in lines[0]


def test_b3(service: str) -> None:
    """B3's debug flag and 64-bit trace ids go on; a decision without ids is obeyed; other formats are not spoken."""
    with serving(service, OTEL_PROPAGATORS="b3") as (harness, _):

        def sent(**headers: str) -> str:
            pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
            forwarded = _forwarded(harness, [*pairs, ("traceparent", GIVEN)])
            found = {name.lower(): value for name, value in forwarded}
            assert "traceparent" not in found
            return found["b3"]

        assert sent(b3=f"{TRACE}-{PARENT}-d").split("-")[::2] == [TRACE, "d"]
        assert sent(b3=f"{LOW}-{PARENT}-1").split("-")[::2] == ["0" * 16 + LOW, "1"]
        assert sent(b3=f"{TRACE}-{PARENT}-0").split("-")[::2] == [TRACE, "0"]
        assert sent(b3="0").endswith("-0")
        assert sent(b3="d").endswith("-d")
        assert sent(X_B3_Flags="1", X_B3_TraceId=LOW, X_B3_SpanId=PARENT).endswith("-d")


def test_jaeger(service: str) -> None:
    """Jaeger's debug flag goes on and is not invented; its baggage goes on, by its own headers and the W3C's."""
    with serving(service, OTEL_PROPAGATORS="jaeger,baggage") as (harness, _):
        for given, flags in (("1", "01"), ("3", "03"), ("0", "00"), ("2", "00")):
            headers = {"Uber-Trace-Id": f"{TRACE}:{PARENT}:0:{given}", "UberCtx-Tenant": "blue%20sky", "baggage": "a=1"}
            forwarded = _forwarded(harness, list(headers.items()))
            sent = {name.lower(): value for name, value in forwarded}
            assert sent["uber-trace-id"].split(":")[::3] == [TRACE, flags]
            assert sent["uberctx-tenant"] == "blue%20sky"
            assert set(sent["baggage"].split(",")) == {"tenant=blue%20sky", "a=1"}


def test_no_propagator(service: str) -> None:
    """With `none` nothing is read and nothing is sent."""
    with serving(service, OTEL_PROPAGATORS="NONE") as (harness, process):
        forwarded = _forwarded(harness, [("traceparent", GIVEN), ("baggage", "a=1")])
        assert not {"traceparent", "tracestate", "baggage", "b3"} & {name.lower() for name, _ in forwarded}
        assert _stop(process) == ""


def test_baggage(service: str) -> None:
    """Baggage goes on as it came, in however many headers: encoding, plus signs and metadata included."""
    with serving(service) as (harness, _):
        forwarded = _forwarded(
            harness, [("Baggage", "a=1+2,b=%C3%A9;secret=1"), ("baggage", "c=x=y"), ("traceparent", GIVEN)]
        )
        (sent,) = [value for name, value in forwarded if name.lower() == "baggage"]
        assert sent == "a=1+2,b=%C3%A9;secret=1,c=x=y"


def test_unsampled(service: str) -> None:
    """user-pain row 22: what is not sampled here goes on with its trace and says so, whoever decided it."""
    variables = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
    with serving(service, **variables) as (harness, _):
        first, second = harness.forward([], calls=2)
        assert first.trace == second.trace
        assert (first.flags & 1, second.flags & 1) == (0, 0)
        (unsampled,) = harness.forward([("traceparent", GIVEN[:-2] + "00"), ("tracestate", "a=1")])
        assert (unsampled.trace, unsampled.flags, unsampled.state) == (TRACE, 0, ["a=1"])
        (sampled,) = harness.forward([("traceparent", GIVEN)])
        assert (sampled.trace, sampled.flags) == (TRACE, 1)


def test_callers_that_are_not_trusted(service: str, sink: Sink, exported: dict[str, str]) -> None:
    """A stranger forces neither trace, nor sampling, nor baggage; the server's span has a link to its context."""
    with serving(service, OTEL_PYTHON_TRUST_REMOTE_PARENT="False", **exported) as (harness, process):
        headers = [("traceparent", GIVEN[:-2] + "00"), ("tracestate", "a=1"), ("baggage", "tenant=evil")]
        forwarded = _forwarded(harness, headers)
        sent = Forwarded.of(forwarded)
        assert sent.trace != TRACE
        assert (sent.flags, sent.state) == (3, [])
        assert not [value for name, value in forwarded if name.lower() == "baggage"]
        spans = sink.wait(lambda spans: len(spans) == 2)
        (server,) = [span for span in spans if span["kind"] == "SERVER"]
        assert (server["trace"], server["parent"]) == (sent.trace, None)
        assert server["links"] == [(TRACE, PARENT)]
        harness.exchange([("traceparent", "nonsense")])
        spans = sink.wait(lambda spans: len(spans) == 4)
        assert [span["links"] for span in spans[2:]] == [[], []]
        said = _stop(process)
        assert said.count("\n") <= 1 and "a traceparent header came in that cannot be read ('nonsense')" in said


def test_hosts(service: str, sink: Sink, exported: dict[str, str]) -> None:
    """Context and baggage are not sent to hosts that are not allowed; the call is traced all the same."""
    with serving(service, OTEL_PYTHON_PROPAGATION_HOSTS="*.internal, !127.*", **exported) as (harness, _):
        forwarded = _forwarded(harness, [("traceparent", GIVEN), ("tracestate", "a=1"), ("baggage", "a=1")])
        assert not {"traceparent", "tracestate", "baggage"} & {name.lower() for name, _ in forwarded}
        spans = sink.wait(lambda spans: len(spans) == 2)
        assert {span["trace"] for span in spans} == {TRACE}
    with serving(service, OTEL_PYTHON_PROPAGATION_HOSTS="!*.example") as (harness, _):
        (sent,) = harness.forward([("traceparent", GIVEN)])
        assert sent.trace == TRACE


def test_baggage_attributes(service: str, sink: Sink, exported: dict[str, str]) -> None:
    """The named baggage entries are on the server's span and on those below it; others, and by default all, are not."""
    headers = [("baggage", "tenant.id=blue,user.name=Ann,secret=1")]
    with serving(service, OTEL_PYTHON_BAGGAGE_SPAN_ATTRIBUTES="tenant.id,user.*", **exported) as (harness, process):
        for span in _spans(sink, harness, headers):
            assert span["attributes"]["tenant.id"] == "blue"
            assert span["attributes"]["user.name"] == "Ann"
            assert "secret" not in span["attributes"]
        assert _stop(process) == ""
    with serving(service, **exported) as (harness, _):
        for span in _spans(sink, harness, headers):
            assert not {"tenant.id", "user.name", "secret"} & set(span["attributes"])


def test_response_header(service: str, sink: Sink, exported: dict[str, str]) -> None:
    """The caller is told trace, span and decision; what the application says itself is left as it is."""
    with serving(service, OTEL_PYTHON_TRACE_RESPONSE_HEADER="traceresponse", **exported) as (harness, _):
        _, answer = harness.exchange([("traceparent", GIVEN)])
        spans = sink.wait(lambda spans: len(spans) == 2)
        (server,) = [span for span in spans if span["kind"] == "SERVER"]
        assert answer.get_all("traceresponse") == [f"00-{TRACE}-{server['id']}-01"]
        assert answer.get_all("access-control-expose-headers") == ["traceresponse"]
        _, unsampled = harness.exchange([("traceparent", GIVEN[:-2] + "00")])
        assert unsampled["traceresponse"].startswith(f"00-{TRACE}-")
        assert unsampled["traceresponse"].endswith("-00")
        mine = {"Traceresponse": "mine", "Access-Control-Expose-Headers": "X-Shop"}
        _, own = harness.exchange([("X-Answer", json.dumps(mine))])
        assert own.get_all("traceresponse") == ["mine"]
        assert own.get_all("access-control-expose-headers") == ["X-Shop"]


def test_server_timing(service: str) -> None:
    """In `Server-Timing` the trace is a metric beside those of the application; by default there is no header."""
    with serving(service, OTEL_PYTHON_TRACE_RESPONSE_HEADER="Server-Timing") as (harness, _):
        mine = {"Server-Timing": "db;dur=53", "Access-Control-Expose-Headers": "*"}
        _, answer = harness.exchange([("traceparent", GIVEN), ("X-Answer", json.dumps(mine))])
        first, second = answer.get_all("server-timing") or ()
        assert first == "db;dur=53"
        assert second.startswith(f"trace;desc=00-{TRACE}-")
        assert answer.get_all("access-control-expose-headers") == ["*"]
    with serving(service) as (harness, _):
        _, answer = harness.exchange([])
        assert not {"traceresponse", "server-timing", "access-control-expose-headers"} & {
            name.lower() for name in answer
        }


def test_wrong_values(service: str) -> None:
    """user-pain row 24: a value that cannot be used is named in one line each, and the service serves."""
    variables = {"OTEL_PYTHON_TRACE_RESPONSE_HEADER": "x-trace", "OTEL_PROPAGATORS": "b4,b5"}
    with serving(service, **variables) as (harness, process):
        (sent,) = harness.forward([("traceparent", GIVEN)])
        assert sent.trace == TRACE
        lines = _stop(process).splitlines()
        assert len(lines) == 2
        assert sum("OTEL_PYTHON_TRACE_RESPONSE_HEADER" in line for line in lines) == 1
        assert sum("'b4', 'b5'" in line for line in lines) == 1
