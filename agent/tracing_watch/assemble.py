"""Puts spans of many processes together into traces, and decides when a trace is finished.

No I/O and no clock: the caller hands in the time (seconds, any monotonic origin). OTLP has no "end of trace":
a trace is taken as finished when nothing new has come for a while; how long depends on what is still missing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from tracing_watch.model import Kind, Span, Trace


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds without a new span after which a trace is finished."""

    complete: float = 0.3
    """Every parent is here, and so is every service that was called."""
    called: float = 1.5
    """Something was called over the network that may send spans too, or may not be traced at all."""
    parent: float = 6.0
    """A parent in another process, or a service known to send spans, is missing; exporters may wait 5 s."""
    local_parent: float = 30.0
    """A parent in the same process is missing: it has not ended yet."""
    longest: float = 120.0
    """Since the first span, even when new ones keep coming."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what is kept; a trace that has to make room is finished early, not lost."""

    traces: int = 1_000
    spans_per_trace: int = 10_000
    size: int = 256 * 2**20
    """Bytes of memory for their spans, estimated."""
    finished: int = 200
    """Finished traces that are kept for late spans."""
    finished_size: int = 32 * 2**20
    peers: int = 1_000


# A decoded span of 20 attributes takes about this many bytes beyond twice its size in OTLP.
SPAN_OVERHEAD = 2_000

# Attributes of calls that can carry the trace to what they call.
CONTINUABLE = frozenset({"http.request.method", "http.method", "rpc.system.name", "rpc.system"})


@dataclass(slots=True)
class _Pending:
    first: float
    last: float
    spans: dict[str, Span] = field(default_factory=dict)
    shown_before: frozenset[str] = frozenset()
    left_out: int = 0
    size: int = 0
    missing: dict[str, bool] = field(default_factory=dict)
    """Parent ids that have not arrived: whether the parent is in another process."""
    called: dict[str, str] = field(default_factory=dict)
    """Outgoing calls by span id: the address called."""
    answered: set[str] = field(default_factory=set)
    """Span ids that a span of another process has as its parent."""
    unanswered: set[str] = field(default_factory=set)
    """Calls that a span of the called service is awaited for."""


