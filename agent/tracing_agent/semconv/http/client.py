"""What an HTTP client span says: request, response, failure, and the socket's other side.

Source: semantic conventions 1.44, "HTTP client".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from opentelemetry.trace.status import Status, StatusCode

from tracing_agent.semconv.errors import ERROR, error_type, interrupted, message
from tracing_agent.semconv.http.methods import method_of
from tracing_agent.semconv.http.url import LONGEST, PORTS, REDACTED, SENSITIVE_KEYS, host_port, redacted_query

if TYPE_CHECKING:
    from tracing_agent.trace.span import Span

#: For all attempts but the first one: how many there were before.
RESENDS = "http.request.resend_count"
#: What `network.protocol.version` calls the versions that `http.client` numbers.
VERSIONS = {9: "0.9", 10: "1.0", 11: "1.1", 20: "2", 30: "3"}

_codes = {code: str(code) for code in range(100, 600)}
_userinfo = re.compile(r"(?<=//)[^/@\s]+@")
_pair = re.compile(r"(?<=[?&])([^=&\s]+)=[^&\s]*")


def client_request(span: Span, known: frozenset[str], method: str, url: str) -> None:
    """A request goes out to an absolute URL; ``known`` are the known methods."""
    values = span.values
    if method in known:
        values["http.request.method"] = span._name = method
    else:
        span._name = method_of(values, method, known)
    end = url.find("/", url.find("://") + 3)
    origin = url[:end] if end > 0 else url
    plain, address, port = _origins.get(origin) or _origin(origin)
    if plain and "?" not in url and len(url) <= LONGEST:
        values["url.full"] = url
    else:
        values["url.full"] = _redacted(url)[:LONGEST]
    if address:
        values["server.address"] = address
        if port is not None:
            values["server.port"] = port


# By what comes before a URL's path: whether nothing in it has to be redacted, address, and port. Whoever makes the
# program send requests may choose it.
_origins: dict[str, tuple[bool, str, int | None]] = {}
_ORIGINS_MAX, _ORIGIN_LONGEST = 512, 255


def _origin(origin: str) -> tuple[bool, str, int | None]:
    scheme, authority, rest = split(origin)
    address, port = host_port(authority)
    found = not rest and "@" not in authority, address, PORTS.get(scheme.lower()) if port is None else port
    if len(_origins) < _ORIGINS_MAX and len(origin) <= _ORIGIN_LONGEST:
        _origins[origin] = found
    return found


def split(url: str) -> tuple[str, str, str]:
    """(scheme, authority, what follows with its separator) of an absolute URL."""
    scheme, _, rest = url.partition("://")
    authority, slash, tail = rest.partition("/")
    if "?" in authority or "#" in authority:
        for separator in "?#":
            authority = authority.partition(separator)[0]
        return scheme, authority, rest[len(authority) :]
    return scheme, authority, slash + tail


def _redacted(url: str) -> str:
    scheme, authority, tail = split(url)
    user, at, host = authority.rpartition("@")
    if at:
        host = f"{REDACTED}:{REDACTED}@{host}" if ":" in user else f"{REDACTED}@{host}"
    rest, hash, fragment = tail.partition("#")
    path, mark, query = rest.partition("?")
    return f"{scheme}://{host}{path}{mark}{redacted_query(query)}{hash}{fragment}"


def client_response(span: Span, status: Any, version: Any = 0, peer: Any = None) -> None:
    """The response's headers came: 4xx and 5xx are errors of the call.

    ``status`` is an int, ``version`` HTTP's as `http.client` numbers it, ``peer`` the socket's other side as a tuple
    (address, port). Anything else, which a double of a response may have, is not told.
    """
    values = span.values
    if type(version) is int and version in VERSIONS:
        values["network.protocol.version"] = VERSIONS[version]
    if type(peer) is tuple:
        values["network.peer.address"], values["network.peer.port"] = peer
    if type(status) is not int:
        if not isinstance(status, int):
            return
        status = int(status)
    values["http.response.status_code"] = status
    if status >= 400:
        values["error.type"] = _codes.get(status) or str(status)
        span._status = ERROR


class _Words:
    """Takes what is said of a span that is not there."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._name = ""


def client_exchange(known: frozenset[str], method: str | None, url: str, *came: Any) -> tuple[str, dict[str, Any]]:
    """Name and attributes of an exchange: as `client_request`, and of a response below 400 as `client_response`."""
    words: Any = _Words()
    client_request(words, known, method or "", url)
    if came:
        client_response(words, *came)
    return words._name, words.values


def client_failed(span: Span, error: BaseException) -> None:
    """There was no usable response. What messages say of URLs is redacted as the URL itself is."""
    if interrupted(error):
        return
    span.values["error.type"] = error_type(error)
    span._status = Status(StatusCode.ERROR, redacted_text(message(error)) or None)


def redacted_text(text: str) -> str:
    """Text in which the credentials of URLs, and the values of `SENSITIVE_KEYS` in their queries, are replaced."""
    if "//" in text and "@" in text:
        text = _userinfo.sub(f"{REDACTED}:{REDACTED}@", text)
    if "?" in text:
        text = _pair.sub(_hidden, text)
    return text


def _hidden(pair: re.Match[str]) -> str:
    return f"{pair[1]}={REDACTED}" if unquote(pair[1]) in SENSITIVE_KEYS else pair[0]
