"""OTEL_TRACES_SAMPLER: every name, entry points, and what becomes of values that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.sdk.trace import sampling

from tracing_agent.config import Settings
from tracing_agent.faults import LINES
from tracing_agent.sampling.configured import sampler_of

REGISTERED = """
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

class Named(TraceIdRatioBased):
    def __init__(self, argument):
        super().__init__(0.5)
        self.argument = argument

def broken(argument):
    raise RuntimeError("no quota")

def strange(argument):
    return argument
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution that registers samplers."""
    (tmp_path / "their_samplers.py").write_text(REGISTERED)
    metadata = tmp_path / "their_samplers-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-samplers\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[opentelemetry_traces_sampler]\n"
        + "".join(
            f"{name} = their_samplers:{attribute}\n"
            for name, attribute in {"theirs": "Named", "broken": "broken", "strange": "strange", "gone": "Gone"}.items()
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def chosen(name: str, argument: str = "") -> sampling.Sampler:
    settings = Settings({"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument})
    assert settings.rejected == []
    return sampler_of(settings.sampling, lambda: "shop")


@pytest.mark.parametrize(
    ("name", "argument", "description"),
    [
        ("", "", sampling.DEFAULT_ON.get_description()),
        ("always_on", "", "AlwaysOnSampler"),
        ("ALWAYS_OFF", "", "AlwaysOffSampler"),
        ("parentbased_always_on", "", sampling.DEFAULT_ON.get_description()),
        ("parentbased_always_off", "", sampling.DEFAULT_OFF.get_description()),
        ("traceidratio", "0.25", "TraceIdRatioBased{0.25}"),
        ("traceidratio", "", "TraceIdRatioBased{1.0}"),
        ("traceidratio", "0", "TraceIdRatioBased{0.0}"),
        ("ParentBased_TraceIdRatio", "0.5", sampling.ParentBasedTraceIdRatio(0.5).get_description()),
    ],
)
def test_names(name: str, argument: str, description: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every name of the specification, in any case, gives its sampler without a word."""
    assert chosen(name, argument).get_description() == description
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("argument", ["half", "-0.1", "1.1", "nan", "inf", "0,5"])
def test_no_ratio(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    """User-pain row 24: a ratio that is none is one line with the ratio that is used."""
    assert chosen("traceidratio", argument).get_description() == "TraceIdRatioBased{1.0}"
    (line,) = capsys.readouterr().err.splitlines()
    assert f"OTEL_TRACES_SAMPLER_ARG={argument!r}" in line
    assert line.endswith("; using 1.0 instead")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["theirs", "Theirs"])
def test_registered(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A sampler that a distribution registers is made by its factory, with the argument as text."""
    sampler = chosen(name, "rate=7")
    assert type(sampler).__name__ == "Named"
    assert vars(sampler)["argument"] == "rate=7"
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "reason"), [("unheard_of", "not one of"), ("broken", "no quota"), ("strange", "str"), ("gone", "Gone")]
)
def test_not_to_be_had(name: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """User-pain row 24: a sampler that cannot be had is one line with the reason and with what is used instead."""
    LINES.strict = False
    assert chosen(name) is sampling.DEFAULT_ON
    (line,) = capsys.readouterr().err.splitlines()
    assert f"OTEL_TRACES_SAMPLER={name!r}" in line
    assert reason in line
    assert line.endswith("; using 'parentbased_always_on' instead")
