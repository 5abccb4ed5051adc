"""The OpenTelemetry propagator that OTEL_PROPAGATORS asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from opentelemetry import environment_variables
from opentelemetry.context.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import get_current_span

from tracing_agent.faults import describe, fault
from tracing_agent.propagation.names import DEFAULT, chosen
from tracing_agent.propagation.otel import (
    B3MultiPropagator,
    B3Propagator,
    BaggagePropagator,
    FormatPropagator,
    JaegerPropagator,
    OTTracePropagator,
    TraceContextPropagator,
    XRayPropagator,
)
from tracing_agent.propagation.remote import Report


class Composite(CompositePropagator):
    """Propagators in order of preference: ours read a span context only where none before them found one.

    The API's own composite lets the last one win. Propagators of others are run as the API runs them.
    """

    def __init__(self, propagators: Sequence[TextMapPropagator]) -> None:
        super().__init__(propagators)
        self.propagators = tuple(propagators)

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        if context is None:
            context = Context()
        before = get_current_span(context)
        for propagator in self.propagators:
            try:
                if isinstance(propagator, FormatPropagator) and get_current_span(context) is not before:
                    context = propagator.extract_baggage(carrier, context, getter)
                else:
                    context = propagator.extract(carrier, context, getter)
            except Exception as error:
                fault(f"{type(propagator).__name__}.extract", error)
        return context

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        for propagator in self.propagators:
            try:
                propagator.inject(carrier, context, setter)
            except Exception as error:
                fault(f"{type(propagator).__name__}.inject", error)


_OURS: dict[str, type[TextMapPropagator]] = {
    "tracecontext": TraceContextPropagator,
    "baggage": BaggagePropagator,
    "b3": B3Propagator,
    "b3multi": B3MultiPropagator,
    "jaeger": JaegerPropagator,
    "xray": XRayPropagator,
    "ottrace": OTTracePropagator,
}


def composite(names: Iterable[str], report: Report) -> Composite:
    """The propagators that the names in OTEL_PROPAGATORS ask for, as one; see names.chosen() for the rules.

    A name that is none of ours may be one that another distribution registered as `opentelemetry_propagator`.
    """
    theirs: dict[str, TextMapPropagator] = {}

    def installed(name: str) -> bool:
        propagator = registered(name, report)
        if propagator is not None:
            theirs[name] = propagator
        return propagator is not None

    order = chosen(names, report, installed)
    return Composite([theirs[name] if name in theirs else _OURS[name]() for name in order])


def registered(name: str, report: Report) -> TextMapPropagator | None:
    """The propagator that another distribution registered under this name; None when none works."""
    # Only for a name that is not ours: reading what is installed takes milliseconds.
    from importlib_metadata import entry_points

    from tracing_agent.apart import SettingUp

    for entry in entry_points(group="opentelemetry_propagator", name=name):
        try:
            with SettingUp():
                propagator = entry.load()()
            if isinstance(propagator, TextMapPropagator):
                return propagator
            reason = f"it is a {type(propagator).__name__}"
        except Exception as error:
            reason = describe(error)
        report(f"OTEL_PROPAGATORS: {name!r} as registered by {entry.value} is not usable ({reason})")
    return None


def names_from(environ: Mapping[str, str]) -> list[str]:
    """The names in OTEL_PROPAGATORS as they are written; the default where there are none."""
    names = [name.strip() for name in environ.get("OTEL_PROPAGATORS", "").split(",") if name.strip()]
    return names or list(DEFAULT)


def execute_propagate(module: Any, execute: Callable[[], None], names: Iterable[str], report: Report) -> None:
    """Let `execute` run the body of `module`, opentelemetry.propagate, and make composite() its global one.

    The body looks each name in OTEL_PROPAGATORS up as it is written and raises where one is unknown. So it is
    made to look for a variable that nobody sets; os.environ itself, which other threads and children see, is
    left alone.
    """
    variable = environment_variables.OTEL_PROPAGATORS
    environment_variables.OTEL_PROPAGATORS = f"{variable} as read by tracing-agent"
    try:
        execute()
    finally:
        environment_variables.OTEL_PROPAGATORS = variable
    try:
        module.set_global_textmap(composite(names, report))
    except Exception as error:
        fault("setting up OTEL_PROPAGATORS", error)
