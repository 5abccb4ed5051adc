"""What a server believes of what its callers send along, as the program's owner decided: chosen when it is patched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.trace.rule import Undecided
from tracing_agent.trace.sdk import BAGGAGE_KEY, current
from tracing_agent.trace.span import Trace, span_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.propagation.remote import Remote
    from tracing_agent.propagation.selected import Selected
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.span import Dropped, Span

    Begin = Callable[[Any], Span | Dropped | None]
    Baggage = Callable[[Any], dict[str, str] | None]
    Describe = Callable[[Any, dict[str, Any], Any], None]


def believed(engine: Engine, begin: Begin, baggage: Baggage, describe: Describe) -> tuple[Begin, Baggage, Describe]:
    """The functions of a server that begin a request's span, read its baggage and describe it, as they are to be used.

    Callers that are not trusted get a trace of ours with a link to theirs, and their baggage is not taken. Selected
    baggage entries are put onto the span.
    """
    carrier = engine.carrier
    if not carrier.trusts:
        begin, baggage = _linked(begin), nothing
    if carrier.copied is not None:
        describe = _with_baggage(describe, baggage, carrier.copied)
    return begin, baggage, describe


def telling(describe: Describe, names: dict[Any, str], text: Callable[[Any], str]) -> Describe:
    """``describe``, which tells a span that is not decided yet of the headers that decide as well.

    ``names`` are those by the keys that they have among a request's headers, ``text`` gives what stands there as text.
    """

    def described(span: Span, request: dict[str, Any], headers: Any) -> None:
        describe(span, request, headers)
        if type(span.trace) is Undecided:
            span.__dict__["sent"] = {name: text(headers[key]) for key, name in names.items() if key in headers}

    return described if names else describe


def nothing(headers: Any) -> None:
    """What is read of headers that are not to be believed."""


def _linked(begin: Begin) -> Begin:
    def begun(remote: Remote | None) -> Span | Dropped | None:
        span = begin(None)
        if remote is not None and remote.trace_id and span is not None and span.recording:
            trace = Trace(remote.trace_id, remote.flags, remote.state, False)
            span.add_link(span_context(trace, remote.span_id, is_remote=True))
        return span

    return begun


def _with_baggage(describe: Describe, baggage: Baggage, copied: Selected) -> Describe:
    def described(span: Span, request: dict[str, Any], headers: Any) -> None:
        describe(span, request, headers)
        entries: Any = baggage(headers) or current().get(BAGGAGE_KEY)
        if entries:
            copied.onto(span.set_attribute, entries)

    return described
