"""Headers for the tests: how a server hands them over, ordinary ones, and a fixed corpus of nasty ones."""

from __future__ import annotations

from collections.abc import Sequence

from tracing_agent.propagation.remote import Values

TRACE = 0x12345678901234567890123456789012
SPAN = 0x1234567890123456
PARENT = "00-12345678901234567890123456789012-1234567890123456-01"


def received(*headers: tuple[str, str]) -> Values:
    """The look-up of a server that keeps repeated headers apart."""

    def values(name: str) -> Sequence[str]:
        return [value for key, value in headers if key.lower() == name]

    return values


def joined(*headers: tuple[str, str]) -> Values:
    """The look-up of a WSGI server, which joins repeated headers with commas."""
    apart = received(*headers)

    def values(name: str) -> Sequence[str]:
        found = apart(name)
        return [",".join(found)] if found else ()

    return values


_CHARACTERS = (
    "\x00",
    "\x01",
    "\t",
    "\n",
    "\r",
    "\r\nx-injected: 1",
    "\x0b",
    "\x1f",
    "\x7f",
    "\x80",
    "\x85",
    "\xa0",
    "\xad",
    "\xff",
    "\u0130",
    "\u2028",
    "\u200b",
    "\u0660\u0661\u0662",
    "\uff10\uff11",
    "\ud800",
    "\udcff",
    "\U0001f600",
    "%",
    "%%",
    "%0",
    "%zz",
    "%\uff10\uff11",
    "%ff",
    "%c3%28",
    "%00",
    "%0d%0a",
    '"',
    "\\",
    "'",
    ",",
    ";",
    "=",
    "_",
    "+",
    "-",
    " ",
)

#: Values that no parser may stumble over, whichever header they come in.
NASTY: tuple[str, ...] = (
    "",
    *_CHARACTERS,
    *(character * 300 for character in _CHARACTERS),
    # Numbers that int() reads and the formats do not.
    "00-1234567890123456789012345678901_-1234567890123456-01",
    "00-+2345678901234567890123456789012-1234567890123456-01",
    "00- 2345678901234567890123456789012-1234567890123456-01",
    "00-0x345678901234567890123456789012-1234567890123456-01",
    "00-123456789012345678901234567890\u0661\u0662-1234567890123456-01",
    "00-12345678901234567890123456789012-1234567890123456-\u0661\u0661",
    "\uff10\uff10-12345678901234567890123456789012-1234567890123456-01",
    "00-1234567890123456789012345678 9012-123456789012345-01",
    "00\u201212345678901234567890123456789012\u20121234567890123456\u201201",
    # Right in places.
    PARENT[:-1],
    PARENT + "\n",
    PARENT + "\x00",
    "\u00a0" + PARENT,
    PARENT + "," + PARENT,
    PARENT + ", ",
    "cc" + PARENT[2:] + "-x," + PARENT,
    PARENT + "-" + "a" * 100_000,
    " " * 100_000 + PARENT,
    "-" * 55,
    "0" * 55,
    "-" * 100_000,
    "f" * 100_000,
    # Lists.
    "," * 100_000,
    "=," * 50_000,
    "a=1," * 50_000,
    " ,\t" * 30_000,
    "a=" + "x" * 100_000,
    "a" * 100_000 + "=1",
    "a=1;" * 30_000,
    ";" * 100_000,
    "a=%41" + "%41" * 30_000,
    ",".join(f"k{index}=v" for index in range(10_000)),
    "a=1\r\nx-injected: 1",
    "a=1;m=\r\nx-injected: 1",
    "a=1%0d%0ax-injected: 1",
    # Other formats, broken.
    "d-d-d-d",
    "0-0-0-0",
    "----",
    f"{TRACE:032x}-{SPAN:016x}-1-",
    f"{TRACE:032x}-{SPAN:016x}--",
    f"{TRACE:032x}-{SPAN:016x}-1-{SPAN:016x}-1",
    ":::",
    "%3A" * 40_000,
    "1:1:1:g",
    f"{TRACE:x}:{SPAN:x}:0:+1",
    "Root=",
    "Root=1--;Parent=;Sampled=",
    "Root=1-12345678-901234567890123456789012;Parent=" + "1" * 17,
    "Root=1-1234567_-901234567890123456789012;Parent=1234567890123456;Sampled=1",
    "Root=;" * 20_000,
)
