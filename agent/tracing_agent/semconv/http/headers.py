"""Header capture: which headers become attributes, and whose values never do.

Source: semantic conventions 1.44, ``http.request.header.<key>``; the variables as opentelemetry-python-contrib reads
them (a name matches a whole regular expression, in any case; a sanitized name matches any part of it).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Headers that carry credentials: redacted even when they are asked for by name.
CREDENTIALS = r"authori[sz]ation|cookie|api[-_]?key|access[-_]?key|secret|token|passw|credential|signature|session|jwt"
REDACTED = "[REDACTED]"
# Header names remembered; whoever sends them chooses them.
_CACHE_MAX = 512


class Capture:
    """The headers of one direction that are recorded, as ``prefix`` (``http.request.header.``) and lower-case name.

    ``names`` and ``sanitized`` are regular expressions.
    """

    __slots__ = ("_known", "_prefix", "_sanitized", "_wanted")

    def __init__(self, prefix: str, names: Iterable[str], sanitized: Iterable[str]) -> None:
        self._prefix = prefix
        self._wanted = re.compile("|".join(f"(?:{name})" for name in names), re.IGNORECASE).fullmatch
        self._sanitized = re.compile("|".join((CREDENTIALS, *(f"(?:{name})" for name in sanitized))), re.I).search
        #: By name as it comes: the attribute and whether its value is redacted; None for a header not wanted.
        self._known: dict[str, tuple[str, bool] | None] = {}

    def record(self, values: dict[str, Any], headers: Iterable[tuple[str, str]]) -> None:
        """Add the wanted ones among ``headers`` (name and value, names repeating) to a span's values."""
        known = self._known
        for name, value in headers:
            try:
                found = known[name]
            except KeyError:
                found = self._judge(name)
            if found is not None:
                key, redacted = found
                value = REDACTED if redacted else value
                values[key] = (*values[key], value) if key in values else (value,)

    def _judge(self, name: str) -> tuple[str, bool] | None:
        lower = name.lower()
        found = (self._prefix + lower, self._sanitized(lower) is not None) if self._wanted(lower) else None
        if len(self._known) < _CACHE_MAX:
            self._known[name] = found
        return found
