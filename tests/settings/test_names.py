"""Names: hints for misspelt ones, notes for those without effect, silence on those of others; lists of libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.program import run
from support.sink import Sink
from tracing_agent.config import Settings

PROGRAM = """
import flask, requests
app = flask.Flask("app")
@app.get("/")
def index(): return "ok"
print(app.test_client().get("/").status_code)
"""


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("OTEL_TRACE_EXPORTER", "OTEL_TRACES_EXPORTER"),
        ("OTEL_EXPORTER_OLTP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("OTEL_SERVICENAME", "OTEL_SERVICE_NAME"),
        ("OTEL_PYTHON_DISABLE_INSTRUMENTATIONS", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"),
        ("OTEL_METRIC_EXPORTER", "OTEL_METRICS_EXPORTER"),
    ],
)
def test_hint(written: str, meant: str) -> None:
    """A misspelt name is one warning with the name that was likely meant."""
    assert Settings({written: "x"}).hints == [f"{written} is not known and has no effect; is it {meant}?"]


@pytest.mark.parametrize(
    "name",
    [
        "OTEL_NODE_DISABLED_INSTRUMENTATIONS",
        "OTEL_PYTHON_DJANGO_EXCLUDED_URLS",
        "OTEL_JAVAAGENT_ENABLED",
        "OTEL_RESOURCE_ATTRIBUTES_POD_NAME",
        "OTEL_PYTHON_CONTEXT",
        "OTEL_METRIC_EXPORT_INTERVAL",
        "OTEL_COMPANY_TEAM",
        "SERVICE_NAME",
    ],
)
def test_no_word_about_others(name: str) -> None:
    """Variables of other languages, libraries and people are none of ours."""
    settings = Settings({name: "1000"})
    assert settings.hints == settings.notes == []


def test_without_effect() -> None:
    """A known variable without effect is a note, a configuration file a warning; empty ones are not set."""
    settings = Settings({"OTEL_PYTHON_DISTRO": "x", "OTEL_CONFIG_FILE": "y", "OTEL_ENTITIES": ""})
    assert settings.notes == ["OTEL_PYTHON_DISTRO has no effect: this agent is a distribution itself"]
    assert settings.hints == [
        "OTEL_CONFIG_FILE has no effect: configuration files are not read; the other OTEL_* variables are obeyed"
    ]


def test_names_are_compared_only_where_one_is_unknown() -> None:
    """Known variables alone load neither difflib nor the lists of names."""
    code = (
        "import sys\nfrom tracing_agent.config import Settings\n"
        "Settings({'OTEL_SERVICE_NAME': 'x', 'OTEL_TRACES_SAMPLER': 'always_on', 'HOME': '/'})\n"
        "print([name for name in ('difflib', 're', 'tracing_agent.config_names') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, env=_path(), check=True)
    assert done.stdout == "[]\n"


def _path() -> dict[str, str]:
    import tracing_agent

    (folder,) = tracing_agent.__path__
    return {"PYTHONPATH": folder.removesuffix("/tracing_agent")}


def test_libraries() -> None:
    """Disabled libraries are not traced, nor are those that a list of enabled ones lacks; * is all."""
    disabled = Settings({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "Flask, redis"})
    assert [bool(disabled.excluded(name)) for name in ("flask", "redis", "requests")] == [True, True, False]
    enabled = Settings({"OTEL_PYTHON_ENABLED_INSTRUMENTATIONS": "flask,redis"})
    assert [bool(enabled.excluded(name)) for name in ("flask", "redis", "requests")] == [False, False, True]
    both = {"OTEL_PYTHON_ENABLED_INSTRUMENTATIONS": "*", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "redis"}
    assert [bool(Settings(both).excluded(name)) for name in ("flask", "redis")] == [False, True]
    assert Settings({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}).excluded("flask")
    assert "OTEL_PYTHON_ENABLED_INSTRUMENTATIONS" in enabled.excluded("requests")


BAD = {
    "OTEL_BSP_MAX_QUEUE_SIZE": "lots",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "10s",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "carrier-pigeon",
    "OTEL_RESOURCE_ATTRIBUTES": "nonsense",
    "OTEL_LOG_LEVEL": "loud",
    "OTEL_PYTHON_ID_GENERATOR": "nobody",
    "OTEL_PYTHON_LOG_LEVEL": "loud",
    "OTEL_SDK_DISABLED": "yes",
    "OTEL_SPAN_LINK_COUNT_LIMIT": "-1",
    "OTEL_TRACES_SAMPLERS": "always_on",
}


@pytest.mark.process
def test_bad_values_in_a_process(sink: Sink) -> None:
    """User-pain row 24: with a bad value in many variables the program runs, is traced, and each is one line."""
    done = run(sys.executable, "-c", PROGRAM, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, **BAD)
    assert (done.returncode, done.stdout) == (0, "200\n")
    assert [span["name"] for span in sink.wait(bool)] == ["GET /"]
    lines = done.stderr.splitlines()
    assert len(lines) == len(BAD)
    assert all(line.startswith("tracing-agent: warning: OTEL_") for line in lines)
    for name in BAD:
        assert len([line for line in lines if f" {name}=" in line or f" {name}:" in line or f" {name} is" in line]) == 1


@pytest.mark.process
def test_enabled_in_a_process() -> None:
    """Only the libraries in OTEL_PYTHON_ENABLED_INSTRUMENTATIONS are patched."""
    code = (
        "import requests, flask\nfor found in (requests.Session.send, flask.Flask.__call__):\n"
        "    print(hasattr(found, '__wrapped__'))"
    )
    done = run(sys.executable, "-c", code, OTEL_PYTHON_ENABLED_INSTRUMENTATIONS="requests")
    assert (done.stdout, done.stderr) == ("True\nFalse\n", "")
