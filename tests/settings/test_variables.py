"""Every declared variable, by its type: a valid value is used, an empty one is none, an invalid one is a warning."""

from __future__ import annotations

from typing import Any

import pytest

from settings.table import FILE, declared, document
from tracing_agent.config import Settings
from tracing_agent.config_names import OTHERS, WITHOUT_EFFECT, source
from tracing_agent.config_reader import Variable

VARIABLES = {variable.name: variable for variable in declared()}
HUGE = str(2**31)
#: By type: (written, read) that work, and what does not.
SIMPLE: dict[str, tuple[list[tuple[str, Any]], list[str]]] = {
    "string": ([("Some Text", "Some Text"), (" padded ", "padded")], []),
    "boolean": ([("true", True), ("TRUE", True), ("False", False)], ["yes", "1", "wahr"]),
    "integer": ([("7", 7), (" 8 ", 8), (str(2**31 - 1), 2**31 - 1)], ["-1", "many", "1.5", HUGE]),
    "milliseconds": ([("7", 7), ("0", 0)], ["-1", "10s", HUGE]),
    "limit": ([("7", 7), ("0", 0)], ["-1", "many", HUGE]),
    "list": ([("A, b,,a", ("a", "b"))], []),
    "pairs": (
        [("a=1,b%2Cc=x%3Dy", {"a": "1", "b,c": "x=y"}), ("a=", {"a": ""})],
        ["novalue", "=value", "a=1,b"],
    ),
}
#: Variables whose range is narrower, or that others of the environment limit: what works, and what does not.
SPECIAL: dict[str, tuple[list[tuple[str, Any]], list[str]]] = {
    "OTEL_BSP_MAX_QUEUE_SIZE": ([("700", 700)], ["0", "-1", "many"]),
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": ([("7", 7)], ["0", "-1", "many"]),
    "OTEL_BLRP_MAX_QUEUE_SIZE": ([("700", 700)], ["0", "-1", "many"]),
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": ([("7", 7)], ["0", "-1", "many"]),
}


def examples(variable: Variable) -> tuple[list[tuple[str, Any]], list[str]]:
    """What to write into a variable: (written, read) pairs that work, and values that do not."""
    if variable.name in SPECIAL:
        return SPECIAL[variable.name]
    kind = variable.kind
    if kind.startswith("one of "):
        names = kind.removeprefix("one of ").split(", ")
        return [(name.upper(), name) for name in names], ["nonsense", "-1"]
    if kind.startswith("list of "):
        return [(f" {name.upper()},", None) for name in kind.removeprefix("list of ").split(", ")], ["nonsense"]
    return SIMPLE.get(kind, ([], []))


def read(settings: Settings, name: str) -> Variable:
    """One variable of the settings, declared once."""
    (found,) = [variable for variable in settings.variables if variable.name == name]
    return found


@pytest.mark.parametrize("name", VARIABLES)
def test_valid(name: str) -> None:
    """A valid value is used, typed, without a word."""
    valid, _ = examples(VARIABLES[name])
    for written, expected in valid:
        settings = Settings({name: written})
        assert settings.rejected == settings.hints == settings.notes == []
        found = read(settings, name)
        assert found.value == written.strip()
        assert expected is None or found.used == expected


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("empty", ["", "  "])
def test_empty(name: str, empty: str) -> None:
    """User-pain row 24: an empty value is none: the default, without a word."""
    settings = Settings({name: empty})
    assert settings.rejected == settings.hints == []
    assert read(settings, name).value is None
    assert read(settings, name).used == read(Settings({}), name).used


@pytest.mark.parametrize("name", VARIABLES)
def test_invalid(name: str) -> None:
    """User-pain row 24: an invalid value is one warning with variable, value and what is used: the default."""
    _, invalid = examples(VARIABLES[name])
    default = read(Settings({}), name).used
    for written in invalid:
        settings = Settings({name: written})
        (sentence,) = settings.rejected
        shown = "(not shown)" if name.endswith("HEADERS") else repr(written)
        assert sentence.startswith(f"{name}={shown} is not ")
        assert "; using " in sentence
        assert sentence.endswith(" instead")
        used = read(settings, name).used
        assert used == (False if VARIABLES[name].kind == "boolean" else default)
        for part in used if isinstance(used, tuple) else (used,):
            assert part in ("", None, {}, False) or str(part) in sentence


