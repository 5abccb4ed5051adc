"""A short program with one library: run bare, traced, and traced with something wrong, it has to come to the same."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import pytest
from opentelemetry import trace

from metrics.exposed import Measured
from support.recorder import Recorder
from tracing_agent.config import Settings
from tracing_agent.drivers.sending import SENDING
from tracing_agent.faults import fault
from tracing_agent.operation import BREAKERS
from tracing_agent.sampling.configured import engine_of, sampler_of
from tracing_agent.semconv import sql, sql_kinds
from tracing_agent.semconv.db_settings import DatabaseSettings
from tracing_agent.semconv.http import HttpSettings
from tracing_agent.semconv.messaging_settings import MessagingSettings
from tracing_agent.trace.sdk import current

_CAPTURE = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"
SETTINGS = Settings(
    {
        **{f"{_CAPTURE}{side}_{way}": ".*" for side in ("SERVER", "CLIENT") for way in ("REQUEST", "RESPONSE")},
        f"{_CAPTURE}SANITIZE_FIELDS": "authorization",
        "OTEL_PYTHON_HTTP_BODY_SIZES": "true",
        "OTEL_PYTHON_EXCLUDED_URLS": "never-asked-for",
    }
)


_measured: list[Measured] = []
# This table is not empty at first.
_AT_FIRST = dict(sql_kinds.KNOWN)


class Program(NamedTuple):
    """``run`` gives what the program saw, as values to compare. ``server`` is the fixture of what it is called with.

    ``patched`` are the instrumentations with the modules that bring them in. Where other programs reach most of what
    this one does, ``only`` is what is of interest here, by the beginning of the name. Where it has ``pools``, by
    the number of their types, its operations are measured; ``rules`` decide what is sampled. A ``brief`` one has no
    settings that ask for more, so that its calls are told in a few words.
    """

    name: str
    run: Callable[..., list[Any]]
    patched: tuple[tuple[str, str], ...]
    server: str = ""
    propagators: tuple[str, ...] = ("tracecontext", "baggage")
    comments: bool = False
    only: tuple[str, ...] = ("",)
    pools: int = 0
    rules: str = ""
    brief: bool = False

    def at(self, request: pytest.FixtureRequest) -> Program:
        """The same with its server."""
        return self._replace(run=partial(self.run, request.getfixturevalue(self.server))) if self.server else self


def outcome(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a call gives, or type and text of what it raises."""
    try:
        return call(*args, **kwargs)
    except Exception as error:
        return type(error), str(error)


class Run:
    """One traced run: ``seen`` is what the program saw, ``spans`` what was recorded."""

    def __init__(self, program: Program) -> None:
        forget()
        with traced(program) as recorder:
            self.seen = program.run()
            assert trace.get_current_span() is trace.INVALID_SPAN
            assert not current()
            assert SENDING.get() is None
            self.spans = recorder.spans()


@contextmanager
def traced(program: Program) -> Iterator[Recorder]:
    """The program's libraries are patched as `Agent.instrument` does it, with settings that ask for everything."""
    sampling = Settings({"OTEL_PYTHON_TRACES_RULES": program.rules}).sampling
    recorder = Recorder(sampler_of(sampling, str), propagators=program.propagators, made=engine_of(sampling))
    if program.pools:
        _measured.append(Measured(recorder.provider))
    engine, patched = recorder.engine, program.patched
    try:
        engine.database = DatabaseSettings(True, not program.brief, program.comments)
        engine.messaging = MessagingSettings()
        engine.http = HttpSettings.of((Settings({}) if program.brief else SETTINGS).http)
    except Exception as error:
        patched = ()
        fault("the start of the agent", error)
    try:
        for library, trigger in patched:
            try:
                recorder.patch(library, trigger)
            except Exception as error:
                fault(f"patching {library}", error)
        yield recorder
    finally:
        _measured.clear()
        recorder.undo()


def collect() -> None:
    """Called by programs whose operations are measured: their metrics are collected now."""
    for measured in _measured:
        measured.scraped()


def forget() -> None:
    """Empty the caches, so that what fills them runs again; and nothing has failed so far."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("tracing_agent.semconv", "tracing_instrumentations")):
            for key, value in vars(module).items():
                # What is written in small letters changes; numbers as text are no work.
                if key.startswith("_") and not key.startswith("__") and key.islower() and key != "_codes":
                    _empty(value)
    _empty(sql.SANITISED)
    _empty(sql.AS_GIVEN)
    sql_kinds.KNOWN.clear()
    sql_kinds.KNOWN.update(_AT_FIRST)
    for breaker in BREAKERS.values():
        breaker.count, breaker.open, breaker.last = 0, False, ""


def _empty(value: Any) -> None:
    if type(value) is dict:
        value.clear()
    elif type(value).__module__.startswith("tracing_agent.semconv"):
        held = vars(value).values() if hasattr(value, "__dict__") else [getattr(value, one) for one in value.__slots__]
        for one in held:
            if type(one) is dict:
                one.clear()
