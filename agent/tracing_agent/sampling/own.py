"""Our rules as samplers of the SDK: for a program that looks at its provider's sampler, or uses it elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import get_current_span

from tracing_agent.propagation.tracestate import trace_state
from tracing_agent.trace.identity import RANDOM, SAMPLED, Trace
from tracing_agent.trace.rule import Facts, Rule, Undecided
from tracing_agent.trace.sdk import sampling

if TYPE_CHECKING:
    from opentelemetry.trace import SpanKind, TraceState

    from tracing_agent.trace.sdk import Context


class Own(sampling.Sampler):
    """A sampler that does what ``rule`` says. Our engine asks the rule itself."""

    def __init__(self, rule: Rule, description: str) -> None:
        self.rule = rule
        self._description = description

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Any = None,
        trace_state: TraceState | None = None,
    ) -> sampling.SamplingResult:
        """See the SDK's sampler; a span that is not sampled is dropped."""
        up = get_current_span(parent_context).get_span_context()
        if up.is_valid:
            flags = int(up.trace_flags) & (SAMPLED | RANDOM)
            parent = Trace(trace_id, flags, up.trace_state.to_header(), bool(flags & SAMPLED))
            followed = self.rule.parented or (self.rule.within and not up.is_remote)
            trace = parent if followed else self.rule.below(parent, up)
        else:
            trace = self.rule.trace(trace_id, 0, "")
        if type(trace) is Undecided:
            trace = trace.settled(Facts(name, kind, attributes or {}, {}))
        return _result(trace, attributes)

    def get_description(self) -> str:
        return self._description


def _result(trace: Trace, attributes: Any) -> sampling.SamplingResult:
    decision = sampling.Decision.RECORD_AND_SAMPLE if trace.flags & SAMPLED else sampling.Decision.DROP
    return sampling.SamplingResult(decision, attributes if trace.flags & SAMPLED else None, trace_state(trace.state))
