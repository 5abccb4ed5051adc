"""What a row says about a span besides its name: the status, the address called, the database."""

from __future__ import annotations

from urllib.parse import urlsplit

from tracing_watch.model import Kind, Span, Value
from tracing_watch.style import Glyphs, Piece
from tracing_watch.text import clean

# The stable name first, then the one that older agents still send.
STATUS = ("http.response.status_code", "http.status_code")
URL = ("url.full", "http.url")
DATABASE = ("db.system.name", "db.system")


def direction(kind: Kind, glyphs: Glyphs) -> str:
    """A small sign for what goes out and what comes from a queue; the rest stands for itself."""
    return {Kind.CLIENT: glyphs.calls, Kind.PRODUCER: glyphs.sends, Kind.CONSUMER: glyphs.receives}.get(kind, "")


def details(span: Span) -> list[Piece]:
    """Most important first, for the end may be cut off."""
    pieces: list[Piece] = []
    status = _first(span, STATUS)
    if status is not None:
        pieces.append((f" {clean(str(status), 5)}", _status_role(status)))
    url = _first(span, URL)
    if url is not None and span.kind == Kind.CLIENT:
        pieces.append((f" {_address(str(url))}", "dim"))
    database = _first(span, DATABASE)
    if database is not None:
        pieces.append((f" {clean(str(database), 40)}", "dim"))
    if span.links:
        pieces.append((f" {span.links} link{'s' if span.links > 1 else ''}", "dim"))
    return pieces


def _first(span: Span, names: tuple[str, ...]) -> Value:
    return next((span.attributes[name] for name in names if name in span.attributes), None)


def _status_role(status: Value) -> str:
    if not isinstance(status, int) or status < 400:
        return "dim"
    return "warning" if status < 500 else "error"


def _address(url: str) -> str:
    """Host, port and path: credentials and query strings are nobody's business on a screen."""
    try:
        parts = urlsplit(clean(url))
    except ValueError:
        return ""
    return parts.netloc.rpartition("@")[2] + parts.path
