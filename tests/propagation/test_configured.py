"""OTEL_PROPAGATORS through the API: composites, propagators of others, and the import of opentelemetry.propagate."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator

from propagation.headers import PARENT, SPAN, TRACE
from tracing_agent.faults import LINES
from tracing_agent.propagation import otel
from tracing_agent.propagation.configured import Composite, composite, execute_propagate

T, S = f"{TRACE:032x}", f"{SPAN:016x}"
B3 = f"{0xABC:032x}-{0xDEF:016x}-1"
CLASSES: dict[str, Callable[[], TextMapPropagator]] = {
    "tracecontext": otel.TraceContextPropagator,
    "baggage": otel.BaggagePropagator,
    "b3": otel.B3Propagator,
    "b3multi": otel.B3MultiPropagator,
    "jaeger": otel.JaegerPropagator,
    "xray": otel.XRayPropagator,
    "ottrace": otel.OTTracePropagator,
}
#: The lines of pyproject.toml by which the API finds the formats that it has not itself.
ENTRY_POINTS = """\
[opentelemetry_propagator]
b3 = tracing_agent.propagation.otel:B3Propagator
b3multi = tracing_agent.propagation.otel:B3MultiPropagator
jaeger = tracing_agent.propagation.otel:JaegerPropagator
xray = tracing_agent.propagation.otel:XRayPropagator
ottrace = tracing_agent.propagation.otel:OTTracePropagator
"""


def _silent(message: str) -> None:
    raise AssertionError(message)


def _identity(found: Context) -> trace.SpanContext:
    return trace.get_current_span(found).get_span_context()


Register = Callable[[str, str], None]


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Register:
    """Installs a distribution that registers entry points for propagators, with a module `theirs`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "theirs", raising=False)

    def install(entry_points: str, module: str) -> None:
        folder = tmp_path / "theirs-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(entry_points)
        (tmp_path / "theirs.py").write_text(module)

    return install


@pytest.mark.parametrize("name", CLASSES)
def test_each_name(name: str) -> None:
    """Each name gives its propagator, alone and in capitals too."""
    propagator = composite([name.upper()], _silent)
    assert isinstance(propagator, CompositePropagator)
    assert [type(one) for one in propagator.propagators] == [CLASSES[name]]
    assert propagator.fields == CLASSES[name]().fields


def test_every_name() -> None:
    """All names together read any of the formats and write all of them."""
    propagator = composite(CLASSES, _silent)
    assert [type(one) for one in propagator.propagators] == list(CLASSES.values())
    found = propagator.extract({"uber-trace-id": f"{T}:{S}:0:1", "baggage": "a=1"})
    assert _identity(found).trace_id == TRACE
    written: dict[str, Any] = {}
    propagator.inject(written, found)
    expected = propagator.fields - {"tracestate", "x-b3-flags"} | {"uberctx-a", "ot-baggage-a"}
    assert set(written) == expected


def test_none() -> None:
    """none reads and writes nothing, and gives the root context where it is asked for one."""
    propagator = composite(["none"], _silent)
    kept = Context({"mine": 1})
    assert propagator.extract({"traceparent": PARENT, "baggage": "a=1"}, kept) is kept
    assert propagator.extract({}) == Context()
    written: dict[str, Any] = {}
    propagator.inject(written, otel.TraceContextPropagator().extract({"traceparent": PARENT}))
    assert written == {}
    assert propagator.fields == set()


@pytest.mark.parametrize(("names", "trace_id"), [(["tracecontext", "b3"], TRACE), (["b3", "tracecontext"], 0xABC)])
def test_the_first_context_wins(names: list[str], trace_id: int) -> None:
    """The order of the names is an order of preference, whatever span the context held before."""
    propagator = composite(names, _silent)
    before = otel.B3Propagator().extract({"b3": f"{1:032x}-{1:016x}-1"})
    for context in (None, Context(), before):
        found = propagator.extract({"traceparent": PARENT, "b3": B3}, context)
        assert _identity(found).trace_id == trace_id
        assert _identity(propagator.extract({"traceparent": "broken", "b3": B3}, context)).trace_id == 0xABC
        assert _identity(propagator.extract({"traceparent": PARENT}, context)).trace_id == TRACE
    assert propagator.extract({}, before) is before


def test_baggage_is_read_whoever_found_the_context() -> None:
    """Every format's baggage is read, also of one that came too late to give the context."""
    propagator = composite(["tracecontext", "baggage", "jaeger", "ottrace"], _silent)
    headers = {"traceparent": PARENT, "baggage": "a=1", "uberctx-b": "2", "ot-baggage-c": "3"}
    headers["uber-trace-id"] = f"{1:x}:{1:x}:0:1"
    found = propagator.extract(headers)
    assert _identity(found).trace_id == TRACE
    assert baggage.get_all(found) == {"a": "1", "b": "2", "c": "3"}


