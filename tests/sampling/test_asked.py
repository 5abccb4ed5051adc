"""What the program's own samplers are told of a span that an instrumentation begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import SpanContext, SpanKind

from support.recorder import Recorder
from tracing_agent.operation import Operation
from tracing_agent.trace.begin import admit, receiver

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Asked(Sampler):
    """Samples everything; keeps the parent, the attributes and the links that it was asked with."""

    def __init__(self) -> None:
        self.parents: list[SpanContext] = []
        self.attributes: list[Any] = []
        self.links: list[Any] = []

    def should_sample(  # type: ignore[override]  # samplers in the field have the six arguments, by any name
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Any = None,
    ) -> SamplingResult:
        parent = trace.get_current_span(parent_context).get_span_context()
        self.parents.append(parent)
        self.attributes.append(dict(attributes))
        self.links.append(links)
        return SamplingResult(Decision.RECORD_AND_SAMPLE, trace_state=parent.trace_state)

    def get_description(self) -> str:
        return "Asked"


@pytest.fixture
def served() -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Serves one request of Flask under a sampler; the spans that came of it."""
    recorders: list[Recorder] = []

    def serve(sampler: Sampler, *headers: tuple[str, str], formats: tuple[str, ...] = ("tracecontext",)) -> Any:
        recorder = Recorder(sampler, formats)
        recorders.append(recorder)
        recorder.patch("flask")
        application = flask.Flask(__name__)
        application.add_url_rule("/work", view_func=lambda: "done")
        assert application.test_client().get("/work", headers=list(headers)).status_code == 200
        recorder.undo()
        return recorder.finished

    yield serve
    for recorder in recorders:
        recorder.undo()


def traceparent(flags: str) -> tuple[str, str]:
    return "traceparent", f"00-{TRACE}-{PARENT}-{flags}"


def test_the_remote_parent(served: Callable[..., Any]) -> None:
    """A custom sampler finds the caller's identity, flags and tracestate in the context that it is given."""
    sampler = Asked()
    (span,) = served(sampler, traceparent("03"), ("tracestate", "vendor=1"))
    (parent,) = sampler.parents
    assert (f"{parent.trace_id:032x}", f"{parent.span_id:016x}", parent.is_remote) == (TRACE, PARENT, True)
    assert (int(parent.trace_flags), parent.trace_state.to_header()) == (3, "vendor=1")
    assert sampler.attributes[0]["url.path"] == "/work"
    assert (span.trace.id, span.trace.flags, span.trace.state) == (int(TRACE, 16), 3, "vendor=1")


@pytest.mark.parametrize("root", [ALWAYS_ON, ALWAYS_OFF], ids=["on", "off"])
@pytest.mark.parametrize("flags", ["00", "01"])
def test_the_callers_decision(served: Callable[..., Any], root: Sampler, flags: str) -> None:
    """A parent-based sampler with a sampler of the program inside decides as the caller did."""

    class Own(Asked):
        def should_sample(self, *given: Any, **named: Any) -> SamplingResult:
            return root.should_sample(*given, **named)

    assert len(served(ParentBased(Own()), traceparent(flags))) == int(flags)


def test_no_parent_but_a_trace(served: Callable[..., Any]) -> None:
    """A caller that leaves the decision to the service (B3) is no parent to a sampler, and its trace goes on."""
    sampler = Asked()
    (span,) = served(sampler, ("b3", f"{TRACE}-{PARENT}"), formats=("b3",))
    assert not sampler.parents[0].is_valid
    assert (span.trace.id, span.parent.span_id) == (int(TRACE, 16), int(PARENT, 16))


def test_debug_is_handed_on(served: Callable[..., Any]) -> None:
    """The caller's wish that every service records a trace (B3 debug) outlives the question to a sampler."""
    (span,) = served(Asked(), ("b3", f"{TRACE}-{PARENT}-d"), formats=("b3",))
    assert span.trace.debug


def test_links() -> None:
    """A custom sampler is told of the links that a span begins with."""
    recorder, sampler = Recorder(), Asked()
    recorder.engine.sampled_by(sampler)
    span: Any = receiver(recorder.engine, Operation("test", "receive", SpanKind.CONSUMER))(None)
    span.add_link(SpanContext(7, 8, is_remote=True))
    admit(recorder.engine, span)
    ((link,),) = sampler.links
    assert (link.context.trace_id, link.context.span_id) == (7, 8)
