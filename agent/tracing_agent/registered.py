"""Parts that other distributions offer by name, as entry points: looked up only where a setting names one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.apart import SettingUp
from tracing_agent.faults import WARN, describe, say

if TYPE_CHECKING:
    from collections.abc import Iterator


def registered(group: str, name: str, variable: str) -> Any:
    """What is registered as ``name`` in ``group``, loaded; None where nothing usable is, which is said with the
    ``variable`` that asks for it.
    """
    # Reading what is installed takes milliseconds.
    from importlib_metadata import entry_points

    reason = "no installed distribution registers it"
    for entry in entry_points(group=group, name=name):
        try:
            with SettingUp():
                return entry.load()
        except Exception as error:
            reason = f"{entry.value} cannot be loaded: {describe(error)}"
    say(WARN, f"{variable}: {name!r} is not usable ({reason}); going on without it")
    return None


def names(group: str) -> Iterator[str]:
    """Every name in ``group``, each once."""
    from importlib_metadata import entry_points

    yield from sorted({str(entry.name) for entry in entry_points(group=group)})
