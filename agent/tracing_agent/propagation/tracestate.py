"""A TraceState of the OpenTelemetry API that keeps what Level 2 allows, and is parsed only when looked at."""

from __future__ import annotations

import logging
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Sequence, ValuesView

from opentelemetry.trace import TraceState

from tracing_agent.propagation.w3c import MOST_MEMBERS, parse_tracestate, valid_member

_logger = logging.getLogger(__name__)


class Level2TraceState(TraceState):
    """The API's TraceState with the keys of Level 2 (`@` anywhere but first, a digit first).

    The API's own rejects such keys, and its from_header() loses the list over a repeated one. A change gives
    a new object of this class; what is invalid changes nothing and logs a warning, as in the API.
    """

    def __init__(self, entries: Sequence[tuple[str, str]] | None = None) -> None:
        members: dict[str, str] = {}
        if entries is not None and len(entries) > MOST_MEMBERS:
            _logger.warning("tracestate: more than %d members; none kept", MOST_MEMBERS)
            entries = None
        for key, value in entries or ():
            if not _valid(key, value):
                _logger.warning("tracestate: invalid member %r=%r left out", key, value)
            elif key in members:
                _logger.warning("tracestate: repeated key %r left out", key)
            else:
                members[key] = value
        self._members: dict[str, str] | None = members
        self._header: str | None = None

    @classmethod
    def _of(cls, members: Iterable[tuple[str, str]]) -> Level2TraceState:
        self = cls.__new__(cls)
        self._members = dict(members)
        self._header = None
        return self

    @classmethod
    def of_header(cls, header: str) -> Level2TraceState:
        """The state that a header says, which parse_tracestate() has checked."""
        self = cls.__new__(cls)
        self._members = None
        self._header = header
        return self

    # The API's own name for the members: methods that a later version adds to the base class work on it.
    @property
    def _dict(self) -> dict[str, str]:  # type: ignore[override]
        members = self._members
        if members is None:
            header = self._header
            pairs = [member.partition("=") for member in header.split(",")] if header else []
            members = self._members = {key: value for key, _, value in pairs}
        return members

    def __contains__(self, item: object) -> bool:
        return item in self._dict

    def __getitem__(self, key: str) -> str:
        return self._dict[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._dict)

    def __len__(self) -> int:
        return len(self._dict)

    def keys(self) -> KeysView[str]:
        return self._dict.keys()

    def items(self) -> ItemsView[str, str]:
        return self._dict.items()

    def values(self) -> ValuesView[str]:
        return self._dict.values()

    def add(self, key: str, value: str) -> TraceState:
        """With a new member at the left; unchanged when the key exists, or as in update()."""
        if key in self._dict:
            _logger.warning("tracestate: key %r exists already; use update()", key)
            return self
        return self.update(key, value)

    def update(self, key: str, value: str) -> TraceState:
        """With this member at the left, in place of one of that key; unchanged when invalid or a 33rd."""
        members = self._dict
        if not _valid(key, value):
            _logger.warning("tracestate: invalid member %r=%r not set", key, value)
            return self
        if key not in members and len(members) >= MOST_MEMBERS:
            _logger.warning("tracestate: %d members already; %r not added", MOST_MEMBERS, key)
            return self
        return self._of([(key, value), *((other, members[other]) for other in members if other != key)])

    def delete(self, key: str) -> TraceState:
        """Without this member; unchanged when there is none."""
        if key not in self._dict:
            _logger.warning("tracestate: no key %r to delete", key)
            return self
        return self._of((other, value) for other, value in self._dict.items() if other != key)

    def to_header(self) -> str:
        """The tracestate header; "" when empty."""
        header = self._header
        if header is None:
            header = self._header = ",".join(f"{key}={value}" for key, value in self._dict.items())
        return header

    @classmethod
    def from_header(cls, header_list: list[str]) -> TraceState:
        """The state that one or more headers say; empty when one of them is malformed."""
        return cls.of_header(parse_tracestate(header_list))

    @classmethod
    def get_default(cls) -> TraceState:
        """The empty state."""
        return cls()


def _valid(key: object, value: object) -> bool:
    return isinstance(key, str) and isinstance(value, str) and valid_member(key, value)


EMPTY = Level2TraceState()


def trace_state(header: str) -> TraceState:
    """A checked tracestate header as the API's type."""
    return Level2TraceState.of_header(header) if header else EMPTY
