"""An instrumentation that fails again and again is switched off: the library runs as untraced from then on."""

from __future__ import annotations

import pytest

from harmless.injection import Injected, called, raising
from harmless.program import Program, forget, traced
from harmless.test_faults import FUNCTIONS, PROGRAMS
from tracing_agent.faults import BREAKER_LIMIT, LINES
from tracing_agent.operation import BREAKERS

#: A function that many calls of each program reach.
COMMON = {
    "flask": "wsgi_request.protocol.describe",
    "asgi": "asgi_request.protocol.describe",
    "requests": "http.client.client_request",
    "psycopg": "semconv.db.query",
    "redis": "_text.operation_name",
    "kafka": "messaging.Client.stamp",
}


@pytest.mark.parametrize("program", [one for one in PROGRAMS if one.name in COMMON], ids=lambda program: program.name)
def test_switched_off(
    program: Program,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """user-pain row 2: after ten faults nothing is traced and nothing of ours is called; two lines are said in all."""
    program = program.at(request)
    bare = program.run()
    monkeypatch.setattr(LINES, "strict", False)
    forget()
    (function,) = [one for one in FUNCTIONS if one.name.endswith(COMMON[program.name])]
    breakers = [BREAKERS[library] for library in {library for library, _ in program.patched} - {"psycopg_pool"}]
    with traced(program) as recorder:
        with raising(function):
            while not all(breaker.open for breaker in breakers):
                assert program.run() == bare
        assert all(breaker.count >= BREAKER_LIMIT and "Injected" in breaker.last for breaker in breakers)
        for library, _ in program.patched:
            BREAKERS[library].open = True
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tracing-agent:")]
        assert sorted(line.partition("(")[0] for line in lines) == sorted(
            text
            for breaker in breakers
            for text in (
                f"tracing-agent: warning: {breaker.name} instrumentation failed ",
                f"tracing-agent: warning: {breaker.name}: switched off after {BREAKER_LIMIT} faults ",
            )
        )
        recorder.spans()
        seen: list[object] = []
        codes = called(lambda: seen.extend(program.run()))
        assert seen == bare
        assert recorder.spans() == []
    # Whether another one traces is decided for an application or a connection, and not for a request.
    reached = [function.name for function in FUNCTIONS if function.code in codes]
    assert [name for name in reached if not name.endswith((".telemetry", ".aside"))] == []


def test_a_fault_is_raised_under_test() -> None:
    """A fault that a test provokes without meaning to fails the test."""
    with pytest.raises(Injected):
        BREAKERS["flask"].fault(Injected("unforeseen"))
