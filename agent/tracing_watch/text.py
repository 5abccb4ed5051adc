"""Text from the network made fit for a terminal: no control characters, a known width, short durations."""

from __future__ import annotations

import re
import unicodedata

# C0 and C1 controls would let a span's name drive the terminal; bidirectional and zero-width characters
# would let it lie about its own text; lone surrogates cannot be written.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def clean(text: str, limit: int = 400) -> str:
    """One line of at most `limit` characters: white space becomes one space, unprintables `\ufffd`."""
    return UNPRINTABLE.sub("\ufffd", " ".join(text[: 4 * limit].split()))[:limit]


def columns(text: str) -> int:
    """How many terminal cells the text takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int, ellipsis: str) -> str:
    """The text if it fits into `width` cells, else its beginning with an ellipsis."""
    if columns(text) <= width:
        return text
    room = width - columns(ellipsis)
    if room < 0:
        return ""
    kept = 0
    for character in text:
        room -= _cells(character)
        if room < 0:
            break
        kept += 1
    return text[:kept].rstrip() + ellipsis


def duration(nanoseconds: int, micro: str = "\u00b5s") -> str:
    """Three significant digits, at most seven cells: `31.2 ms`, `1.24 s`, `2m 05s`, `1h 02m`, `3d 04h`."""
    for unit, size in ((micro, 1e3), ("ms", 1e6), ("s", 1e9)):
        value = nanoseconds / size
        digits = 0 if value >= 99.95 or size == 1e3 else 1 if value >= 9.995 else 2
        if round(value, digits) < (60 if unit == "s" else 1000):
            return f"{value:.{digits}f} {unit}"
    seconds = round(nanoseconds / 1e9)
    if seconds < 3600:
        return f"{seconds // 60}m {seconds % 60:02}s"
    if seconds < 86400:
        return f"{seconds // 3600}h {seconds % 3600 // 60:02}m"
    days = seconds // 86400
    return f"{days}d {seconds % 86400 // 3600:02}h" if days < 100 else f"{days}d"
