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


class Sampling:
    """The values as they were read."""

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
