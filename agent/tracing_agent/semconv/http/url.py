"""URLs in attributes: what of a query must not be seen, and address and port out of an authority.

Source: semantic conventions 1.44, "HTTP"; for redaction the union of the query keys of 1.41 to main.
"""

from __future__ import annotations

from urllib.parse import unquote

SENSITIVE_KEYS = frozenset(
    (
        "AWSAccessKeyId",
        "Signature",
        "sig",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
        "X-Goog-Signature",
    )
)
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
REDACTED = "REDACTED"
#: Longest text, in characters, that an attribute takes from what a stranger sent.
LONGEST = 8192

# Authorities remembered, the shortest of the long ones not: whoever sends them chooses them.
_CACHE_MAX, _CACHED_LENGTH = 512, 255
_authorities: dict[str, tuple[str, int | None]] = {}


def redacted_query(query: str) -> str:
    """A query string in which the values of `SENSITIVE_KEYS` are replaced; other text is kept as it is."""
    if len(query) > LONGEST:
        query = query[:LONGEST]
    # Every key has one of these in it; most queries have none.
    if not ("ig" in query or "%" in query or "X-Amz-" in query or "AWSA" in query):
        return query
    parts = []
    for part in query.split("&"):
        key, equals, _ = part.partition("=")
        name = unquote(key) if "%" in key else key
        parts.append(f"{key}={REDACTED}" if equals and name in SENSITIVE_KEYS else part)
    return "&".join(parts)


def host_port(authority: str) -> tuple[str, int | None]:
    """(address, port or None) of a ``Host`` header or URL authority; IPv6 addresses without their brackets."""
    known = _authorities.get(authority)
    if known is not None:
        return known
    host = authority.rpartition("@")[2] if "@" in authority else authority
    address, port = host, None
    if host.startswith("["):
        address, _, rest = host[1:].partition("]")
        digits = rest[1:] if rest.startswith(":") else ""
    else:
        name, colon, digits = host.partition(":")
        if ":" in digits:  # an IPv6 address without brackets
            digits = ""
        elif colon:
            address = name
    if digits.isascii() and digits.isdigit() and len(digits) <= 5:
        port = int(digits)
    found = (address[:LONGEST], port)
    if len(_authorities) < _CACHE_MAX and len(authority) <= _CACHED_LENGTH:
        _authorities[authority] = found
    return found
