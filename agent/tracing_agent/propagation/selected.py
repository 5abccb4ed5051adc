"""The baggage entries that become attributes of spans."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import translate

# Names remembered; whoever sends baggage chooses them.
_MOST = 1024


class Selected:
    """Entries by their names, or by globs of them (`user.*`); case counts, as it does in baggage."""

    def __init__(self, names: Iterable[str]) -> None:
        self._wanted = re.compile("|".join(map(translate, names))).match
        self._known: dict[str, bool] = {}

    def onto(self, put: Callable[[str, str], object], entries: Mapping[str, object]) -> None:
        """Call `put` with name and value of each selected entry."""
        known = self._known
        for name, value in entries.items():
            wanted = known.get(name)
            if wanted is None:
                wanted = self._wanted(name) is not None
                if len(known) < _MOST:
                    known[name] = wanted
            if wanted:
                put(name, str(value))
