"""What to do next, for each way in which spans do not arrive: sentences for people."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssl import SSLCertVerificationError, SSLError

    from tracing_agent.config import Settings

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_GRPC = "set OTEL_EXPORTER_OTLP_PROTOCOL=grpc"
_HTTP = "set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"


def unknown_name(host: str) -> str:
    """DNS does not know the host."""
    return f"correct the host in {_ENDPOINT}; in containers, {host} has to be a name on the same network"


def no_answer(host: str) -> str:
    """Packets go nowhere."""
    return f"ask whether {host} is up and whether a firewall or network policy is between; look at {_ENDPOINT}"


def refused(protocol: str, host: str, port: int) -> str:
    """Nothing listens on the port."""
    if protocol != "grpc" and port == 4317:
        return f"4317 is the port of gRPC: write 4318 in {_ENDPOINT}, or {_GRPC}"
    if protocol == "grpc" and port == 4318:
        return f"4318 is the port of OTLP over HTTP: write 4317 in {_ENDPOINT}, or {_HTTP}"
    if host in ("localhost", "127.0.0.1", "::1"):
        inside = " (this is one)" if _in_container() else ""
        return (
            f"start a collector here, or look with `tracing-run watch`; in a container{inside} {host} is the container "
            f"itself: write the collector's name in {_ENDPOINT}"
        )
    return f"start the collector on {host}, or correct the port in {_ENDPOINT} (4318 for HTTP, 4317 for gRPC)"


def untrusted(error: SSLCertVerificationError) -> str:
    """The server's certificate is not accepted."""
    told = error.verify_message.lower()
    if "expired" in told or "not yet valid" in told:
        return "renew the collector's certificate, and compare the clocks of both machines"
    if "hostname" in told or "ip address" in told:
        return f"write in {_ENDPOINT} a name that the certificate holds"
    return "name the file of the certificate authority in OTEL_EXPORTER_OTLP_CERTIFICATE (PEM)"


def no_tls(protocol: str) -> str:
    """Something listens, and it is not TLS."""
    port = "4317" if protocol == "grpc" else "4318"
    return f"if the collector does not use TLS (port {port} by default does not), write http:// in {_ENDPOINT}"


def tls(error: SSLError, protocol: str) -> str:
    """The TLS handshake failed."""
    reason = str(error.reason or error)
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return "give it a client certificate: OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY"
    return no_tls(protocol)


def no_http(settings: Settings, port: int, error: Exception) -> str:
    """It was connected, and no HTTP answer came."""
    if isinstance(error, TimeoutError):
        return "it took the connection and does not answer: look at the collector's log and load"
    if "CERTIFICATE_REQUIRED" in str(error):
        return "give it a client certificate: OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY"
    if settings.endpoint.startswith("http://") and port in (443, 8443):
        return f"port {port} is one of TLS: write https:// in {_ENDPOINT}"
    return (
        f"it may be a gRPC receiver: {_GRPC}, or write the port of OTLP over HTTP, usually 4318, in {_ENDPOINT}; "
        "if it expects TLS, write https://"
    )


def status(settings: Settings, code: int, name: str, location: str | None) -> str:
    """The server answered with something else than success; "" where there is nothing to add."""
    if code in (401, 403):
        sent = ", ".join(sorted(settings.headers)) or "none"
        return f"give the backend's key in OTEL_EXPORTER_OTLP_HEADERS=name=value (headers sent now: {sent})"
    if code in (404, 405):
        return _path(settings, name)
    if code == 407:
        return "the proxy asks for credentials: HTTP(S)_PROXY=http://user:password@host:port"
    if 300 <= code < 400:
        return f"redirects are not followed: write where it points to ({location or 'it does not say'}) in {name}"
    if code == 415:
        other = "http/protobuf" if settings.protocol == "http/json" else "http/json"
        return f"it does not take {settings.protocol}: set OTEL_EXPORTER_OTLP_PROTOCOL={other}"
    if code == 400:
        return "it could not read the request: it may not be an OTLP receiver, or expect TLS (write https://)"
    if code in (429, 502, 503, 504):
        return "it is there and does not take spans now: look at the collector's log; the agent tries such again"
    return "look at the log of what answers there" if code >= 500 else f"look at what answers at {name}"


def _path(settings: Settings, name: str) -> str:
    path = "/v1/traces"
    if settings.endpoint.endswith(path * 2):
        return f"take {path} out of {name}: it is appended"
    if not settings.endpoint.endswith(path):
        return f"{name} is taken as it is: end it with {path}, or use {_ENDPOINT}"
    return f"correct the host, port or path in {name} ({path} is appended): what answers is no OTLP receiver"


def grpc(reason: str, error: str, port: int) -> str:
    """The gRPC export failed; ``reason`` is the status in lower case."""
    text = error.lower()
    if reason == "settings":
        return error.rpartition("; ")[2]
    if any(word in text for word in ("http1", "http/1", "http/2", "settings frame")) or port == 4318:
        return f"it answers HTTP and not gRPC: write the port of gRPC, usually 4317, in {_ENDPOINT}, or {_HTTP}"
    if reason in ("unauthenticated", "permission_denied"):
        return "give the backend's key in OTEL_EXPORTER_OTLP_HEADERS=name=value"
    if reason == "unimplemented":
        return f"what answers there is no OTLP receiver: correct {_ENDPOINT}, or {_HTTP}"
    if "ssl" in text or "tls" in text or "handshake" in text:
        return (
            f"http:// in {_ENDPOINT} is without TLS, https:// with; OTEL_EXPORTER_OTLP_CERTIFICATE names what to trust"
        )
    return f"look at the collector's log; if it speaks HTTP there, {_HTTP}"


def _in_container() -> bool:
    return os.path.exists("/.dockerenv") or "KUBERNETES_SERVICE_HOST" in os.environ
