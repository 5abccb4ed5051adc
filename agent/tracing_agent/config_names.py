"""What is known of variables by name: which are not ours, which have no effect here, and which are likely misspelt.

Loaded only where the environment has an ``OTEL_*`` variable that the agent does not read, and for the documentation.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracing_agent.config_reader import Variable

#: Variables of the specification, the Python SDK and contrib that the agent does not obey, and why.
WITHOUT_EFFECT = {
    "OTEL_CONFIG_FILE": "configuration files are not read; the other OTEL_* variables are obeyed",
    "OTEL_EXPERIMENTAL_CONFIG_FILE": "configuration files are not read; the other OTEL_* variables are obeyed",
    "OTEL_ENTITIES": "still in development; write OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_PYTHON_DISTRO": "this agent is a distribution itself",
    "OTEL_PYTHON_CONFIGURATOR": "this agent configures itself",
    "OTEL_PYTHON_TRACER_PROVIDER": "the agent's provider is used, or the program's own",
    "OTEL_PYTHON_TRACER_CONFIGURATOR": "write OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
    "OTEL_PYTHON_METER_CONFIGURATOR": "all meters are on",
    "OTEL_PYTHON_LOGGER_CONFIGURATOR": "all loggers are on",
    "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "OTEL_LOGS_EXPORTER alone decides",
    "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH": "gevent is left as it is, and works",
    "OTEL_PYTHON_INSTRUMENTATION_HTTP_CAPTURE_ALL_METHODS": "write OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
    "OTEL_PYTHON_OPAMP_ENDPOINT": "the agent is configured by variables alone",
    "OTEL_EXPORTER_OTLP_SPAN_INSECURE": "obsolete; write OTEL_EXPORTER_OTLP_TRACES_INSECURE",
    "OTEL_EXPORTER_OTLP_METRIC_INSECURE": "obsolete; write OTEL_EXPORTER_OTLP_METRICS_INSECURE",
    "OTEL_EXPORTER_ZIPKIN_PROTOCOL": "spans go to Zipkin as JSON, version 2",
    "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN": "exceptions are events of spans",
}
_CREDENTIALS = [
    f"OTEL_PYTHON_EXPORTER_OTLP_{transport}_{signal}CREDENTIAL_PROVIDER"
    for transport in ("HTTP", "GRPC")
    for signal in ("", "TRACES_", "METRICS_", "LOGS_")
]
#: Variables that others read, the API, the SDK or instrumentations of other libraries: nothing to say of them.
OTHERS = frozenset(
    (
        *_CREDENTIALS,
        "OTEL_METRICS_EXPORTER",
        "OTEL_METRICS_EXEMPLAR_FILTER",
        "OTEL_METRIC_EXPORT_INTERVAL",
        "OTEL_METRIC_EXPORT_TIMEOUT",
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "OTEL_PYTHON_CONTEXT",
        "OTEL_PYTHON_METER_PROVIDER",
        "OTEL_PYTHON_LOGGER_PROVIDER",
        "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED",
        "OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES",
        "OTEL_PYTHON_GRPC_EXCLUDED_SERVICES",
        "OTEL_PYTHON_DJANGO_INSTRUMENT",
        "OTEL_PYTHON_DJANGO_MIDDLEWARE_POSITION",
        "OTEL_PYTHON_SYSTEM_METRICS_EXCLUDED_METRICS",
        "OTEL_INSTRUMENTATION_AWS_LAMBDA_FLUSH_TIMEOUT",
    )
)
#: Whole families of them: other languages' agents (a manifest may serve several), other libraries' instrumentations.
_FAMILIES = (
    *(f"OTEL_{language}" for language in ("JAVA", "DOTNET", "NODE", "GO_", "PHP", "RUBY", "RUST", "SWIFT", "ERLANG")),
    "OTEL_PYTHON_ASYNCIO_",
    "OTEL_INSTRUMENTATION_GENAI_",
    "OTEL_OPERATOR_",
    "OTEL_INJECTOR_",
    "OTEL_POD_",
    "OTEL_RESOURCE_ATTRIBUTES_",
)
_LIBRARIES = ("_EXCLUDED_URLS", "_TRACED_REQUEST_ATTRS")
_CLOSE = 0.87
#: By the beginning of a name, in this order: who defined the variable.
_SOURCES = (
    ("OTEL_PYTHON_EXPORTER_", "Python SDK"),
    ("OTEL_SEMCONV_", "semantic conventions"),
    ("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "semantic conventions"),
    ("OTEL_INSTRUMENTATION_", "contrib"),
    ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "Python SDK"),
    ("OTEL_PYTHON_ID_GENERATOR", "Python SDK"),
    ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "contrib"),
    ("OTEL_PYTHON_EXCLUDED_URLS", "contrib"),
    ("OTEL_PYTHON_LOG_IDS", "this agent"),
    ("OTEL_PYTHON_LOG_", "contrib"),
    ("OTEL_", "specification"),
)


def source(name: str) -> str:
    """Where a variable is defined: ``specification``, ``Python SDK``, ``contrib`` or ``this agent`` for example."""
    if name.startswith("OTEL_PYTHON_") and name.endswith(_LIBRARIES):
        return "contrib"
    for beginning, found in _SOURCES:
        if name.startswith(beginning) and (beginning != "OTEL_" or not name.startswith("OTEL_PYTHON_")):
            return found
    return "this agent"


def remarks(names: Iterable[str], variables: Sequence[Variable]) -> tuple[list[str], list[str]]:
    """(warnings, notes), a sentence each, on those of ``names`` (none of ``variables``) that deserve one.

    A warning: the name is likely misspelt, or somebody counts on what it asks for. A note: it has no effect here.
    """
    known = [*(variable.name for variable in variables), *WITHOUT_EFFECT, *OTHERS]
    warnings: list[str] = []
    notes: list[str] = []
    for name in sorted(names):
        if name in WITHOUT_EFFECT:
            sentence = f"{name} has no effect: {WITHOUT_EFFECT[name]}"
            (warnings if name.endswith("CONFIG_FILE") else notes).append(sentence)
        elif name not in OTHERS and not name.startswith(_FAMILIES) and not name.endswith(_LIBRARIES):
            close = get_close_matches(name.upper(), known, 1, _CLOSE)
            if close:
                warnings.append(f"{name} is not known and has no effect; is it {close[0]}?")
    return warnings, notes
