"""Counts of contexts that came in and went out; what does it is put in place when libraries are patched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.trace.headers import Headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.trace.carrier import Carrier

# Comes along with another header, and says nothing without it.
_COMPANIONS = frozenset(("tracestate",))


class Propagated:
    """How often context was read and written, and how often it could not be, as it was malformed or refused."""

    def __init__(self, carrier: Carrier) -> None:
        self.read = self.unreadable = self.written = self.unwritten = 0
        self._format = carrier.format
        names = [name for name in (carrier.format.fields if carrier.format else ()) if name not in _COMPANIONS]
        self._names = names
        # As ASGI and as WSGI have the names of headers.
        self.fields = (
            *(name.encode() for name in names),
            *("HTTP_" + name.upper().replace("-", "_") for name in names),
        )

    def counts(self) -> dict[tuple[str, str], int]:
        """By direction and status."""
        return {
            ("in", "success"): self.read,
            ("in", "failure"): self.unreadable,
            ("out", "success"): self.written,
            ("out", "failure"): self.unwritten,
        }

    def reading(self, remote: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """``remote``, which reads the parent out of a request's headers (a mapping), counted."""

        def counted(headers: Any) -> Any:
            found = remote(headers)
            if found is not None:
                self.read += 1
            elif any(field in headers for field in self.fields):
                self.unreadable += 1
            return found

        return counted

    def messages(self, headers: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """``headers``, which gives what came with a message that is handed to the program, counted."""

        def counted(message: Any) -> Any:
            given = headers(message)
            if given and self._format is not None:
                values = Headers(given).values
                if self._format.extract(values) is not None:
                    self.read += 1
                elif any(map(values, self._names)):
                    self.unreadable += 1
            return given

        return counted

    def writing(self, inject: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        """``inject`` of a carrier, counted."""

        def counted(span: Any, set: Any) -> None:
            try:
                inject(span, set)
            except BaseException:
                self.unwritten += 1
                raise
            self.written += 1

        return counted

    def forget(self) -> None:
        """In a forked child: the parent's counts are the parent's."""
        self.read = self.unreadable = self.written = self.unwritten = 0
