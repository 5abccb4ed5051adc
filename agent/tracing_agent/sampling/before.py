"""What comes before the sampler, from the settings: the owner's rules, and the cap of new traces per second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracing_agent.faults import WARN, say
from tracing_agent.sampling.asked import Asked
from tracing_agent.sampling.capped import Capped
from tracing_agent.sampling.own import Own
from tracing_agent.sampling.ruled import Ruled
from tracing_agent.sampling.rules import written
from tracing_agent.sampling.window import Window
from tracing_agent.trace.sdk import plain_rule

if TYPE_CHECKING:
    from tracing_agent.config_sampling import Sampling
    from tracing_agent.trace.rule import Rule
    from tracing_agent.trace.sdk import sampling

_FEWEST, _MOST = 0.001, 1e6


def before(settings: Sampling, sampler: sampling.Sampler) -> sampling.Sampler:
    """``sampler`` behind the rules and the cap that can be used; itself where none can."""
    rules = written(settings.rules, _rejected)
    per_second = _per_second(settings.per_second)
    if not rules and not per_second:
        return sampler
    rule: Rule = plain_rule(sampler) or Asked(sampler)
    description, cap = sampler.get_description(), None
    if per_second:
        rule = cap = Capped(rule, Window(per_second))
        description = f"{description} at most {per_second:g}/s"
    if rules:
        rule = Ruled(rules, rule, cap)
        description = f"{'; '.join(one.text for one in rules)}; else {description}"
    return Own(rule, description)


def _rejected(number: int, rule: str, why: str) -> None:
    say(WARN, f"OTEL_PYTHON_TRACES_RULES: rule {number} ({rule!r}) is left out: {why}")


def _per_second(text: str) -> float:
    if not text:
        return 0.0
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if _FEWEST <= number <= _MOST:
        return number
    say(
        WARN,
        f"OTEL_PYTHON_TRACES_PER_SECOND={text!r} is not a number from {_FEWEST:g} to {_MOST:g}; using no cap instead",
    )
    return 0.0
