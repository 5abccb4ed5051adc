"""The hosts that context may be sent to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

# Hosts remembered; in a crawler there is no end of them.
_MOST = 1024


class Hosts:
    """A list of globs of host names or addresses; one that begins with `!` excludes.

    A host is allowed if any glob matches it, or if there are only excluding ones, and no excluding one matches it:
    their order does not count. `*` stands for any characters, dots included; case does not matter; ports are no part
    of it.
    """

    def __init__(self, globs: Iterable[str]) -> None:
        globs = [glob.strip().lower() for glob in globs]
        excluding = [glob[1:].strip() for glob in globs if glob.startswith("!")]
        self._excluded = _union(excluding)
        self._named = _union([glob for glob in globs if glob and not glob.startswith("!")]) or re.compile("")
        self._known: dict[str, bool] = {}

    def allows(self, host: str) -> bool:
        """Whether context may be sent to a host, given without a port and, if an IPv6 address, without brackets."""
        known = self._known.get(host)
        if known is None:
            name = host.lower().rstrip(".")
            excluded = self._excluded is not None and self._excluded.match(name) is not None
            known = not excluded and self._named.match(name) is not None
            if len(self._known) < _MOST:
                self._known[host] = known
        return known


def _union(globs: list[str]) -> re.Pattern[str] | None:
    globs = [glob for glob in globs if glob]
    return re.compile("|".join(map(translate, globs))) if globs else None
