"""The settings of sampling: their variables, read with all others by `config.Settings`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tracing_agent.config_reader import Reader

SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
    "jaeger_remote",
    "parentbased_jaeger_remote",
)
#: Traces that are held until their local root ends, and spans of each.
HELD_TRACES, HELD_SPANS = 256, 128


class Sampling:
    """The values as they were read: names, rules and numbers still as text.

    ``held_traces`` and ``held_spans`` limit what ``keep`` may hold in memory.
    """

    def __init__(self, read: Reader) -> None:
        self.name = read.text(
            "OTEL_TRACES_SAMPLER",
            "parentbased_always_on",
            f"which traces are recorded: {', '.join(SAMPLERS)}, or an entry point of opentelemetry_traces_sampler",
        )
        self.argument = read.text(
            "OTEL_TRACES_SAMPLER_ARG",
            "",
            "the sampler's argument: a ratio from 0 to 1, or endpoint=…,pollingIntervalMs=…,initialSamplingRate=…",
        )
        self.rules = read.text(
            "OTEL_PYTHON_TRACES_RULES",
            "",
            "rules that come before the sampler, first match wins: drop /health*; keep header:x-debug-trace; 0.1 GET",
        )
        self.per_second = read.text(
            "OTEL_PYTHON_TRACES_PER_SECOND", "", "new traces that a process records in a second at most, e.g. 50"
        )
        self.keep = read.text(
            "OTEL_PYTHON_TRACES_KEEP",
            "",
            "which unsampled traces are sent after all: errors, slow:<milliseconds>, or both",
        )
        self.held_traces = read.limit(
            "OTEL_PYTHON_TRACES_KEEP_TRACES",
            HELD_TRACES,
            "unsampled traces in memory until it is known whether to keep",
        )
        self.held_spans = read.limit(
            "OTEL_PYTHON_TRACES_KEEP_SPANS", HELD_SPANS, "spans of each of them, besides the one that ends it"
        )
