"""Objects that misbehave while they are recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import Link

from contract.probes import begin, identity
from contract.versions import ANY_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import Tracer


class Untold:
    """An object whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def _endless() -> list[Any]:
    values: list[Any] = []
    values.append(values)
    return values


HOSTILE: dict[str, tuple[Any, type[Exception]]] = {
    "no text": (Untold(), RuntimeError),
    "no text in a list": ([Untold()], RuntimeError),
    "contains itself": (_endless(), RecursionError),
}


def _set(tracer: Tracer, given: Any, one_by_one: bool) -> Any:
    span = begin(tracer)
    if one_by_one:
        for key, value in given.items():
            span.set_attribute(key, value)
    else:
        span.set_attributes(given)
    return span.attributes


def _event(tracer: Tracer, given: Any) -> Any:
    span = begin(tracer)
    span.add_event("noted", given)
    return span.events[0].attributes


def _link(tracer: Tracer, given: Any) -> Any:
    span = begin(tracer)
    span.add_link(identity(), given)
    return span.links[0].attributes


CALLS: dict[str, Callable[[Tracer, Any], Any]] = {
    "start": lambda tracer, given: begin(tracer, attributes=given).attributes,
    "set_attribute": lambda tracer, given: _set(tracer, given, one_by_one=True),
    "set_attributes": lambda tracer, given: _set(tracer, given, one_by_one=False),
    "event": _event,
    "link": lambda tracer, given: begin(tracer, links=[Link(identity(), given)]).links[0].attributes,
    "add_link": _link,
}


@pytest.mark.usefixtures("as_in_production")
@pytest.mark.skipif(not ANY_VALUE, reason="before SDK 1.45 such values were dropped unseen")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_value(tracer: Tracer, case: str, call: str, deviates: Callable[[str], bool]) -> None:
    """A value that cannot become an attribute is the caller's exception in the SDK; ours keeps its neighbours."""
    value, error = HOSTILE[case]
    given = {"before": 1, "hostile": value, "after": 2}
    if deviates("hostile-value"):
        found = CALLS[call](tracer, given)
        assert {key: found[key] for key in found if key != "hostile"} == {"before": 1, "after": 2}
    else:
        with pytest.raises(error):
            CALLS[call](tracer, given)