def test_every_type_has_examples() -> None:
    """No declared variable has a type that the tests above know nothing of."""
    unknown = {variable.name: variable.kind for variable in VARIABLES.values() if not examples(variable)[0]}
    assert not unknown, "give the new type a line in SIMPLE, or the variable one in SPECIAL"


def test_batch_larger_than_its_queue() -> None:
    """A batch cannot be larger than the queue: one warning if it was asked for, none if the queue alone was set."""
    small = Settings({"OTEL_BSP_MAX_QUEUE_SIZE": "100"})
    assert (small.batch_size, small.rejected) == (100, [])
    both = Settings({"OTEL_BSP_MAX_QUEUE_SIZE": "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "200"})
    assert both.batch_size == 100
    assert both.rejected == [
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE='200' is not at most OTEL_BSP_MAX_QUEUE_SIZE; using 100 instead"
    ]


def test_attributes_with_a_bad_encoding_are_discarded_whole() -> None:
    """OTEL_RESOURCE_ATTRIBUTES with one bad percent-encoding is discarded; a header with a percent sign is not."""
    for bad in ("a=1,b=50%", "a=1,b=%zz", "a=%ff"):
        settings = Settings({"OTEL_RESOURCE_ATTRIBUTES": bad})
        assert settings.resource_attributes == {}
        assert len(settings.rejected) == 1
    assert Settings({"OTEL_EXPORTER_OTLP_HEADERS": "key=50%"}).headers == {"key": "50%"}


def test_settings_are_frozen() -> None:
    """A setting cannot be assigned after the settings were read."""
    settings = Settings({})
    with pytest.raises(AttributeError, match="read once"):
        settings.timeout = 1


def test_specified_names_are_known() -> None:
    """What the specification, the SDK and contrib define for traces and logs is declared or explained."""
    signals = ("", "TRACES_", "LOGS_")
    otlp = ("ENDPOINT", "PROTOCOL", "HEADERS", "TIMEOUT", "COMPRESSION", "CERTIFICATE", "CLIENT_KEY")
    names = [f"OTEL_EXPORTER_OTLP_{signal}{name}" for signal in signals for name in (*otlp, "INSECURE")]
    names += [f"OTEL_EXPORTER_OTLP_{signal}CLIENT_CERTIFICATE" for signal in signals]
    batch = ("SCHEDULE_DELAY", "EXPORT_TIMEOUT", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE")
    names += [f"OTEL_{processor}_{name}" for processor in ("BSP", "BLRP") for name in batch]
    names += [f"OTEL_{of}ATTRIBUTE_COUNT_LIMIT" for of in ("", "SPAN_", "EVENT_", "LINK_", "LOGRECORD_")]
    names += [f"OTEL_{of}ATTRIBUTE_VALUE_LENGTH_LIMIT" for of in ("", "SPAN_", "LOGRECORD_")]
    names += ["OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT", "OTEL_SDK_DISABLED", "OTEL_LOG_LEVEL"]
    names += ["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_PROPAGATORS", "OTEL_TRACES_SAMPLER"]
    names += ["OTEL_TRACES_SAMPLER_ARG", "OTEL_TRACES_EXPORTER", "OTEL_LOGS_EXPORTER", "OTEL_METRICS_EXPORTER"]
    names += ["OTEL_EXPORTER_ZIPKIN_ENDPOINT", "OTEL_EXPORTER_ZIPKIN_TIMEOUT", "OTEL_SEMCONV_STABILITY_OPT_IN"]
    names += ["OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "OTEL_CONFIG_FILE", "OTEL_ENTITIES", "OTEL_PYTHON_DISTRO"]
    names += ["OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "OTEL_PYTHON_ID_GENERATOR", "OTEL_PYTHON_CONFIGURATOR"]
    names += ["OTEL_PYTHON_EXCLUDED_URLS", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "OTEL_PYTHON_LOG_CORRELATION"]
    names += [f"OTEL_PYTHON_LOG_{name}" for name in ("FORMAT", "LEVEL", "HANDLER_LEVEL", "CODE_ATTRIBUTES")]
    names += [f"OTEL_PYTHON_{name}_EXCLUDED_URLS" for name in ("FLASK", "FASTAPI", "STARLETTE", "REQUESTS")]
    missing = [name for name in names if name not in VARIABLES and name not in WITHOUT_EFFECT and name not in OTHERS]
    assert not missing
    assert all(name.startswith("OTEL_PYTHON_") for name in VARIABLES if source(name) == "this agent")


def test_documented() -> None:
    """docs/configuration.md is what the declared variables give."""
    assert FILE.read_text() == document(), "run: python tests/settings/table.py"
