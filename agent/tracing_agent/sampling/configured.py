"""The sampler that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracing_agent.faults import WARN, say
from tracing_agent.trace.sdk import sampling

if TYPE_CHECKING:
    from tracing_agent.config import Settings


def sampler_of(settings: Settings) -> sampling.Sampler:
    """The sampler of ``OTEL_TRACES_SAMPLER``; the default, said once, for one that is not known."""
    name, argument = settings.sampler.lower(), settings.sampler_argument
    ratio = 1.0
    if name.endswith("traceidratio") and argument:
        try:
            ratio = float(argument)
        except ValueError:
            ratio = -1.0
        if not 0.0 <= ratio <= 1.0:
            say(WARN, f"OTEL_TRACES_SAMPLER_ARG={argument!r} is not a number from 0 to 1; using 1.0 instead")
            ratio = 1.0
    known: dict[str, sampling.Sampler] = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "parentbased_always_on": sampling.DEFAULT_ON,
        "parentbased_always_off": sampling.DEFAULT_OFF,
    }
    if name == "traceidratio":
        return sampling.TraceIdRatioBased(ratio)
    if name == "parentbased_traceidratio":
        return sampling.ParentBased(sampling.TraceIdRatioBased(ratio))
    if name not in known:
        say(
            WARN,
            f"OTEL_TRACES_SAMPLER={settings.sampler!r} is not known; using 'parentbased_always_on' instead",
        )
    return known.get(name, sampling.DEFAULT_ON)
