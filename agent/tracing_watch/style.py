"""How the terminal is drawn on: which characters and colours it can show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TextIO

from tracing_watch.text import columns, cut


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters of a drawing; those of a bar come as left half, right half, whole cell."""

    bar: str
    slowest: str
    folded: str
    before: str
    after: str
    branch: str
    last: str
    down: str
    calls: str
    sends: str
    receives: str
    failed: str
    orphan: str
    ellipsis: str
    dot: str
    micro: str


UNICODE = Glyphs(
    bar="╸╺━",
    slowest="▌▐█",
    folded="╴╶┄",
    before="◂",
    after="▸",
    branch="├─ ",
    last="└─ ",
    down="│  ",
    calls="→ ",
    sends="⇢ ",
    receives="⇠ ",
    failed="✗ ",
    orphan="? ",
    ellipsis="…",
    dot=" · ",
    micro="µs",
)

ASCII = Glyphs(
    bar="---",
    slowest="###",
    folded="...",
    before="<",
    after=">",
    branch="|- ",
    last="`- ",
    down="|  ",
    calls="> ",
    sends=">> ",
    receives="<< ",
    failed="! ",
    orphan="? ",
    ellipsis="..",
    dot=", ",
    micro="us",
)

# SGR parameters (ECMA-48), from the sixteen colours that every terminal theme defines. No service is red.
SGR = {
    "plain": "",
    "strong": "1",
    "dim": "2",
    "error": "31",
    "warning": "33",
}
SERVICE_COLOURS = ("36", "35", "32", "34", "33", "96", "95", "92", "94", "93")

Piece = tuple[str, str]
"""A text and its role: a key of `SGR`, or `service:` and the service's name; `+strong` may follow."""


@dataclass(slots=True)
class Style:
    """Draws pieces of text. A service keeps the colour that it was given when first seen."""

    glyphs: Glyphs = UNICODE
    colour: bool = False
    _services: dict[str, str] = field(default_factory=dict)

    def paint(self, pieces: Iterable[Piece]) -> str:
        if not self.colour:
            return "".join(text for text, _ in pieces).rstrip()
        painted = []
        for text, role in pieces:
            code = self._code(role)
            painted.append(f"\x1b[{code}m{text}\x1b[0m" if code and text.strip() else text)
        return "".join(painted).rstrip()

    def _code(self, role: str) -> str:
        role, _, strong = role.partition("+")
        if role.startswith("service:"):
            # A stream of ever new names must not fill the memory: past the bound they share colours.
            colours, known = SERVICE_COLOURS, self._services
            code = known.get(role) or colours[len(known) % len(colours)]
            if len(known) < 1_000:
                known[role] = code
        else:
            code = SGR[role]
        return f"1;{code}" if strong and code else code

    def fit(self, pieces: Iterable[Piece], width: int) -> list[Piece]:
        """Cuts the pieces, from the right, to `width` cells, and fills up with blanks."""
        fitted: list[Piece] = []
        room = width
        for text, role in pieces:
            if room <= 0:
                break
            shown = cut(text, room, self.glyphs.ellipsis)
            fitted.append((shown, role))
            room -= columns(shown)
            if shown != text:
                break
        fitted.append((" " * room, "plain"))
        return fitted


def style_for(stream: TextIO, environment: Mapping[str, str]) -> Style:
    """Colours only on a terminal that has them and without NO_COLOR (no-color.org); else ASCII as needed."""
    colour = stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    try:
        "".join(getattr(UNICODE, name) for name in Glyphs.__slots__).encode(stream.encoding or "ascii")
    except (UnicodeError, LookupError):
        return Style(ASCII, colour)
    return Style(UNICODE, colour)
