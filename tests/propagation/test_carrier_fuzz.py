"""What no header can do to the carrier that drivers use: make it raise, take memory, or send what is no header."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import context
from opentelemetry.context.context import Context

from propagation.headers import NASTY
from propagation.test_fuzz import _check, _sendable, header, ids, thorough
from tracing_agent.propagation.names import BAGGAGE, FORMATS
from tracing_agent.propagation.response import NAMES, ResponseHeader
from tracing_agent.trace.carrier import Carrier
from tracing_agent.trace.identity import Dropped, Trace
from tracing_agent.trace.sdk import BAGGAGE_KEY

NAMED = (*FORMATS, BAGGAGE)
HEADERS = sorted({field for format in FORMATS.values() for field in format.fields} | {"baggage", "uberctx-a"})
chosen = st.lists(st.sampled_from(NAMED), unique=True)
environs = st.dictionaries(
    st.sampled_from([f"HTTP_{name.upper().replace('-', '_')}" for name in HEADERS]) | st.just("HTTP_OT_BAGGAGE_B"),
    header,
)


@thorough
@given(chosen, environs)
def test_a_request(names: list[str], environ: dict[str, str]) -> None:
    """Whatever a request carries, reading it gives a valid context or none, and what it gives can be sent on."""
    carrier = Carrier(names)
    remote = carrier.from_environ(environ)
    _check(remote)
    baggage = carrier.baggage_from_environ(environ)
    assert baggage is None or (1 <= len(baggage) <= 3 * 64)
    if remote is None or not remote.trace_id:
        return
    written: dict[str, str] = {}
    identity = Dropped(Trace(remote.trace_id, remote.flags, remote.state, True, remote.debug), remote.span_id)
    token = context.attach(Context({BAGGAGE_KEY: baggage or {}}))
    try:
        carrier.inject(identity, written.__setitem__)
    finally:
        context.detach(token)
    for name, value in written.items():
        assert _sendable(value), (name, value)
        assert name in carrier.fields or name.startswith(("uberctx-", "ot-baggage-"))
    again = carrier.from_environ({"HTTP_" + name.upper().replace("-", "_"): value for name, value in written.items()})
    # Only the low half of a trace id survives ottrace, and Jaeger knows no random flag.
    if not carrier.plain:
        assert again is None or again.span_id == remote.span_id
    else:
        assert again is not None
        assert (again.trace_id, again.span_id, again.flags) == (remote.trace_id, remote.span_id, remote.flags)
        assert again.state == remote.state


@thorough
@given(chosen, *ids, st.dictionaries(st.text(), st.text() | st.integers()))
def test_an_application(names: list[str], trace_id: int, span_id: int, entries: dict[str, object]) -> None:
    """Whatever baggage the application keeps, what is sent are headers that a client may send."""
    written: dict[str, str] = {}
    token = context.attach(Context({BAGGAGE_KEY: entries}))
    try:
        Carrier(names).inject(Dropped(Trace(trace_id, 1, "", True), span_id), written.__setitem__)
    finally:
        context.detach(token)
    for name, value in written.items():
        assert _sendable(name)
        assert _sendable(value)
        assert len(value) <= 8192


@thorough
@given(st.sampled_from(list(NAMES.values())), st.lists(st.tuples(header, header)))
def test_an_answer(name: str, headers: list[tuple[str, str]]) -> None:
    """Whatever headers an application answers with, they stay, and at most two are added."""
    before = list(headers)
    added = ResponseHeader(name).added("00-1-2-01", headers)
    assert headers == before
    assert len(added) <= 2


@pytest.mark.parametrize("name", NAMED)
def test_memory_is_bounded(name: str) -> None:
    """A request with headers of a megabyte each, or with a hundred thousand of them, takes no such memory."""
    carrier = Carrier((name,))
    large = {f"HTTP_{header.upper().replace('-', '_')}": "a=1," * 250_000 for header in HEADERS}
    many = {f"HTTP_{prefix}{number}": "v" for number in range(50_000) for prefix in ("UBERCTX_", "OT_BAGGAGE_")}
    nasty = [{f"HTTP_{header.upper().replace('-', '_')}": value for header in HEADERS} for value in NASTY]
    for environ in (large, *nasty):
        tracemalloc.start()
        carrier.from_environ(environ)
        carrier.baggage_from_environ(environ)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 3_000_000
    found = carrier.baggage_from_environ(many)
    assert found is None or len(found) <= 64
