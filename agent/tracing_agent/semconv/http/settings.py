"""The settings of HTTP spans, ready to be used: read once, when the agent starts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tracing_agent.faults import WARN, say
from tracing_agent.semconv.http.headers import Capture
from tracing_agent.semconv.http.methods import known_methods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tracing_agent.config_http import Http

#: The variables of header capture, by the side and the direction that they are for.
CAPTURE = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"


class HttpSettings:
    """What the program's owner decided about HTTP spans. Attributes are not to be assigned after construction.

    ``methods`` are the known methods; ``excluded`` gives for an instrumentation the ``search`` of the URLs that are
    not traced, where there are any; ``server_request`` … capture headers (None: none); ``body_sizes`` asks for them.
    """

    __slots__ = (
        "_excluded",
        "body_sizes",
        "client_request",
        "client_response",
        "methods",
        "server_request",
        "server_response",
    )

    def __init__(
        self,
        methods: str = "",
        excluded: Mapping[str, str] | None = None,
        captured: Mapping[str, str] | None = None,
        sanitized: str = "",
        body_sizes: bool = False,
    ) -> None:
        self.methods = known_methods(methods)
        self.body_sizes = body_sizes
        self._excluded = {library: _union(value) for library, value in (excluded or {}).items()}
        hidden = list(_patterns(CAPTURE + "SANITIZE_FIELDS", sanitized))

        def capture(side: str) -> Capture | None:
            names = list(_patterns(CAPTURE + side.upper(), (captured or {}).get(side, "")))
            return Capture(f"http.{side.partition('_')[2]}.header.", names, hidden) if names else None

        self.server_request = capture("server_request")
        self.server_response = capture("server_response")
        self.client_request = capture("client_request")
        self.client_response = capture("client_response")

    @classmethod
    def of(cls, read: Http) -> HttpSettings:
        """The settings as `config` read them."""
        return cls(read.methods, read.excluded, read.captured, read.sanitized, read.body_sizes)

    def excluded(self, library: str) -> Callable[[str], Any] | None:
        """The function that finds an excluded URL of an instrumentation; None where no URL is."""
        return self._excluded.get(library)


def _union(value: str) -> Callable[[str], Any] | None:
    # Of the general variable and the library's own, which one is wrong is plain to see from the value.
    patterns = list(_patterns("OTEL_PYTHON_*EXCLUDED_URLS", value))
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns)).search if patterns else None


def _patterns(variable: str, value: str) -> Iterator[str]:
    """The regular expressions of a comma-separated list; one that is none is reported and left out."""
    for part in value.split(","):
        pattern = part.strip()
        if pattern:
            try:
                re.compile(pattern)
            except re.error as error:
                say(WARN, f"{variable}: {pattern!r} is no regular expression ({error}); it is left out")
            else:
                yield pattern
