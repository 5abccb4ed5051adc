"""The formats by their names in OTEL_PROPAGATORS, and several of them used as one."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from tracing_agent.propagation.b3 import B3Multi, B3Single
from tracing_agent.propagation.jaeger import Jaeger
from tracing_agent.propagation.ottrace import OTTrace
from tracing_agent.propagation.remote import Format, Remote, Report, Set, Values
from tracing_agent.propagation.w3c import TraceContext
from tracing_agent.propagation.xray import XRay

DEFAULT = ("tracecontext", "baggage")
BAGGAGE = "baggage"
NONE = "none"

_FORMATS: tuple[Format, ...] = (TraceContext(), B3Single(), B3Multi(), Jaeger(), XRay(), OTTrace())
FORMATS = {format.name: format for format in _FORMATS}


def _nobody_else(name: str) -> bool:
    return False


def chosen(
    names: Iterable[str],
    report: Report,
    installed: Callable[[str], bool] = _nobody_else,
) -> tuple[str, ...]:
    """The propagators that a value of OTEL_PROPAGATORS asks for, in its order, each once.

    Known names are matched in any case. `installed` says whether another distribution provides a name that is
    none of ours. What nobody provides is told to `report`, in one line, and left out. Nothing usable means
    DEFAULT; `none` switches everything off, whatever stands beside it.
    """
    found: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for name in names:
        name = name.strip()
        known = name.lower()
        if known in FORMATS or known in (BAGGAGE, NONE):
            found[known] = None
        elif name:
            (found if installed(name) else unknown)[name] = None
    if unknown:
        report(_unknown(unknown, bool(found)))
    if NONE in found:
        if len(found) > 1:
            report("OTEL_PROPAGATORS: none switches off what is named beside it; remove it to use that")
        return ()
    return tuple(found) or DEFAULT


def _unknown(unknown: Iterable[str], others: bool) -> str:
    listed = ", ".join(map(repr, unknown))
    effect = "left out" if others else f"{','.join(DEFAULT)} used instead"
    known = ", ".join((*DEFAULT, *(name for name in FORMATS if name not in DEFAULT), NONE))
    return f"OTEL_PROPAGATORS: no propagator is called {listed}; {effect}; use any of {known}"


class Composite:
    """Several formats as one: reading, the first that finds ids wins; writing, each writes its own headers.

    OpenTelemetry's composite lets the last win. Here a later format only fills in where none before it found
    ids, so that the order of OTEL_PROPAGATORS is an order of preference. A decision without ids (B3) is kept
    only while no format finds ids.
    """

    __slots__ = ("fields", "formats", "name")

    def __init__(self, formats: Sequence[Format]) -> None:
        self.formats = tuple(formats)
        self.name = ",".join(format.name for format in self.formats)
        self.fields = tuple(dict.fromkeys(field for format in self.formats for field in format.fields))

    def extract(self, values: Values) -> Remote | None:
        """See Format."""
        decision = None
        for format in self.formats:
            remote = format.extract(values)
            if remote is not None:
                if remote.trace_id:
                    return remote
                decision = decision or remote
        return decision

    def inject(self, remote: Remote, set: Set) -> None:
        """See Format."""
        for format in self.formats:
            format.inject(remote, set)


def composite(names: Iterable[str], registered: Mapping[str, Format] = FORMATS) -> Format | None:
    """The trace formats among `names` as one Format (a lone one as it is); None where there is none.

    `registered` are formats beside ours, by their names.
    """
    known = {**registered, **FORMATS}
    formats = [known[name] for name in names if name in known]
    if len(formats) == 1:
        return formats[0]
    return Composite(formats) if formats else None
