"""W3C Baggage: entries an application sends along with the trace, and their metadata."""

from collections.abc import Iterator, Mapping, Sequence

BAGGAGE = "baggage"

# Up to here everything is carried on (W3C Baggage, "Limits"); beyond, whole entries are left out.
MOST_ENTRIES = 64
LONGEST_BAGGAGE = 8192

# The characters of a token (RFC 9110, section 5.6.2), of which names are made.
TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# What stands for itself in a value: printable ASCII without space, quotation mark, comma, semicolon and
# backslash, and without the percent sign, with which everything else is written.
_PLAIN = "".join(map(chr, range(0x21, 0x7F))).translate({ord(character): None for character in '",;\\%'})
_OCTETS = _PLAIN + "%"
_ENCODED = tuple(chr(byte) if chr(byte) in _PLAIN else f"%{byte:02X}" for byte in range(256))


class Value(str):
    """A baggage value that came with metadata: the text behind the first semicolon, as it was sent."""

    __slots__ = ("metadata",)
    metadata: str

    def __new__(cls, value: str, metadata: str = "") -> "Value":
        self = super().__new__(cls, value)
        self.metadata = metadata
        return self


def parse_baggage(values: Sequence[str]) -> dict[str, str]:
    """Read the baggage headers of a message as one list: name -> value, a Value where there is metadata.

    Names are literal; values are percent-decoded, bytes that are not UTF-8 becoming U+FFFD, and `+` stands
    for itself. A malformed entry is left out, as is what exceeds the limits; of a name that occurs twice the
    last counts. W3C Baggage, "Header Content". Never raises for strings.
    """
    text = values[0] if len(values) == 1 else ",".join(_bounded(values))
    if len(text) > LONGEST_BAGGAGE:
        text = text[: text.rfind(",", 0, LONGEST_BAGGAGE + 1) + 1]
    entries: dict[str, str] = {}
    for member in text.split(","):
        pair, separator, metadata = member.partition(";")
        name, equals, value = pair.partition("=")
        name = name.strip(" \t")
        value = value.strip(" \t")
        if not equals or not name or name.strip(TOKEN) or value.strip(_OCTETS):
            continue
        if "%" in value:
            value = percent_decoded(value)
        if separator:
            metadata = metadata.strip(" \t")
            if not _sendable(metadata):
                continue
            if metadata:
                value = Value(value, metadata)
        if len(entries) < MOST_ENTRIES or name in entries:
            entries[name] = value
    return entries


def _bounded(values: Sequence[str]) -> Iterator[str]:
    """As much of the headers as can matter, so that joining them takes no more room than twice the limit."""
    length = 0
    for value in values:
        yield value[: LONGEST_BAGGAGE + 1]
        length += len(value) + 1
        if length > LONGEST_BAGGAGE:
            return


def format_baggage(entries: Mapping[str, object]) -> str:
    """Write entries as one baggage header; "" for none.

    Values that are not strings are sent as str() shows them. Left out are names that are no token, which the
    header cannot express, entries that would exceed the limits, and metadata that would not survive in a
    header.
    """
    members: list[str] = []
    room = LONGEST_BAGGAGE + 1
    for name, value in entries.items():
        text = value if isinstance(value, str) else str(value)
        if not name or len(name) + 1 + len(text) >= room or name.strip(TOKEN):
            continue
        member = f"{name}={percent_encoded(text)}"
        if isinstance(value, Value) and value.metadata and _sendable(value.metadata):
            member = f"{member};{value.metadata}"
        if len(member) < room:
            members.append(member)
            room -= len(member) + 1
            if len(members) == MOST_ENTRIES:
                break
    return ",".join(members)


def percent_encoded(text: str) -> str:
    """Write text so that it may stand in a header: everything but plain ASCII as %XX of its UTF-8 bytes."""
    if not text.strip(_PLAIN):
        return text
    return "".join([_ENCODED[byte] for byte in text.encode("utf-8", "replace")])


def percent_decoded(text: str) -> str:
    """Undo percent_encoded(); a percent sign without two hexadecimal digits stands for itself."""
    parts = text.split("%")
    decoded = [parts[0].encode("utf-8", "replace")]
    for part in parts[1:]:
        try:
            byte = bytes.fromhex(part[:2])
        except ValueError:
            byte = b""
        if byte:
            decoded.append(byte + part[2:].encode("utf-8", "replace"))
        else:
            decoded.append(b"%" + part.encode("utf-8", "replace"))
    return b"".join(decoded).decode("utf-8", "replace")


def _sendable(metadata: str) -> bool:
    """Whether metadata can go into a header as it is: visible ASCII and blanks, and no comma."""
    return (
        len(metadata) <= LONGEST_BAGGAGE
        and metadata.isascii()
        and metadata.replace("\t", " ").isprintable()
        and "," not in metadata
    )
