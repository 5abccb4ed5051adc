"""What a Jaeger sampling endpoint answers, as a rule.

Source: Jaeger's ``api_v2/sampling.proto`` as JSON; OpenTelemetry specification, "JaegerRemoteSampler" (operations are
looked at first, ``strategyType`` is not).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tracing_agent.sampling.probability import ratio_rule, with_threshold
from tracing_agent.sampling.window import Window
from tracing_agent.trace.identity import SAMPLED, Trace
from tracing_agent.trace.rule import Every, Facts, Rule, Undecided

if TYPE_CHECKING:
    from collections.abc import Callable

    Windows = Callable[[float], Window]

# What stands for any segment of a path in the name of an operation: {id}, <int:id>, :id; and for any number of them.
_PARAMETER = re.compile(r"\{[^}/]*\}|<[^>/]*>|(?<=/):\w+")
_MOST_OPERATIONS = 2000
_MOST = 1e9


class Malformed(ValueError):
    """The answer is no strategy."""


def rule_of(answer: Any, window: Windows = Window) -> Rule:
    """The rule of a decoded answer; `Malformed` if there is none. ``window`` makes what admits so many in a second."""
    if not isinstance(answer, dict):
        raise Malformed("it is not an object")
    operations, limited = answer.get("operationSampling"), answer.get("rateLimitingSampling")
    if operations:
        return Operations(_object(operations), window)
    if answer.get("probabilisticSampling") is not None:
        return _probabilistic(answer)
    if limited is not None:
        most = _number(_object(limited), "maxTracesPerSecond", _MOST)
        return AtLeast(Every(False), window(most)) if most else Every(False)
    raise Malformed("it has no strategy")


def _probabilistic(holder: dict[str, Any]) -> Rule:
    return ratio_rule(_number(_object(holder.get("probabilisticSampling") or {}), "samplingRate", 1.0))


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"{str(value)[:40]!r} is not an object")
    return value


def _number(holder: dict[str, Any], name: str, most: float) -> float:
    # Zeros are left out where protobuf is written as JSON.
    value = holder.get(name) or 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= most:
        raise Malformed(f"{name} is {str(value)[:40]!r}")
    return float(value)


class Operations(Rule):
    """A rule for each operation, and one for those not named; of each operation some in a second in any case.

    An operation is found by the span's name, or by method and path: when a request begins its route is not known, so
    that the parameters of a route stand for any segment.
    """

    late = True

    def __init__(self, answer: dict[str, Any], window: Windows = Window) -> None:
        self._other = ratio_rule(_number(answer, "defaultSamplingProbability", 1.0))
        self._least = _number(answer, "defaultLowerBoundTracesPerSecond", _MOST)
        self._window = window
        self._named: dict[str, Rule] = {}
        patterns, self._rules = [], []
        strategies = answer.get("perOperationStrategies") or []
        if not isinstance(strategies, list):
            raise Malformed("perOperationStrategies is no list")
        for strategy in strategies[:_MOST_OPERATIONS]:
            name, rule = str(_object(strategy).get("operation", "")), self._guaranteed(_probabilistic(strategy))
            self._named[name] = rule
            if _PARAMETER.search(name):
                patterns.append(f"({_pattern(name)})")
                self._rules.append(rule)
        self._matches = re.compile("|".join(patterns)).fullmatch if patterns else None
        self._other = self._guaranteed(self._other)

    def _guaranteed(self, rule: Rule) -> Rule:
        return AtLeast(rule, self._window(self._least)) if self._least else rule

    def trace(self, id: int, random: int, state: str) -> Trace:
        return Undecided(self, id, random, state)

    def settle(self, waiting: Undecided, facts: Facts) -> Trace:
        return self._of(facts).trace(waiting.id, waiting.flags, waiting.state)

    def _of(self, facts: Facts) -> Rule:
        rule = self._named.get(facts.name)
        if rule is not None:
            return rule
        path = facts.attributes.get("url.path")
        if not path:
            return self._other
        operation = f"{facts.attributes.get('http.request.method', '')} {path}"
        for name in (operation, path):
            rule = self._named.get(name)
            if rule is not None:
                return rule
            found = None if self._matches is None else self._matches(name)
            if found is not None and found.lastindex:
                return self._rules[found.lastindex - 1]
        return self._other


class AtLeast(Rule):
    """A rule, and beyond it as many in a second as a window admits: with what probability nobody knows."""

    def __init__(self, rule: Rule, window: Window) -> None:
        self._rule = rule
        self._window = window

    def trace(self, id: int, random: int, state: str) -> Trace:
        trace = self._rule.trace(id, random, state)
        admitted = self._window.admits()
        if trace.recorded:
            return trace
        return Trace(id, random | SAMPLED if admitted else random, with_threshold(state, None), admitted)


def _pattern(name: str) -> str:
    parts, end = [], 0
    for found in _PARAMETER.finditer(name):
        parts += [re.escape(name[end : found.start()]), ".+" if "path" in found[0] and ":" in found[0] else "[^/]+"]
        end = found.end()
    return "".join(parts) + re.escape(name[end:])
