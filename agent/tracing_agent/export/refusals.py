"""Why spans were not taken, in words for people: what happened, and what to look at."""

from __future__ import annotations

from socket import gaierror
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracing_agent.export.endpoint import Endpoint

#: Answers after which the same request may be sent again (OTLP specification, "Retryable Response Codes"; and 408).
RETRYABLE = frozenset((408, 429, 502, 503, 504))


class Refused(Exception):
    """A request was not taken: ``reason`` is one of few words, ``retry`` whether it may be sent again, ``after`` when
    (seconds; None: as the sender likes).
    """

    def __init__(self, reason: str, message: str, *, retry: bool = False, after: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry = retry
        self.after = after


def by_answer(endpoint: Endpoint, status: int, after: float | None, location: str | None) -> Refused:
    """The other side answered with something else than success."""
    hint = ""
    if status in (401, 403):
        hint = "; check OTEL_EXPORTER_OTLP_HEADERS"
    elif status in (404, 405):
        hint = f"; check {endpoint.name}{_appended(endpoint)}"
    elif status == 407:
        hint = "; the proxy asks for credentials: http://user:password@host:port"
    elif 300 <= status < 400:
        hint = f"; redirects are not followed, set {endpoint.name} to where it points ({location or 'it does not say'})"
    elif status == 400 and not endpoint.secure:
        hint = "; if it expects TLS, write https://"
    return Refused(str(status), f"{endpoint.shown} answered {status}{hint}", retry=status in RETRYABLE, after=after)


def by_error(endpoint: Endpoint, error: Exception, proxied: bool) -> Refused:
    """There was no answer."""
    if isinstance(error, TimeoutError):
        return Refused("timeout", f"{endpoint.shown}: no answer in time", retry=True)
    if endpoint.secure:
        import ssl

        if isinstance(error, ssl.SSLError):
            return _by_tls(endpoint, error)
    text = str(error) or type(error).__name__
    retry = True
    if isinstance(error, ConnectionRefusedError):
        who = "the proxy" if proxied else "a collector"
        text = f"connection refused; is {who} listening there?{_grpc_port(endpoint)}"
    elif isinstance(error, gaierror):
        text = f"the name {'of the proxy' if proxied else endpoint.host} cannot be resolved ({error.strerror or error})"
    elif text.startswith("Tunnel connection failed: "):
        status = text.removeprefix("Tunnel connection failed: ")
        text = f"the proxy refused the connection ({status.strip()})"
        retry = not status.startswith("4") or status[:3] in ("408", "429")
    elif isinstance(error, ConnectionError):
        text = f"the connection was closed without an answer{_grpc_port(endpoint)}"
    elif not isinstance(error, OSError):
        text = f"what answers there does not speak HTTP/1.1{_grpc_port(endpoint)}"
    return Refused("connection", f"{endpoint.shown}: {text}", retry=retry)


def _by_tls(endpoint: Endpoint, error: OSError) -> Refused:
    reason = str(getattr(error, "reason", None) or error)
    verify = getattr(error, "verify_message", "")
    if verify:
        text = (
            f"its certificate is not trusted ({verify}); OTEL_EXPORTER_OTLP_CERTIFICATE names a file of certificates "
            "to trust"
        )
    elif reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        text = "what answers there does not speak TLS; write http:// if that is right"
    elif "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        text = (
            f"it refused the TLS connection ({reason}); if it asks for a client certificate, set "
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY"
        )
    else:
        text = f"TLS failed ({reason})"
    # What is not trusted now is not trusted in a second; anything else may be a fault of the connection.
    return Refused("tls", f"{endpoint.shown}: {text}", retry=not verify)


def _grpc_port(endpoint: Endpoint) -> str:
    if endpoint.port != 4317:
        return ""
    return " (4317 is the gRPC port: http/protobuf is usually 4318; or set OTEL_EXPORTER_OTLP_PROTOCOL=grpc)"


def _appended(endpoint: Endpoint) -> str:
    return f" ({endpoint.appended} is appended to it)" if endpoint.appended else ""
