"""What the viewer keeps of a span: the content of OTLP without protobuf."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

Value = str | bool | int | float | bytes | None | list["Value"] | dict[str, "Value"]


class Kind(enum.IntEnum):
    """SpanKind with the numbers of trace.proto."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


@dataclass(frozen=True, slots=True)
class Process:
    """Where spans come from: one OTLP resource."""

    service: str
    instance: str = ""
    host: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict, compare=False)

    @property
    def clock(self) -> str:
        """Names what the time stamps were read from: processes of one host share a clock."""
        return self.host or f"{self.service} {self.instance}"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a span's status is ERROR: the exception event, else the status and `error.type`."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Span:
    """One finished span; ids are lower-case hex, times nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    name: str
    process: Process
    start: int
    end: int
    parent_id: str = ""
    parent_is_remote: bool | None = None
    kind: Kind = Kind.INTERNAL
    attributes: Mapping[str, Value] = field(default_factory=dict)
    failure: Failure | None = None
    links: int = 0
    size: int = 0
    """Bytes in OTLP: the weight that the bound on memory counts."""

    @property
    def duration(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Trace:
    """The spans of one trace that have arrived so far, in order of arrival."""

    trace_id: str
    spans: tuple[Span, ...]
    shown_before: frozenset[str] = frozenset()
    """Span ids that an earlier print of the same trace held; empty on the first print."""
    left_out: int = 0
    """Spans that arrived and were not kept, because the trace has too many."""
