"""Whatever function of ours raises, the program comes to the same as without us, and one line tells of it."""

from __future__ import annotations

import sys
from types import CodeType

import pytest

from databases.redis.kinds import VERSION
from harmless import calling, handing, messages, serving, storing
from harmless.injection import called, functions_of, modules_of, raising
from harmless.program import Program, Run
from tracing_agent.faults import LINES
from tracing_agent.operation import BREAKERS

#: Where all functions are that know something of a library, of a protocol, or of conventions.
PACKAGES = (
    "tracing_instrumentations",
    "tracing_agent.semconv",
    "tracing_agent.drivers.asgi_request",
    "tracing_agent.drivers.wsgi_request",
)
FUNCTIONS = [function for package in PACKAGES for module in modules_of(package) for function in functions_of(module)]
PROGRAMS = [*serving.PROGRAMS, *calling.PROGRAMS, *storing.PROGRAMS, *messages.PROGRAMS, *handing.PROGRAMS]
#: What no program here reaches, or what cannot be made to fail for it, by the end of the name, and why.
APART = {
    "tracing_agent.semconv.sql.sanitise": "for those who want the text alone",
    "tracing_agent.semconv.sql.summarise": "the same",
    "Reader._template_pieces": "Python has template strings since 3.14",
    "Copies.chunked": "for versions of requests that send chunks otherwise than by urllib3's own method",
    "telemetry.<lambda>": "the collector calls it, and reports what it raises",
    "Counted.__iter__": "stands in for an iterator of the program's own, and does nothing that can fail",
    # Called once, while a module of ours is imported.
    "Peers.__init__": "import",
    "_Known.__init__": "import",
    "redis_shapes._parsed": "import",
    "redis_text._one_key": "import",
    "redis_shapes._counted": "import",
    "redis_shapes._grouped": "import",
    "sql_words._set": "import",
    "messaging.constants": "import",
    "Library.__init__": "import",
    "registry.named": "asked when a library is imported",
}


_codes: dict[str, set[CodeType]] = {}


def codes_of(program: Program) -> set[CodeType]:
    """The code that a traced run of a program reaches, found out once."""
    if program.name not in _codes:
        _codes[program.name] = called(lambda: Run(program))
    return _codes[program.name]


@pytest.mark.skipif(VERSION < (6,), reason="with old libraries there is less to reach")
def test_every_function_is_reached(request: pytest.FixtureRequest) -> None:
    """Together the programs reach all functions that know something of a library, a protocol or conventions."""
    codes = set().union(*(codes_of(program.at(request)) for program in PROGRAMS))
    missed = [function.name for function in FUNCTIONS if function.code not in codes]
    assert [name for name in missed if not name.endswith(tuple(APART))] == []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_each_function_may_fail(
    program: Program,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """user-pain row 2: with any extractor or convention raising, results and exceptions stay, and one line is said."""
    program = program.at(request)
    bare = program.run()
    codes = codes_of(program)
    reached = [function for function in FUNCTIONS if function.code in codes and function.name.startswith(program.only)]
    reached = [function for function in reached if not function.name.endswith(tuple(APART))]
    assert reached
    monkeypatch.setattr(LINES, "strict", False)
    for breaker in BREAKERS.values():
        monkeypatch.setattr(breaker, "limit", sys.maxsize)
    wrong: dict[str, object] = {}
    for function in reached:
        LINES.repeats.clear()
        capsys.readouterr()
        with raising(function) as calls:
            run = Run(program)
        lines = [line for line in capsys.readouterr().err.splitlines() if "Injected" in line]
        if not calls:
            wrong[function.name] = "was not called"
        elif run.seen != bare:
            wrong[function.name] = [pair for pair in zip(bare, run.seen, strict=False) if pair[0] != pair[1]]
        elif not lines or len(lines) > len(program.patched) + program.pools:
            wrong[function.name] = lines
    assert wrong == {}
