"""Baggage in one header an entry: `uberctx-<name>` of Jaeger, `ot-baggage-<name>` of OpenTracing."""

from collections.abc import Iterable, Mapping

from tracing_agent.propagation.baggage import (
    LONGEST_BAGGAGE,
    MOST_ENTRIES,
    TOKEN,
    percent_decoded,
    percent_encoded,
)
from tracing_agent.propagation.remote import Set, Values


class Prefixed:
    """The entries whose headers begin with `prefix` (lower-case); `encoded`: their values are percent-encoded.

    The limits of W3C Baggage hold here too: 64 entries, 8192 characters of names and values.
    """

    __slots__ = ("encoded", "prefix")

    def __init__(self, prefix: str, *, encoded: bool) -> None:
        self.prefix = prefix
        self.encoded = encoded

    def parse(self, headers: Iterable[str], values: Values) -> dict[str, str]:
        """Read the entries among the headers of these names: name -> value."""
        prefix = self.prefix
        entries: dict[str, str] = {}
        room = LONGEST_BAGGAGE
        for header in headers:
            name = header[len(prefix) :]
            if not name or header[: len(prefix)].lower() != prefix:
                continue
            found = values(header)
            if not found or len(name) + len(found[0]) > room:
                continue
            room -= len(name) + len(found[0])
            value = found[0].strip(" \t")
            entries[name] = percent_decoded(value) if self.encoded and "%" in value else value
            if len(entries) == MOST_ENTRIES:
                break
        return entries

    def format(self, entries: Mapping[str, object], set: Set) -> None:
        """Write each entry that a header can express, within the limits."""
        room = LONGEST_BAGGAGE
        left = MOST_ENTRIES
        for name, value in entries.items():
            text = value if isinstance(value, str) else str(value)
            if not name or len(name) + len(text) > room or name.strip(TOKEN):
                continue
            if self.encoded:
                text = percent_encoded(text)
            elif not (text.isascii() and text.isprintable()):
                continue
            if len(name) + len(text) > room:
                continue
            set(self.prefix + name, text)
            room -= len(name) + len(text)
            left -= 1
            if not left:
                return
