"""The settings of HTTP spans: their variables, read with all others by `config.Settings`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tracing_agent.config_reader import Reader

#: Instrumentations with a variable of their own for URLs that are not traced.
SERVERS = ("flask", "fastapi", "starlette")
CLIENTS = ("requests",)


class Http:
    """The values as they were read: lists and regular expressions still as text.

    ``excluded`` is by instrumentation; ``captured`` by side and direction (``server_request`` …).
    """

    def __init__(self, read: Reader) -> None:
        self.methods = read.text(
            "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "", "request methods by name, instead of the usual ten"
        )
        self.body_sizes = read.boolean(
            "OTEL_PYTHON_HTTP_BODY_SIZES", False, "record the sizes of bodies, where they are known for nothing"
        )
        general = read.text(
            "OTEL_PYTHON_EXCLUDED_URLS", "", "regular expressions of URLs whose requests are not traced"
        )
        self.excluded = {
            library: read.text(
                f"OTEL_PYTHON_{library.upper()}_EXCLUDED_URLS", general, f"the same for {library}, instead"
            )
            for library in SERVERS
        }
        for library in CLIENTS:
            self.excluded[library] = read.text(
                f"OTEL_PYTHON_{library.upper()}_EXCLUDED_URLS", general, f"the same for calls by {library}, instead"
            )
        prefix = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"
        self.captured = {
            f"{side}_{direction}": read.text(
                f"{prefix}{side}_{direction}".upper(), "", f"headers of {side} {direction}s to record, as expressions"
            )
            for side in ("server", "client")
            for direction in ("request", "response")
        }
        self.sanitized = read.text(f"{prefix}SANITIZE_FIELDS", "", "headers recorded without their values")
