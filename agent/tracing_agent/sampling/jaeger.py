"""The sampler ``jaeger_remote``, from its argument.

Source: OpenTelemetry specification, "Environment Variable Specification": ``OTEL_TRACES_SAMPLER_ARG``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tracing_agent.faults import WARN, say
from tracing_agent.sampling.endpoint import Endpoint, speaks_grpc
from tracing_agent.sampling.own import Own
from tracing_agent.sampling.probability import ratio_rule
from tracing_agent.sampling.remote import Remote, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.sampling.endpoint_grpc import GrpcEndpoint

#: What is used where the argument says nothing: Jaeger's own defaults. The interval is in milliseconds.
ENDPOINT, INTERVAL, INITIAL = "http://localhost:5778/sampling", 60000, 0.001
_NAMES = {
    "endpoint": "endpoint",
    "pollingintervalms": "pollingIntervalMs",
    "initialsamplingrate": "initialSamplingRate",
}
_LONGEST = 2**31 - 1


def jaeger_remote(argument: str, service: Callable[[], str]) -> Own:
    """The sampler that asks the endpoint of ``argument`` for the strategy of ``service()``."""
    given = _pairs(argument)
    interval = int(_number(given, "pollingIntervalMs", 1, _LONGEST, INTERVAL))
    initial = _number(given, "initialSamplingRate", 0.0, 1.0, INITIAL)
    url = given.get("endpoint", ENDPOINT)
    endpoint: Endpoint | GrpcEndpoint
    try:
        endpoint = _endpoint(url, service)
    except ValueError as error:
        _reject("endpoint", url, str(error), ENDPOINT)
        endpoint = Endpoint(ENDPOINT, service)
    source = Source(endpoint.ask, endpoint.shown, interval / 1000, ratio_rule(initial))
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=source.forking, after_in_parent=source.forked_parent, after_in_child=source.forked)
    return Own(Remote(source), f"JaegerRemoteSampler{{{endpoint.shown}, {interval} ms, initially {initial}}}")


def _endpoint(url: str, service: Callable[[], str]) -> Endpoint | GrpcEndpoint:
    if not speaks_grpc(url):
        return Endpoint(url, service)
    from tracing_agent.sampling.endpoint_grpc import GrpcEndpoint

    return GrpcEndpoint(url, service)


def _pairs(argument: str) -> dict[str, str]:
    found = {}
    for item in filter(None, map(str.strip, argument.split(","))):
        name, equals, value = item.partition("=")
        known = _NAMES.get(name.strip().lower())
        if known and equals and value.strip():
            found[known] = value.strip()
        else:
            say(
                WARN,
                f"OTEL_TRACES_SAMPLER_ARG: {item!r} is not one of {', '.join(_NAMES.values())} with a value; ignored",
            )
    return found


def _number(given: dict[str, str], name: str, least: float, most: float, default: float) -> float:
    if name not in given:
        return default
    try:
        number = float(given[name])
    except ValueError:
        number = -1.0
    if least <= number <= most:
        return number
    _reject(name, given[name], f"is not a number from {least:g} to {most:g}", default)
    return default


def _reject(name: str, value: str, why: str, used: object) -> None:
    say(WARN, f"OTEL_TRACES_SAMPLER_ARG: {name}={value!r} {why}; using {used!r} instead")
