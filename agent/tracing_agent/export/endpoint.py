"""Where spans are sent, and by what way: the URL, the proxy and the certificates, checked before anything is sent.

Source: specification, "OpenTelemetry Protocol Exporter". A setting that cannot work is one sentence that says what to
write instead.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from tracing_agent.export.native import library

if TYPE_CHECKING:
    from ssl import SSLContext

    from tracing_agent.config_export import Otlp

_PREFIX = "OTEL_EXPORTER_OTLP_"
#: Headers that describe the body, which is ours.
_OURS = frozenset(("content-type", "content-encoding", "content-length", "transfer-encoding"))


class Unusable(Exception):
    """A setting that cannot work; the message is a sentence for people."""


class Proxy:
    """An HTTP proxy; ``headers`` carry its credentials."""

    __slots__ = ("headers", "host", "port")

    def __init__(self, host: str, port: int, headers: dict[str, str]) -> None:
        self.host = host
        self.port = port
        self.headers = headers


class Endpoint:
    """One URL, taken apart. ``shown`` is it without secrets; ``target`` what an HTTP request line needs."""

    def __init__(self, settings: Otlp) -> None:
        self.name, given = _variable(settings, "ENDPOINT")
        parts = _split(self.name, given or settings.endpoint, settings)
        parts = urlsplit(settings.endpoint)
        #: What is appended to the variable's value.
        self.appended = f"/v1/{settings.signal.lower()}" if self.name == f"{_PREFIX}ENDPOINT" else ""
        self.secure = parts.scheme.lower() == "https"
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if self.secure else 80)
        self.address = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self.authorization = _basic(parts)

    def proxy(self) -> Proxy | None:
        """The proxy that ``HTTP(S)_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` ask for."""
        if not any(name.lower() in ("http_proxy", "https_proxy", "all_proxy") for name in os.environ):
            return None
        from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

        proxies: dict[str, str] = getproxies_environment()
        kind = "https" if self.secure else "http"
        address = proxies.get(kind) or proxies.get("all")
        if not address or proxy_bypass_environment(f"{self.host}:{self.port}", proxies):
            return None
        try:
            parts = urlsplit(address if "://" in address else "http://" + address)
            port = parts.port or 80
        except ValueError:
            parts, port = urlsplit(""), 0
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        if parts.scheme != "http" or not parts.hostname:
            raise Unusable(
                f"the proxy {shown} of {kind.upper()}_PROXY cannot be used: only http:// proxies can; "
                f"add {self.host} to NO_PROXY to send without it"
            )
        credentials = _basic(parts)
        return Proxy(parts.hostname, port, {"Proxy-Authorization": credentials} if credentials else {})


def headers(settings: Otlp, own: dict[str, str], authorization: str) -> dict[str, bytes]:
    """``own`` headers under those of the settings; names compare in any case. What describes the body stays ours."""
    found = {name.lower(): (name, value) for name, value in own.items()}
    if authorization:
        found["authorization"] = ("Authorization", authorization)
    for name, value in settings.headers.items():
        if name.lower() not in _OURS:
            found[name.lower()] = (name, value)
    for name, value in found.values():
        if not name.isascii() or any(char in "\r\n\0: \t" for char in name) or any(char in "\r\n\0" for char in value):
            raise Unusable(
                f"{_variable(settings, 'HEADERS')[0]}: the header {name!r} has characters that HTTP does not allow; "
                "write key1=value1,key2=value2, with other characters percent-encoded"
            )
    return {name: value.encode("utf-8", "replace") for name, value in found.values()}


def tls_context(settings: Otlp) -> SSLContext:
    """The TLS configuration; the files are read anew each time, as certificates are renewed."""
    ssl = library("ssl")
    trusted, certificate, key = settings.certificate, settings.client_certificate, settings.client_key
    try:
        context: SSLContext = ssl.create_default_context(cafile=trusted or None)
    except (OSError, ValueError) as error:
        raise Unusable(_unreadable(settings, "CERTIFICATE", error)) from None
    if certificate:
        try:
            # An encrypted key would be asked for on the terminal.
            context.load_cert_chain(certificate, key or None, password=_no_password)
        except (OSError, ValueError) as error:
            locked = key and (type(error) is ValueError or not os.access(key, os.R_OK))
            name = "CLIENT_KEY" if locked and os.access(certificate, os.R_OK) else "CLIENT_CERTIFICATE"
            raise Unusable(_unreadable(settings, name, error)) from None
    _check_pair(settings)
    return context


def grpc_endpoint(settings: Otlp) -> tuple[str, bool]:
    """The endpoint without secrets, and whether it is to be reached without TLS: by its scheme, else as set."""
    name, given = _variable(settings, "ENDPOINT")
    scheme, found, rest = (given or settings.endpoint).rpartition("://")
    address = rest.rpartition("@")[2]
    if found and scheme.lower() not in ("http", "https"):
        raise Unusable(
            f"{name}={scheme + found + address!r} has a scheme that is not known; "
            f"write http://{address}, or https://{address} for TLS"
        )
    if address.partition("/")[0].startswith(":") or not address.strip("/"):
        raise Unusable(f"{name}={given!r} names no host; write for example http://localhost:4317")
    return scheme + found + address, scheme.lower() == "http" if found else settings.insecure


def printable_headers(settings: Otlp) -> tuple[tuple[str, str], ...]:
    """The settings' headers as gRPC metadata: lower-case names, printable ASCII values."""
    for name, value in settings.headers.items():
        if not (name.isascii() and value.isascii() and value.isprintable()):
            raise Unusable(
                f"{_variable(settings, 'HEADERS')[0]}: the header {name!r} has characters that gRPC does not allow; "
                "use printable ASCII"
            )
    return tuple((name.lower(), value) for name, value in settings.headers.items())


def pem_files(settings: Otlp) -> tuple[bytes | None, bytes | None, bytes | None]:
    """(trusted certificates, private key, certificate) as bytes, None for what is not set."""
    found: list[bytes | None] = []
    for suffix, path in (
        ("CERTIFICATE", settings.certificate),
        ("CLIENT_KEY", settings.client_key),
        ("CLIENT_CERTIFICATE", settings.client_certificate),
    ):
        try:
            with open(path or os.devnull, "rb") as file:
                found.append(file.read() or None)
        except OSError as error:
            raise Unusable(_unreadable(settings, suffix, error)) from None
    _check_pair(settings)
    return found[0], found[1], found[2]


def _check_pair(settings: Otlp) -> None:
    if settings.client_key and not settings.client_certificate:
        raise Unusable(
            f"{_variable(settings, 'CLIENT_KEY')[0]} is set without {_PREFIX}CLIENT_CERTIFICATE; set both, or none"
        )


def _no_password() -> str:
    raise ValueError("it is encrypted; use one without a password")


def _unreadable(settings: Otlp, suffix: str, error: Exception) -> str:
    name, value = _variable(settings, suffix)
    reason = getattr(error, "strerror", None) or str(error)
    return f"{name}={value!r} cannot be used ({reason}); it has to be a readable file in PEM format"


def _variable(settings: Otlp, suffix: str) -> tuple[str, str]:
    """The variable that decides, and its value: the signal's own before the general one."""
    given = {variable.name: variable.value for variable in settings.variables}
    for prefix in settings.prefixes:
        value = given.get(prefix + suffix)
        if value:
            return prefix + suffix, value
    return settings.prefixes[-1] + suffix, ""


def _split(name: str, value: str, settings: Otlp) -> SplitResult:
    """Check the URL as it was given, before anything was appended to it."""
    shown = value
    if "@" in value:
        scheme, found, rest = value.rpartition("://")
        shown = scheme + found + "REDACTED@" + rest.rpartition("@")[2]
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Unusable(f"{name}={shown!r} is no URL ({error}); write for example http://localhost:4318") from None
    if "://" not in value:
        raise Unusable(f"{name}={shown!r} has no scheme; write {_with_scheme(shown)}")
    if parts.scheme.lower() not in ("http", "https"):
        rest = shown.partition("://")[2]
        over_http = rest.replace(":4317", ":4318") if port == 4317 else rest
        raise Unusable(
            f"{name}={shown!r} has a scheme that is not HTTP's; write http://{over_http}, "
            f"or set {_PREFIX}PROTOCOL=grpc and write http://{rest}"
        )
    if not host:
        raise Unusable(f"{name}={shown!r} names no host; write for example http://localhost:4318")
    return parts


def _with_scheme(value: str) -> str:
    return ("https://" if value.partition("/")[0].endswith(":443") else "http://") + value.lstrip("/")


def _basic(parts: SplitResult) -> str:
    """HTTP Basic credentials (RFC 7617) of a URL's userinfo; empty without."""
    if parts.username is None:
        return ""
    from base64 import b64encode

    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + b64encode(pair.encode()).decode()
