"""The span context that arrives or leaves with a message, in no wire format's own terms."""

from collections.abc import Callable, Sequence
from typing import Protocol

SAMPLED = 1
RANDOM = 2

#: Looks a lower-case header name up and returns every value it came with, in order; empty when it is absent.
Values = Callable[[str], Sequence[str]]
#: Writes one header, name and value, replacing what stood there under that name.
Set = Callable[[str, str], None]
#: Tells the user one line.
Report = Callable[[str], None]


class Remote:
    """A span context on its way between two processes.

    trace_id is 128 bits wide and span_id 64; both are 0 when the message carried a sampling decision and no
    ids (B3 allows it). flags holds the bits of a traceparent that Level 2 defines: SAMPLED and RANDOM. state
    is a valid tracestate header or "". debug asks every service to record the trace (B3, Jaeger). deferred
    says that the sender left the sampling decision to the receiver, in which case SAMPLED is not set.
    """

    __slots__ = ("debug", "deferred", "flags", "span_id", "state", "trace_id")
    # A span's parent is asked for this, whatever it is (the API's SpanContext has it too).
    is_remote = True

    def __init__(
        self,
        trace_id: int,
        span_id: int,
        flags: int,
        state: str = "",
        *,
        debug: bool = False,
        deferred: bool = False,
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags
        self.state = state
        self.debug = debug
        self.deferred = deferred

    @property
    def sampled(self) -> bool | None:
        """The sender's decision; None when it deferred to the receiver."""
        return None if self.deferred else bool(self.flags & SAMPLED)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Remote):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"Remote({self.trace_id:#034x}, {self.span_id:#018x}, {self.flags}, {self.state!r}, "
            f"debug={self.debug}, deferred={self.deferred})"
        )


class Format(Protocol):
    """One way to write a span context into headers."""

    @property
    def name(self) -> str:
        """The name in OTEL_PROPAGATORS."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The headers that inject() may set, lower-case."""

    def extract(self, values: Values) -> Remote | None:
        """Read a span context; None when there is none or it is malformed. Raises only what values raises."""

    def inject(self, remote: Remote, set: Set) -> None:
        """Write the span context; nothing is written when it has no ids and the format needs them."""


def first_value(values: Values, name: str) -> str:
    """The first value of a header, stripped; "" when it is absent, or longer than any format can use.

    Gateways (WSGI) join the values of a repeated header with commas, which no format that asks here contains.
    """
    found = values(name)
    if not found:
        return ""
    value = found[0]
    if len(value) > _LONGEST:
        return ""
    if "," in value:
        value = value[: value.index(",")]
    return value.strip(" \t")


_LONGEST = 1024
_HEXADECIMAL = "0123456789abcdefABCDEF"


def parse_id(text: str, longest: int) -> int:
    """The number that 1 to `longest` hexadecimal digits spell; otherwise 0, in no format a valid id."""
    if not 0 < len(text) <= longest or text.strip(_HEXADECIMAL):
        return 0
    return int(text, 16)
