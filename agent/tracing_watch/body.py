"""Reads request bodies: framed by length or in chunks, plain or compressed, never more than a bound.

Sources: RFC 9112 sections 6 and 7.1 (framing), RFC 1952 (gzip); OTLP asks servers to accept gzip.
"""

from __future__ import annotations

import zlib
from http import HTTPStatus
from typing import Protocol

# What the OpenTelemetry specification gives as the greatest request of OTLP.
LIMIT = 64 * 2**20

# Of a refused body this much is read and thrown away, so that the client comes to see the answer.
DISCARD = 256 * 2**20

BLOCK = 64 * 2**10


class Stream(Protocol):
    """What is needed of a connection."""

    def read(self, size: int, /) -> bytes: ...
    def readline(self, size: int, /) -> bytes: ...


class Headers(Protocol):
    """Look-ups that ignore case, as `http.server` gives them."""

    def get(self, name: str, /) -> str | None: ...


GZIP, DEFLATE = 31, 15  # window bits as zlib takes them


class Refused(Exception):
    """The request cannot be taken: the HTTP status to answer, and why.

    `unread` is how many bytes of the body may still come; None when the framing is lost.
    """

    def __init__(self, status: HTTPStatus, reason: str, unread: int | None = 0) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.unread = unread


def read(stream: Stream, headers: Headers, limit: int = LIMIT) -> bytes:
    """The whole body as it was sent. Raises `Refused`, or OSError when the connection breaks."""
    transfer_encoding = headers.get("transfer-encoding")
    if transfer_encoding is not None:
        if transfer_encoding.strip().lower() != "chunked" or headers.get("content-length") is not None:
            raise Refused(HTTPStatus.BAD_REQUEST, "the body's length is not clear", None)
        return _chunked(stream, limit)
    length = content_length(headers)
    if length > limit:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit} bytes", length)
    body = stream.read(length)
    if len(body) < length:
        raise Refused(HTTPStatus.BAD_REQUEST, "the body ends early", None)
    return body


def content_length(headers: Headers) -> int:
    """Raises `Refused` if there is none or it is no number."""
    text = headers.get("content-length")
    if text is None:
        raise Refused(HTTPStatus.LENGTH_REQUIRED, "no Content-Length", None)
    # int() alone would take "+1", "1_0" and digits of other scripts.
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise Refused(HTTPStatus.BAD_REQUEST, "Content-Length is no number", None)
    return int(text)


def _chunked(stream: Stream, limit: int) -> bytes:
    body = bytearray()
    while True:
        size_text = _line(stream).partition(b";")[0].strip()
        if not size_text or size_text.strip(b"0123456789abcdefABCDEF"):
            raise Refused(HTTPStatus.BAD_REQUEST, "a chunk's size is no number", None)
        size = int(size_text, 16)
        if len(body) + size > limit:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit} bytes", None)
        if not size:
            break
        block = stream.read(size)
        body += block
        if len(block) < size or _line(stream):
            raise Refused(HTTPStatus.BAD_REQUEST, "a chunk ends early or late", None)
    while _line(stream):  # trailers
        pass
    return bytes(body)


def _line(stream: Stream) -> bytes:
    line = stream.readline(1024)
    if not line.endswith(b"\n"):
        raise Refused(HTTPStatus.BAD_REQUEST, "a chunk's line is too long or ends early", None)
    return line.strip(b"\r\n")


def expand(body: bytes, encoding: str, limit: int = LIMIT) -> bytes:
    """Undoes Content-Encoding, at most `limit` bytes. Raises `Refused`."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding is not gzip, deflate or identity")
    bits = DEFLATE if encoding == "deflate" else GZIP
    member = zlib.decompressobj(bits)
    try:
        expanded = member.decompress(body, limit + 1)
    except zlib.error as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"the body is not {encoding}: {error}") from error
    if len(expanded) > limit:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body expands to more than {limit} bytes")
    if not member.eof or member.unused_data:
        raise Refused(HTTPStatus.BAD_REQUEST, f"the {encoding} body ends early or late")
    return expanded
