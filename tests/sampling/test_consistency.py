"""Whole traces: through several services the first one decides, and what the spans say of probability adds up."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import SpanKind

from support.recorder import Recorder
from tracing_agent.config import Settings
from tracing_agent.operation import Operation
from tracing_agent.sampling.configured import engine_of, sampler_of
from tracing_agent.trace.begin import admit, enter, leave, receiver
from tracing_agent.trace.carrier import Carrier
from tracing_agent.trace.limits import limits_of
from tracing_agent.trace.provider import TracerProvider
from tracing_agent.trace.span import Span

SAMPLERS = {
    "ratio": {"TRACES_SAMPLER": "parentbased_traceidratio", "TRACES_SAMPLER_ARG": "0.2"},
    "kept": {
        "TRACES_SAMPLER": "parentbased_traceidratio",
        "TRACES_SAMPLER_ARG": "0.2",
        "PYTHON_TRACES_KEEP": "slow:600000",
    },
    "capped": {"PYTHON_TRACES_PER_SECOND": "20"},
    "ruled": {"PYTHON_TRACES_RULES": "drop /a*; 30% /b*; keep /c*", "TRACES_SAMPLER": "parentbased_always_off"},
    "all": {
        "PYTHON_TRACES_RULES": "30% /b*",
        "PYTHON_TRACES_PER_SECOND": "100",
        "TRACES_SAMPLER": "parentbased_traceidratio",
        "TRACES_SAMPLER_ARG": "0.5",
        "PYTHON_TRACES_KEEP": "errors",
    },
}


class Drawn(IdGenerator):
    """Ids drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.bits = Random(seed).getrandbits

    def generate_trace_id(self) -> int:
        return self.bits(128) or 1

    def generate_span_id(self) -> int:
        return self.bits(64) or 1

    def is_trace_id_random(self) -> bool:
        return True


class Service:
    """One of several services with the same settings: serves a request and calls the next."""

    def __init__(self, seed: int, variables: dict[str, str]) -> None:
        settings = Settings({f"OTEL_{name}": value for name, value in variables.items()})
        assert settings.rejected == settings.hints == []
        self.provider = TracerProvider(
            sampler=sampler_of(settings.sampling, str),
            made=engine_of(settings.sampling),
            id_generator=Drawn(seed),
            span_limits=limits_of(settings),
            carrier=Carrier(),
            shutdown_on_exit=False,
        )
        self.engine = self.provider.engine
        self.sent: list[Span] = []
        self.engine.deliver(self.sent.append)
        self.begin = receiver(self.engine, Operation("test", "GET", SpanKind.SERVER))

    def serve(self, path: str, headers: dict[str, str]) -> dict[str, str]:
        """Serve ``path``; the headers that the next service gets."""
        remote = self.engine.carrier.extract(lambda name: [headers[name]] if name in headers else [])
        span: Any = self.begin(remote)
        if span.recording:
            span.values = {"http.request.method": "GET", "url.path": path}
            span = admit(self.engine, span) if self.engine.deferred else span
        token = enter(span)
        with self.provider.get_tracer("program").start_as_current_span("inner") as inner:
            out: dict[str, str] = {}
            self.engine.carrier.inject(inner, out.__setitem__)  # type: ignore[arg-type]
        leave(token)
        if span.recording:
            span.end()
        return out


def chain(variables: dict[str, str], number: int) -> Iterator[tuple[list[Service], list[dict[str, str]]]]:
    """Send requests through three services; after each: the services, and the headers that each sent on."""
    services = [Service(seed, variables) for seed in (1, 2, 3)]
    for index in range(number):
        headers: dict[str, str] = {}
        sent = []
        for service in services:
            headers = service.serve(f"/{'abcd'[index % 4]}/x", headers)
            sent.append(headers)
        yield services, sent


@pytest.mark.parametrize("variables", SAMPLERS.values(), ids=SAMPLERS)
def test_all_or_nothing(variables: dict[str, str]) -> None:
    """Of each trace either every span of every service is sent or none is, and every hop says the same of it."""
    before = [0, 0, 0]
    seen = set()
    for services, sent in chain(variables, 400):
        now = [len(service.sent) for service in services]
        added = {after - earlier for after, earlier in zip(now, before, strict=True)}
        before = now
        assert added in ({0}, {2})
        assert len({headers["traceparent"][:36] for headers in sent}) == 1
        assert {headers["traceparent"][-2:] for headers in sent} == {"03" if added == {2} else "02"}
        assert len({headers.get("tracestate", "") for headers in sent}) == 1
        seen |= added
    assert seen == {0, 2}


def adjusted(spans: list[Span]) -> float:
    """How many spans there were, as those that were sent say by ``th``."""
    total = 0.0
    for span in spans:
        _, _, said = span.trace.state.partition("th:")
        total += 2**56 / (2**56 - int(said.ljust(14, "0"), 16))
    return total


@pytest.mark.parametrize("ratio", ["0.05", "0.2", "0.75", "1"])
def test_adjusted_counts(ratio: str) -> None:
    """What the sent spans say of their probability gives the number of all requests, within four deviations."""
    service = Service(5, {"TRACES_SAMPLER": "parentbased_traceidratio", "TRACES_SAMPLER_ARG": ratio})
    number = 4000
    for _ in range(number):
        service.serve("/x", {})
    share = float(ratio)
    deviation = (number * (1 - share) / share) ** 0.5
    assert abs(adjusted([span for span in service.sent if span.name == "GET"]) - number) <= 4 * deviation + 1e-6


def test_kept_traces_claim_no_probability() -> None:
    """What is kept for its errors says nothing of probability, so that counts from the others stay right."""
    variables = {"TRACES_SAMPLER": "parentbased_traceidratio", "TRACES_SAMPLER_ARG": "0.2"}
    service = Service(5, {**variables, "PYTHON_TRACES_KEEP": "slow:0"})
    for _ in range(500):
        service.serve("/x", {})
    kept = [span for span in service.sent if "tracing_agent.kept" in span.values]
    others = [span for span in service.sent if "tracing_agent.kept" not in span.values]
    assert len(service.sent) == 1000
    assert {(span.trace.flags, span.trace.state) for span in kept} == {(2, "")}
    assert {(span.trace.flags, span.trace.state) for span in others} == {(3, "ot=th:cccd")}


def test_no_more_is_called_for_a_dropped_request() -> None:
    """Beginning a request that a plain sampler drops calls what its ids and its identity need, and nothing else."""
    recorder = Recorder(sampler_of(Settings({"OTEL_TRACES_SAMPLER": "always_off"}).sampling, str))
    begin = receiver(recorder.engine, Operation("test", "GET", SpanKind.SERVER))
    begin(None)
    called: list[str] = []

    def profile(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            called.append(frame.f_code.co_name)

    sys.setprofile(profile)
    try:
        begin(None)
    finally:
        sys.setprofile(None)
    assert called == ["begin", "generate_trace_id", "generate_span_id", "__init__"]