class Assembly:
    """Traces in the making, and the recently finished ones, to which late spans belong."""

    def __init__(self, patience: Patience | None = None, limits: Limits | None = None) -> None:
        self._patience = patience or Patience()
        self._limits = limits or Limits()
        self._pending: OrderedDict[str, _Pending] = OrderedDict()
        self._finished: OrderedDict[str, _Pending] = OrderedDict()
        self._crowded_out: list[Trace] = []
        self._size = self._finished_size = 0
        # Addresses whose services have sent spans of their own: worth waiting for.
        self._tracing_peers: set[str] = set()

    def add(self, spans: Iterable[Span], now: float) -> None:
        """Takes spans in any order; one that was sent twice counts once."""
        for span in spans:
            known = self._pending.get(span.trace_id) or self._finished.get(span.trace_id)
            if known is not None and span.span_id in known.spans:
                continue
            pending = self._pending.get(span.trace_id) or self._open(span.trace_id, now)
            pending.last = now
            if len(pending.spans) >= self._limits.spans_per_trace and span.parent_id:
                pending.left_out += 1
                continue
            self._insert(pending, span)
        self._make_room()

    def due(self, now: float) -> list[Trace]:
        """Takes out the traces that are finished by now, the one begun first leading."""
        finished = [trace_id for trace_id, pending in self._pending.items() if self._due_at(pending) <= now]
        return self._taken(finished)

    def next_due(self) -> float | None:
        """When `due` should be asked next if nothing arrives; None for "not before something arrives"."""
        if self._crowded_out:
            return 0.0
        return min((self._due_at(pending) for pending in self._pending.values()), default=None)

    def drain(self) -> list[Trace]:
        """Takes out every trace, finished or not, in the same order."""
        return self._taken(list(self._pending))

    def _taken(self, trace_ids: list[str]) -> list[Trace]:
        traces, self._crowded_out = self._crowded_out, []
        traces += [self._finish(trace_id) for trace_id in trace_ids]
        # They came by instrumentation scope, as exporters group spans.
        return sorted(traces, key=lambda trace: min((span.start for span in trace.spans), default=0))

    def incomplete(self) -> bool:
        """Whether spans are missing that do exist: parents, or those of services known to send spans."""
        return any(pending.missing or self._awaits_peer(pending) for pending in self._pending.values())

    def _open(self, trace_id: str, now: float) -> _Pending:
        pending = self._finished.pop(trace_id, None)
        if pending is None:
            pending = _Pending(now, now)
        else:
            pending.first = pending.last = now
            self._finished_size -= pending.size
            self._size += pending.size
        self._pending[trace_id] = pending
        return pending

    def _insert(self, pending: _Pending, span: Span) -> None:
        pending.spans[span.span_id] = span
        weight = SPAN_OVERHEAD + 2 * span.size
        pending.size += weight
        self._size += weight
        pending.missing.pop(span.span_id, None)
        remote = _comes_from_outside(span)
        if span.parent_id and span.parent_id not in pending.spans:
            pending.missing[span.parent_id] = remote
        if remote:
            pending.answered.add(span.parent_id)
            self._learn(pending, span.parent_id)
        address = _called_address(span)
        if address is not None:
            pending.called[span.span_id] = address
            pending.unanswered.add(span.span_id)
            if span.span_id in pending.answered:
                self._learn(pending, span.span_id)

    def _learn(self, pending: _Pending, call: str) -> None:
        pending.unanswered.discard(call)
        if call in pending.called and len(self._tracing_peers) < self._limits.peers:
            self._tracing_peers.add(pending.called[call])

    def _due_at(self, pending: _Pending) -> float:
        patience = self._patience
        if not all(pending.missing.values()):
            wait = patience.local_parent
        elif pending.missing or self._awaits_peer(pending):
            wait = patience.parent
        elif pending.unanswered:
            wait = patience.called
        else:
            wait = patience.complete
        return min(pending.last + wait, pending.first + patience.longest)

    def _awaits_peer(self, pending: _Pending) -> bool:
        return any(pending.called[call] in self._tracing_peers for call in pending.unanswered)

    def _finish(self, trace_id: str) -> Trace:
        pending = self._pending.pop(trace_id)
        trace = Trace(trace_id, tuple(pending.spans.values()), pending.shown_before, pending.left_out)
        # What did not come by now is not waited for again when a late span reopens the trace.
        pending.missing.clear()
        pending.unanswered.clear()
        pending.left_out = 0
        pending.shown_before = frozenset(pending.spans)
        self._finished[trace_id] = pending
        self._size -= pending.size
        self._finished_size += pending.size
        self._forget()
        return trace

    def _make_room(self) -> None:
        limits = self._limits
        while len(self._pending) > limits.traces or self._size > limits.size:
            self._crowded_out.append(self._finish(next(iter(self._pending))))

    def _forget(self) -> None:
        limits = self._limits
        while len(self._finished) > limits.finished or self._finished_size > limits.finished_size:
            _, pending = self._finished.popitem(last=False)
            self._finished_size -= pending.size


def _comes_from_outside(span: Span) -> bool:
    """Whether the parent is in another process; older exporters do not say, then the kind does."""
    if not span.parent_id:
        return False
    if span.parent_is_remote is not None:
        return span.parent_is_remote
    return span.kind in (Kind.SERVER, Kind.CONSUMER)


def _called_address(span: Span) -> str | None:
    """Where an outgoing call went whose receiver may continue the trace; None for databases and all else."""
    attributes = span.attributes
    if span.kind == Kind.PRODUCER:
        return f"topic {attributes.get('messaging.destination.name')!r}"
    if span.kind == Kind.CLIENT and not CONTINUABLE.isdisjoint(attributes):
        return f"{attributes.get('server.address')!r} {attributes.get('server.port')!r}"
    return None
