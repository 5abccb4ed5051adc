"""Attributes that the program gives: cleaned by the installed SDK's rules, unable to hurt whoever gives them."""

from __future__ import annotations

import os
from _thread import allocate_lock
from typing import Any

from opentelemetry.attributes import BoundedAttributes

#: Stands for a value whose text cannot be had.
UNPRINTABLE = "(unprintable)"


def clean(attributes: Any, most: int | None, longest: int | None, immutable: bool = False) -> BoundedAttributes:
    """Attributes by the installed SDK's rules; a value whose text cannot be had costs only itself."""
    try:
        return BoundedAttributes(most, attributes, immutable=immutable, max_value_len=longest)
    except Exception:
        printable = {}
        for key, value in dict(attributes).items():
            try:
                BoundedAttributes(None, {key: value}, max_value_len=longest)
                printable[key] = value
            except Exception:
                printable[key] = UNPRINTABLE
        return BoundedAttributes(most, printable, immutable=immutable, max_value_len=longest)


class Limit:
    """The lock for attributes of a span that is near its limit; a forked child gets a new one."""

    def __init__(self) -> None:
        self.renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self.lock = allocate_lock()


LIMIT = Limit()
