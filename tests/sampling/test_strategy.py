"""Strategies of a sampling endpoint: which rule an answer is, and what the rule decides."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from opentelemetry.trace import SpanKind

from tracing_agent.sampling.strategy import Malformed, rule_of
from tracing_agent.sampling.window import Window
from tracing_agent.trace.identity import Trace
from tracing_agent.trace.rule import Facts, Undecided

draw = Random(11).getrandbits


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def window(self, per_second: float) -> Window:
        """A window by this clock that draws everything."""
        return Window(per_second, self, lambda: 0.0)


def decided(rule: Any, name: str = "GET", path: str = "", number: int = 1, state: str = "") -> list[Trace]:
    traces = []
    for _ in range(number):
        trace = rule.trace(draw(128), 2, state)
        if type(trace) is Undecided:
            attributes = {"http.request.method": "GET", "url.path": path} if path else {}
            trace = trace.settled(Facts(name, SpanKind.SERVER, attributes, {}))
        traces.append(trace)
    return traces


def share(traces: list[Trace]) -> float:
    return sum(trace.recorded for trace in traces) / len(traces)


@pytest.mark.parametrize("kind", [0, "PROBABILISTIC", None])
def test_probabilistic(kind: Any) -> None:
    """A probability is kept, whatever the type is said to be, and told in the tracestate."""
    traces = decided(rule_of({"strategyType": kind, "probabilisticSampling": {"samplingRate": 0.25}}), number=4000)
    assert abs(share(traces) - 0.25) < 0.03
    assert {trace.state for trace in traces if trace.recorded} == {"ot=th:c"}


@pytest.mark.parametrize("answer", [{"samplingRate": 0}, {}])
def test_probability_of_nothing(answer: dict[str, Any]) -> None:
    """A rate of zero, which protobuf's JSON leaves out, samples nothing."""
    assert share(decided(rule_of({"probabilisticSampling": answer}), number=50)) == 0


def test_rate_limiting() -> None:
    """So many traces in a second are sampled, however many there are, with no probability told."""
    clock = Clock()
    rule = rule_of({"strategyType": "RATE_LIMITING", "rateLimitingSampling": {"maxTracesPerSecond": 5}}, clock.window)
    first = decided(rule, number=100, state="v=1,ot=th:8")
    assert sum(trace.recorded for trace in first) == 5
    assert {trace.state for trace in first} == {"v=1"}
    clock.now += 1
    assert sum(trace.recorded for trace in decided(rule, number=100)) == 5
    assert share(decided(rule_of({"rateLimitingSampling": {}}, clock.window), number=100)) == 0


OPERATIONS = {
    "probabilisticSampling": {"samplingRate": 1.0},
    "operationSampling": {
        "defaultSamplingProbability": 0,
        "perOperationStrategies": [
            {"operation": "nightly job", "probabilisticSampling": {"samplingRate": 1}},
            {"operation": "GET /users/{id}", "probabilisticSampling": {"samplingRate": 1}},
            {"operation": "/items/<int:id>/parts", "probabilisticSampling": {"samplingRate": 1}},
            {"operation": "GET /files/{name:path}", "probabilisticSampling": {"samplingRate": 1}},
            {"operation": "GET /half", "probabilisticSampling": {"samplingRate": 0.5}},
        ],
    },
}


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("nightly job", "", 1),
        ("GET", "/users/7", 1),
        ("GET", "/users/7/posts", 0),
        ("GET", "/users/", 0),
        ("GET", "/items/7/parts", 1),
        ("GET", "/files/a/b/c", 1),
        ("GET", "/other", 0),
        ("other", "", 0),
    ],
)
def test_operations(name: str, path: str, expected: float) -> None:
    """Operations come before other strategies; found by name, or by method and path where no route is known."""
    assert share(decided(rule_of(OPERATIONS), name, path)) == expected


def test_share_of_an_operation() -> None:
    """The probability of an operation is kept."""
    assert abs(share(decided(rule_of(OPERATIONS), "GET", "/half", 2000)) - 0.5) < 0.05


def test_least_of_an_operation() -> None:
    """Each operation has its lower bound of traces a second, those not named one together; of unknown probability."""
    clock = Clock()
    answer = {
        "defaultSamplingProbability": 0.0,
        "defaultLowerBoundTracesPerSecond": 2,
        "perOperationStrategies": [{"operation": "rare", "probabilisticSampling": {"samplingRate": 0.0}}],
    }
    rule = rule_of({"operationSampling": answer}, clock.window)
    for name in ("rare", "one", "another"):
        traces = decided(rule, name, number=50)
        assert sum(trace.recorded for trace in traces) == (0 if name == "another" else 2)
        assert {trace.state for trace in traces} == {""}
    clock.now += 1
    assert [sum(trace.recorded for trace in decided(rule, name, number=50)) for name in ("rare", "one")] == [2, 2]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "x",
        {},
        {"strategyType": 0},
        {"probabilisticSampling": {"samplingRate": 1.5}},
        {"probabilisticSampling": {"samplingRate": "much"}},
        {"probabilisticSampling": {"samplingRate": True}},
        {"probabilisticSampling": 1},
        {"rateLimitingSampling": {"maxTracesPerSecond": -1}},
        {"operationSampling": {"defaultSamplingProbability": 2}},
        {"operationSampling": {"perOperationStrategies": {"a": 1}}},
        {"operationSampling": {"perOperationStrategies": [1]}},
        {"operationSampling": {"perOperationStrategies": [{"probabilisticSampling": {"samplingRate": -1}}]}},
    ],
)
def test_malformed(answer: Any) -> None:
    """What is no strategy is refused whole, with a reason."""
    with pytest.raises(Malformed, match=r".+"):
        rule_of(answer)
