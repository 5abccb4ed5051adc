"""What the program's owner decided about messaging spans; apart from what describes them, as every program loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracing_agent.trace.engine import Engine


class MessagingSettings:
    """Attributes are not to be assigned after construction.

    ``linked``: a processed message's producer is linked and never the parent. ``polled``: the messages of a batch
    become current one after the other in a loop over it.
    """

    __slots__ = ("linked", "polled")

    def __init__(self, linked: bool = False, polled: bool = True) -> None:
        self.linked = linked
        self.polled = polled


def settings_of(engine: Engine) -> MessagingSettings:
    """The messaging settings under ``engine``."""
    return engine.messaging or MessagingSettings()
