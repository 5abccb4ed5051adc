"""Fixtures of all tests: faults of the agent raise, no span stays current, no patch stays applied."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from opentelemetry import trace

from support.recorder import Recorder
from support.sink import Sink
from tracing_agent.faults import LINES
from tracing_agent.operation import BREAKERS
from tracing_agent.patching.targets import APPLIED

pytest_plugins = ["services.plugin"]

# A shell has what it starts in the background ignore this signal, and so would the programs that are interrupted here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Each test starts and ends with no current span and no patch but those of its module, and a fault fails it."""
    patched = list(APPLIED)
    assert trace.get_current_span() is trace.INVALID_SPAN
    LINES.strict = True
    yield
    LINES.strict = False
    LINES.repeats.clear()
    for breaker in BREAKERS.values():
        breaker.count, breaker.open, breaker.last = 0, False, ""
    left = trace.get_current_span()
    assert left is trace.INVALID_SPAN, f"the test left {left} current"
    assert patched == APPLIED, f"the test left {[(patch.holder, patch.name) for patch in APPLIED]} patched"


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Spans recorded in process, with counted ids and clock; patches are undone at the end."""
    recorder = Recorder()
    yield recorder
    recorder.undo()


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A real OTLP receiver."""
    sink = Sink()
    yield sink
    sink.close()
