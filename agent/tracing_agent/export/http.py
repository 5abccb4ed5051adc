"""OTLP over HTTP: one kept-alive connection, gzip, TLS, proxies, retries, and an honest account of what was lost.

Source: OpenTelemetry Protocol specification 1.x, "OTLP/HTTP" (retryable codes, Retry-After, partial success) and
"OpenTelemetry Protocol Exporter" (settings, User-Agent). Imported on the export thread only.
"""

from __future__ import annotations

import gzip
import http.client
import os
from _random import Random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tracing_agent import __version__
from tracing_agent.faults import LINES, WARN

if TYPE_CHECKING:
    from tracing_agent.config import Settings
    from tracing_agent.export.pipeline import Pace

RETRYABLE = frozenset((408, 429, 502, 503, 504))
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0
_RESPONSE_MAX = 4 * 1024 * 1024


class Refused(Exception):
    """The request will not be accepted: ``reason`` is one of few words, the message is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Transport:
    """Posts bodies to one endpoint."""

    def __init__(self, settings: Settings, content_type: str) -> None:
        self.settings = settings
        self.url = settings.endpoint
        parts = urlsplit(self.url)
        self.secure = parts.scheme == "https"
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url!r} is no http:// or https:// URL")
        self.host, self.port = parts.hostname, parts.port or (443 if self.secure else 80)
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.headers = {
            "Content-Type": content_type,
            "User-Agent": f"tracing-agent/{__version__} Python",
            **settings.headers,
        }
        if settings.compression == "gzip":
            self.headers["Content-Encoding"] = "gzip"
        self._connection: http.client.HTTPConnection | None = None
        self._random = Random()
        self._down = False
        self._proxy()

    def _proxy(self) -> None:
        self.proxy: tuple[str, int] | None = None
        self.proxy_headers: dict[str, str] = {}
        if not any(name.lower() in ("http_proxy", "https_proxy", "all_proxy") for name in os.environ):
            return
        from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

        proxies = getproxies_environment()
        address = proxies.get("https" if self.secure else "http") or proxies.get("all")
        if not address or proxy_bypass_environment(f"{self.host}:{self.port}", proxies):
            return
        parts = urlsplit(address if "://" in address else "http://" + address)
        if not parts.hostname:
            return
        self.proxy = (parts.hostname, parts.port or 80)
        if parts.username is not None:
            from base64 import b64encode
            from urllib.parse import unquote

            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self.proxy_headers["Proxy-Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        if not self.secure:
            self.target = f"http://{self.host}:{self.port}{self.target}"
            self.headers.update(self.proxy_headers)

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        host, port = self.proxy or (self.host, self.port)
        if not self.secure:
            return http.client.HTTPConnection(host, port, timeout=timeout)
        import ssl

        settings = self.settings
        context = ssl.create_default_context(cafile=settings.certificate or None)
        if settings.client_certificate:
            context.load_cert_chain(settings.client_certificate, settings.client_key or None)
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        if self.proxy:
            connection.set_tunnel(self.host, self.port, self.proxy_headers)
        return connection

    def forget(self) -> None:
        """Let go of the connection without a word on it."""
        self._connection = None
        self._random.seed(int.from_bytes(os.urandom(8), "big"))

    def send(self, body: bytes, pace: Pace) -> bytes:
        """Post ``body``, retrying while there is time; the response's body. Raises `Refused` when it is given up."""
        if "Content-Encoding" in self.headers:
            body = gzip.compress(body, 6)
        pause = _FIRST_PAUSE
        while True:
            try:
                answer, content, retry_after = self._attempt(body, pace)
            except (OSError, http.client.HTTPException) as error:
                self._close()
                reason = "timeout" if isinstance(error, TimeoutError) else "connection"
                refused, retry, retry_after = Refused(reason, self._explain(error)), True, None
            else:
                if 200 <= answer < 300:
                    self._back()
                    return content
                retry = answer in RETRYABLE
                refused = Refused(str(answer), f"{self.url} answered {answer}{_hint(answer)}")
            self._is_down(refused)
            wait = pause * (0.5 + self._random.random()) if retry_after is None else retry_after
            if not retry or not pace.pause(wait):
                raise refused
            pace.health.retries += 1
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _attempt(self, body: bytes, pace: Pace) -> tuple[int, bytes, float | None]:
        fresh = self._connection is None
        try:
            return self._exchange(body, pace)
        except (http.client.HTTPException, ConnectionError):
            # A kept-alive connection that the other side closed meanwhile is no failure: once more on a new one.
            if fresh:
                raise
            self._close()
            return self._exchange(body, pace)

    def _exchange(self, body: bytes, pace: Pace) -> tuple[int, bytes, float | None]:
        timeout = min(self.settings.timeout / 1000 or pace.left(), pace.left()) or 0.001
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect(timeout)
        elif connection.sock is not None:
            connection.sock.settimeout(timeout)
        pace.health.requests += 1
        connection.request("POST", self.target, body, self.headers)
        response = connection.getresponse()
        content = response.read(_RESPONSE_MAX)
        if response.will_close or not response.isclosed():
            self._close()
        return response.status, content, _seconds(response.getheader("Retry-After"))

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _explain(self, error: BaseException) -> str:
        text = str(error) or type(error).__name__
        if isinstance(error, ConnectionRefusedError):
            text = "connection refused; is a collector listening there?"
            if self.port == 4317:
                text += " (4317 is the gRPC port; http/protobuf is usually 4318)"
        elif isinstance(error, TimeoutError):
            text = "no answer in time"
        return f"{self.url}: {text}"

    def _is_down(self, refused: Refused) -> None:
        if not self._down:
            self._down = True
            LINES.write(WARN, f"cannot export spans: {refused}; further failures are counted, not printed")

    def _back(self) -> None:
        if self._down:
            self._down = False
            LINES.write(WARN, f"exporting spans again: {self.url} accepts them")


def _hint(status: int) -> str:
    if status in (401, 403):
        return "; check OTEL_EXPORTER_OTLP_HEADERS"
    if status in (404, 405):
        return "; check OTEL_EXPORTER_OTLP_ENDPOINT (/v1/traces is appended to it)"
    return ""


def _seconds(retry_after: str | None) -> float | None:
    """``Retry-After`` in seconds: a number, or an HTTP date (RFC 9110, 10.2.3)."""
    if not retry_after:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after.strip()[:6])
    from email.utils import parsedate_to_datetime
    from time import time

    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
