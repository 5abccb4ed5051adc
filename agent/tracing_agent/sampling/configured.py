"""The sampler that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.config_sampling import SAMPLERS
from tracing_agent.faults import WARN, describe, say
from tracing_agent.sampling.own import Own
from tracing_agent.sampling.probability import ratio_rule
from tracing_agent.trace.engine import Engine
from tracing_agent.trace.sdk import sampling

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.config_sampling import Sampling

_GROUP = "opentelemetry_traces_sampler"
_PARENTED = "parentbased_"


def sampler_of(settings: Sampling, service: Callable[[], str]) -> sampling.Sampler:
    """The sampler of ``OTEL_TRACES_SAMPLER`` with what goes before it: rules, and the cap of traces per second.

    What cannot be used is said once, and the default used. ``service`` gives the value of ``service.name``, once it is
    asked for.
    """
    sampler = _named(settings, service)
    if not (settings.rules or settings.per_second):
        return sampler
    # Only here: most programs have neither.
    from tracing_agent.sampling.before import before

    return before(settings, sampler)


def _named(settings: Sampling, service: Callable[[], str]) -> sampling.Sampler:
    name = settings.name.lower()
    known: dict[str, Callable[[], sampling.Sampler]] = {
        "always_on": lambda: sampling.ALWAYS_ON,
        "always_off": lambda: sampling.ALWAYS_OFF,
        "traceidratio": lambda: _ratio(settings),
        "jaeger_remote": lambda: _remote(settings, service),
    }
    if name in ("parentbased_always_on", "parentbased_always_off"):
        return sampling.DEFAULT_ON if name == "parentbased_always_on" else sampling.DEFAULT_OFF
    if name in SAMPLERS:
        sampler = known[name.removeprefix(_PARENTED)]()
        return sampling.ParentBased(sampler) if name.startswith(_PARENTED) else sampler
    return _registered(settings)


def engine_of(settings: Sampling) -> Callable[..., Engine]:
    """What makes the engine: one that holds what the sampler drops where ``OTEL_PYTHON_TRACES_KEEP`` asks for it."""
    if not settings.keep:
        return Engine
    from tracing_agent.sampling.kept import Keeper, KeepingEngine

    errors, slow, bad = False, None, []
    for item in filter(None, map(str.strip, settings.keep.lower().split(","))):
        name, _, value = item.partition(":")
        if item == "errors":
            errors = True
        elif name == "slow" and value.isascii() and value.isdigit() and len(value) < 10:
            slow = int(value) * 1_000_000
        else:
            bad.append(item)
    used = ",".join((["errors"] if errors else []) + ([] if slow is None else [f"slow:{slow // 1_000_000}"])) or "none"
    for item in bad:
        say(WARN, f"OTEL_PYTHON_TRACES_KEEP: {item!r} is not errors or slow:<milliseconds>; using {used!r} instead")
    if not errors and slow is None:
        return Engine
    keeper = Keeper(errors, slow, settings.held_traces or 0, settings.held_spans or 0)
    return lambda **given: KeepingEngine(keeper, **given)


def _ratio(settings: Sampling) -> sampling.Sampler:
    ratio, argument = 1.0, settings.argument
    if argument:
        try:
            ratio = float(argument)
        except ValueError:
            ratio = -1.0
        if not 0.0 <= ratio <= 1.0:
            say(WARN, f"OTEL_TRACES_SAMPLER_ARG={argument!r} is not a number from 0 to 1; using 1.0 instead")
            ratio = 1.0
    return Own(ratio_rule(ratio), f"TraceIdRatioBased{{{ratio}}}")


def _remote(settings: Sampling, service: Callable[[], str]) -> sampling.Sampler:
    # Only here: it imports what asks.
    from tracing_agent.sampling.jaeger import jaeger_remote

    return jaeger_remote(settings.argument, service)


def _registered(settings: Sampling) -> sampling.Sampler:
    """A sampler of another distribution: a factory that takes the argument as text, as contrib's are."""
    # Reading what is installed takes milliseconds.
    from importlib_metadata import entry_points

    from tracing_agent.apart import SettingUp

    name, reason = settings.name, f"not one of {', '.join(SAMPLERS)}, and no installed distribution registers it"
    for entry in entry_points(group=_GROUP):
        if entry.name.lower() != name.lower():
            continue
        try:
            with SettingUp():
                sampler: Any = entry.load()(settings.argument)
            if isinstance(sampler, sampling.Sampler):
                return sampler
            reason = f"not usable: {entry.value} gave a {type(sampler).__name__}"
        except Exception as error:
            reason = f"not usable: {entry.value} failed ({describe(error)})"
    say(WARN, f"OTEL_TRACES_SAMPLER={name!r} is {reason}; using 'parentbased_always_on' instead")
    return sampling.DEFAULT_ON