def test_unknown_name() -> None:
    """user-pain row 24: an unknown propagator costs one line and the others work."""
    said: list[str] = []
    propagator = composite(["zipkin", "B3"], said.append)
    assert [type(one) for one in propagator.propagators] == [otel.B3Propagator]
    (line,) = said
    assert "'zipkin'" in line


THEIRS = """\
from opentelemetry import baggage
from opentelemetry.propagators.textmap import TextMapPropagator, default_getter, default_setter

class Theirs(TextMapPropagator):
    fields = {"theirs"}

    def extract(self, carrier, context=None, getter=default_getter):
        return baggage.set_baggage("theirs", getter.get(carrier, "theirs")[0], context)

    def inject(self, carrier, context=None, setter=default_setter):
        setter.set(carrier, "theirs", "1")

class Broken:
    def __init__(self):
        raise RuntimeError("out of order")
"""


def test_propagator_of_others(register: Register) -> None:
    """A propagator that another distribution registered is used, in its place, as the API would use it."""
    register("[opentelemetry_propagator]\nmine = theirs:Theirs\n", THEIRS)
    propagator = composite(["mine", "tracecontext"], _silent)
    found = propagator.extract({"theirs": "x", "traceparent": PARENT})
    assert baggage.get_all(found) == {"theirs": "x"}
    assert _identity(found).trace_id == TRACE
    written: dict[str, Any] = {}
    propagator.inject(written, found)
    assert written == {"theirs": "1", "traceparent": PARENT}
    assert propagator.fields == {"theirs", "traceparent", "tracestate"}


@pytest.mark.parametrize("target", ["theirs:Broken", "theirs:absent", "absent:Absent", "theirs:dict"])
def test_broken_propagator_of_others(register: Register, target: str) -> None:
    """One that cannot be loaded is left out with the reason."""
    register(f"[opentelemetry_propagator]\nmine = {target}\n", THEIRS + "dict = dict\n")
    said: list[str] = []
    propagator = composite(["mine", "tracecontext"], said.append)
    assert [type(one) for one in propagator.propagators] == [otel.TraceContextPropagator]
    assert said
    assert all("mine" in line for line in said)


def test_failing_propagator_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that raises costs a line each way, and the others work."""

    class Failing(TextMapPropagator):
        def extract(self, *arguments: Any, **keywords: Any) -> Context:
            raise RuntimeError("cannot read")

        def inject(self, *arguments: Any, **keywords: Any) -> None:
            raise RuntimeError("cannot write")

        @property
        def fields(self) -> set[str]:
            return set()

    lines: list[str] = []
    monkeypatch.setattr(LINES, "strict", False)
    monkeypatch.setattr(LINES, "repeats", {})
    monkeypatch.setattr(LINES, "write", lambda level, message: lines.append(message))
    propagator = Composite([Failing(), otel.TraceContextPropagator()])
    found = propagator.extract({"traceparent": PARENT})
    written: dict[str, Any] = {}
    propagator.inject(written, found)
    assert written == {"traceparent": PARENT}
    assert ["cannot read" in lines[0], "cannot write" in lines[1], len(lines)] == [True, True, 2]


@pytest.mark.parametrize("value", ["b3,nonsense", "B3", " , ", "none", "tracecontext,,B3MULTI", "\u00e9"])
def test_propagate_never_raises(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """user-pain row 24: no value of OTEL_PROPAGATORS makes importing opentelemetry.propagate raise."""
    monkeypatch.setenv("OTEL_PROPAGATORS", value)
    spec = importlib.util.find_spec("opentelemetry.propagate")
    assert spec is not None
    assert spec.loader is not None
    loader = spec.loader
    module = importlib.util.module_from_spec(spec)
    said: list[str] = []
    execute_propagate(module, lambda: loader.exec_module(module), value.split(","), said.append)
    assert isinstance(module.get_global_textmap(), Composite)
    assert os.environ["OTEL_PROPAGATORS"] == value
    assert len(said) == (1 if "nonsense" in value or "\u00e9" in value else 0)
    from opentelemetry import environment_variables

    assert environment_variables.OTEL_PROPAGATORS == "OTEL_PROPAGATORS"


@pytest.mark.process
def test_entry_points(tmp_path: Path, register: Register) -> None:
    """user-pain row 24: the formats that the API lacks are found by it, agent or not, so that its import works."""
    register(ENTRY_POINTS, "")
    agent = Path(otel.__file__).parents[2]
    program = """
from opentelemetry import propagate, trace
carrier = {}
names = {"b3": "%s", "ot-baggage-a": "1"}
propagate.inject(carrier, propagate.extract(names))
print(sorted(carrier))
"""
    done = subprocess.run(
        [sys.executable, "-c", program % f"{T}-{S}-d"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(tmp_path), str(agent))),
            "OTEL_PROPAGATORS": "b3,jaeger,xray,ottrace,b3multi,tracecontext,baggage",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert "'b3'" in done.stdout
    assert "'x-b3-flags'" in done.stdout
    assert "'uber-trace-id'" in done.stdout
    assert "'x-amzn-trace-id'" in done.stdout
