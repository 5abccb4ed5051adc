"""One statement run with many parameter sets, in the shape of PEP 249: a batch, whose size is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.call import TAKEN
from tracing_agent.semconv.db import batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.carrier import Carrier
    from tracing_instrumentations._dbapi import Interface

_COUNTED = "counted"


def executemany(interface: Interface, rewriting: Any) -> Wrap:
    """``executemany(holder, statement, parameter sets)``: a batch, whose size is counted where it cannot be asked."""
    describe, read = interface.describe, interface.read
    query, parameter_sets, _ = interface.keywords

    def start(span: Any, holder: Any, statement: Any = "", sets: Any = (), *more: Any, **options: Any) -> Any:
        if options:
            statement, sets = options.get(query, statement), options.get(parameter_sets, sets)
        text = statement if type(statement) is str else read(statement)[0]
        size = len(sets) if hasattr(sets, "__len__") else None
        if describe(span, holder, text, False, size) is TAKEN:
            return TAKEN
        if size is not None:
            many(span, size)
        return None

    def end(span: Any, result: Any) -> None:
        counted = span.__dict__.pop(_COUNTED, None)
        if counted is not None:
            many(span, counted.count)

    def failed(span: Any, error: BaseException) -> None:
        end(span, None)
        interface.failed(span, error)

    driver: Wrap = rewriting(interface.operation, start, end, failed, carry=_count)
    return driver


def many(span: Any, size: int) -> None:
    """One statement was run with ``size`` parameter sets."""
    name = batch(span, size, span.values.get("db.query.summary", ""))
    if size != 1:
        span.values["db.query.summary"] = name


class Counted:
    """Parameter sets that come from an iterator, and how many have come."""

    __slots__ = ("_items", "count")

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = items
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self.count += 1
            yield item


def _count(carrier: Carrier, identity: Any, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
    if len(args) < 3 or hasattr(args[2], "__len__") or not identity.recording:
        return args
    counted = identity.__dict__[_COUNTED] = Counted(args[2])
    return (*args[:2], counted, *args[3:])
