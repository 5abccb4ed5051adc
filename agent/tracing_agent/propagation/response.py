"""The trace id on its way back to the caller: a header of the response, where one is wanted.

Sources: W3C Trace Context, drafts of "Trace Context HTTP Response Headers" (`traceresponse`, replaced in 2025 by a
metric in `Server-Timing`); Fetch, "CORS protocol", for `Access-Control-Expose-Headers`.
"""

from collections.abc import Sequence

TRACERESPONSE, SERVER_TIMING = "traceresponse", "Server-Timing"
#: The settings' names of the headers.
NAMES = {"traceresponse": TRACERESPONSE, "server-timing": SERVER_TIMING}

Header = tuple[str, str]

_EXPOSE = "Access-Control-Expose-Headers"
_METRIC = "trace"


class ResponseHeader:
    """Adds the header that is called `name`, a value of NAMES."""

    __slots__ = ("_lower", "_prefix", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._lower = name.lower()
        self._prefix = f"{_METRIC};desc=" if name == SERVER_TIMING else ""

    def added(self, identity: str, headers: Sequence[Header]) -> list[Header]:
        """What to add to the response's own headers, of which none is changed.

        `identity` is a traceparent: trace, span and flags of the server. Nothing is added where the application says
        the same itself. A script of another origin may read the header: it is exposed unless it is already.
        """
        exposed: list[str] = []
        for name, value in headers:
            lower = name.lower()
            if lower == self._lower and (not self._prefix or _METRIC in _tokens(value)):
                return []
            if lower == "access-control-expose-headers":
                exposed += _tokens(value.lower())
        added = [(self.name, self._prefix + identity)]
        if self._lower not in exposed and "*" not in exposed:
            # Several lines of this header count as one list.
            added.append((_EXPOSE, self.name))
        return added


def _tokens(value: str) -> list[str]:
    """What the members of a list begin with: header names, or metrics without their parameters."""
    return [member.partition(";")[0].strip() for member in value.split(",")]
