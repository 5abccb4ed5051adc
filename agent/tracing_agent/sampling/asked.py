"""A sampler that we do not know, as a rule: asked for new traces once the first span is described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import NonRecordingSpan

from tracing_agent.trace.engine import DROP, SAMPLE
from tracing_agent.trace.identity import RANDOM, SAMPLED, Trace, span_context
from tracing_agent.trace.rule import Facts, Rule, Undecided
from tracing_agent.trace.sdk import SPAN_KEY, Context

if TYPE_CHECKING:
    from tracing_agent.trace.sdk import sampling


class Asked(Rule):
    """Asks ``sampler`` for local roots: it decides whether to follow a caller; spans below follow their root.

    Attributes of its answers are not taken: what stands between changes them into a plain decision.
    """

    within = late = True

    def __init__(self, sampler: sampling.Sampler) -> None:
        self._sampler = sampler

    def trace(self, id: int, random: int, state: str) -> Trace:
        return Undecided(self, id, random, state)

    def below(self, parent: Trace, up: Any) -> Trace:
        if not up.is_remote:
            return parent
        return Undecided(self, parent.id, parent.flags & RANDOM, parent.state, parent, up)

    def settle(self, waiting: Undecided, facts: Facts) -> Trace:
        context = Context()
        if waiting.remote is not None:
            identity = span_context(waiting.remote, waiting.up.span_id, is_remote=True)
            context = Context({SPAN_KEY: NonRecordingSpan(identity)})
        result = self._sampler.should_sample(context, waiting.id, facts.name, facts.kind, facts.attributes, ())
        flags = waiting.flags & RANDOM | (SAMPLED if result.decision is SAMPLE else 0)
        state = result.trace_state.to_header() if result.trace_state else ""
        return Trace(waiting.id, flags, state, result.decision is not DROP, waiting.debug)
