"""The settings of context between processes: their variables, read with all others by `config.Settings`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tracing_agent.config_reader import Reader

#: Where a server puts the trace id for its caller, if anywhere.
RESPONSE_HEADERS = ("none", "traceresponse", "server-timing")


class Propagation:
    """The values as they were read.

    ``names`` are propagators; ``hosts`` globs of hosts that context may be sent to (none: all); ``trusted`` is whether
    a server continues its callers' traces; ``baggage_attributes`` are names and globs of baggage entries, their case
    kept; ``response_header`` is one of `RESPONSE_HEADERS`.
    """

    def __init__(self, read: Reader) -> None:
        self.names = read.names(
            "OTEL_PROPAGATORS", "tracecontext,baggage", "formats of context between processes, in order of preference"
        )
        self.hosts = read.names(
            "OTEL_PYTHON_PROPAGATION_HOSTS", "", "globs of hosts that context may be sent to; !glob excludes"
        )
        self.trusted = read.boolean(
            "OTEL_PYTHON_TRUST_REMOTE_PARENT",
            True,
            "servers continue their callers' traces; false: a new trace with a link, and no baggage",
        )
        attributes = read.text(
            "OTEL_PYTHON_BAGGAGE_SPAN_ATTRIBUTES", "", "names or globs of baggage entries that spans get as attributes"
        )
        self.baggage_attributes = tuple(name.strip() for name in attributes.split(",") if name.strip())
        self.response_header = read.choice(
            "OTEL_PYTHON_TRACE_RESPONSE_HEADER", "none", RESPONSE_HEADERS, "header that tells callers the trace id"
        )
