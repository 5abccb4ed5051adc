"""OTLP over HTTP: one kept-alive connection, gzip, TLS, proxies, and retries.

Source: OpenTelemetry Protocol specification 1.x, "OTLP/HTTP" (retryable codes, Retry-After) and "OpenTelemetry
Protocol Exporter" (User-Agent). Imported on the export thread only.
"""

from __future__ import annotations

import gzip
from _random import Random
from typing import TYPE_CHECKING, Any

from tracing_agent import __version__
from tracing_agent.export.endpoint import Endpoint, Unusable, headers, tls_context
from tracing_agent.export.native import library
from tracing_agent.export.refusals import Refused, by_answer, by_error

if TYPE_CHECKING:
    from http.client import HTTPConnection

    from tracing_agent.config_export import Otlp
    from tracing_agent.export.notices import Outage
    from tracing_agent.export.pace import Pace

USER_AGENT = f"tracing-agent/{__version__} OTel-OTLP-Exporter-Python/{__version__}"
_FIRST_PAUSE, _LONGEST_PAUSE, _SHORTEST_PAUSE = 0.5, 8.0, 0.1
_RESPONSE_MAX = 4 * 1024 * 1024
# Measured on batches of spans: level 6 takes three times as long to save one byte in a hundred.
_GZIP_LEVEL = 1


class Transport:
    """Posts bodies to one endpoint. `Unusable` where the settings name none."""

    def __init__(self, settings: Otlp, content_type: str) -> None:
        self.settings = settings
        self._client: Any = library("http.client")
        self.endpoint = endpoint = Endpoint(settings)
        self.proxy = endpoint.proxy()
        self.target = endpoint.target
        own = {"Content-Type": content_type, "User-Agent": USER_AGENT}
        if settings.compression == "gzip":
            own["Content-Encoding"] = "gzip"
        if self.proxy is not None and not endpoint.secure:
            self.target = f"http://{endpoint.address}{endpoint.target}"
            own.update(self.proxy.headers)
        self.headers = headers(settings, own, endpoint.authorization)
        self._tls = tls_context(settings) if endpoint.secure else None
        # `socket.getaddrinfo` imports this codec when it is first called.
        "localhost".encode("idna")
        self._connection: HTTPConnection | None = None
        self._random = Random()

    def forget(self) -> None:
        """Let go of the connection without a word on it: only the descriptor is this process's own."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.sock is not None:
            import os

            os.close(connection.sock.detach())
        # Its locks and its session cache may be in any state.
        self._tls = None
        self._random = Random()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def send(self, body: bytes, pace: Pace, outage: Outage) -> bytes:
        """Post ``body``, retrying while there is time; the response's body. Raises `Refused` when it is given up."""
        if "Content-Encoding" in self.headers:
            body = gzip.compress(body, _GZIP_LEVEL)
        pause = _FIRST_PAUSE
        while True:
            try:
                content = self._try(body, pace)
            except Refused as refused:
                if refused.reason == "413":
                    raise  # in smaller pieces it may be taken
                wait = pause * (0.5 + self._random.random())
                if refused.after is not None:
                    wait = max(refused.after, _SHORTEST_PAUSE)
                again = refused.retry and not pace.hurried and wait < pace.left()
                outage.failed(str(refused), lost=not again, silent=pace.hurried)
                if not again or not pace.pause(wait):
                    raise
                pace.health.retries += 1
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                outage.worked(self.endpoint.shown)
                return content

    def _try(self, body: bytes, pace: Pace) -> bytes:
        try:
            status, content, after, location = self.attempt(body, pace)
        except Unusable as unusable:
            raise Refused("settings", str(unusable)) from None
        except (OSError, self._client.HTTPException) as error:
            self.close()
            if self.endpoint.secure:
                # Certificates may have been renewed.
                self._tls = None
            raise by_error(self.endpoint, error, self.proxy is not None) from None
        if 200 <= status < 300:
            return content
        raise by_answer(self.endpoint, status, _seconds(after), location)

    def attempt(self, body: bytes, pace: Pace) -> tuple[int, bytes, str | None, str | None]:
        """Post ``body`` once: the status, the response's body, ``Retry-After`` and ``Location``."""
        fresh = self._connection is None
        try:
            return self._exchange(body, pace)
        except (self._client.HTTPException, ConnectionError):
            # A kept-alive connection that the other side closed meanwhile is no failure: once more on a new one.
            if fresh:
                raise
            self.close()
            return self._exchange(body, pace)

    def _exchange(self, body: bytes, pace: Pace) -> tuple[int, bytes, str | None, str | None]:
        left = pace.left()
        if left <= 0:
            raise TimeoutError
        timeout = min(self.settings.timeout / 1000 or left, left)
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect(timeout)
        elif connection.sock is not None:
            connection.sock.settimeout(timeout)
        pace.health.requests += 1
        pace.health.where = self.endpoint.shown
        try:
            connection.request("POST", self.target, body, self.headers)
        except (BrokenPipeError, ConnectionResetError):
            # It may have answered before it had read everything, a request that is too large for example.
            if connection.sock is None:
                raise
        response = connection.getresponse()
        content = response.read(_RESPONSE_MAX)
        if response.will_close or not response.isclosed():
            self.close()
        return response.status, content, response.getheader("Retry-After"), response.getheader("Location")

    def _connect(self, timeout: float) -> HTTPConnection:
        endpoint, proxy = self.endpoint, self.proxy
        host, port = (endpoint.host, endpoint.port) if proxy is None else (proxy.host, proxy.port)
        options: dict[str, Any] = {"timeout": timeout}
        if not endpoint.secure:
            connection: HTTPConnection = self._client.HTTPConnection(host, port, **options)
        else:
            if self._tls is None:
                self._tls = tls_context(self.settings)
            connection = self._client.HTTPSConnection(host, port, context=self._tls, **options)
            if proxy is not None:
                connection.set_tunnel(endpoint.host, endpoint.port, proxy.headers)
        # A program may have turned on the printing of its own requests.
        connection.set_debuglevel(0)
        return connection


def _seconds(retry_after: str | None) -> float | None:
    """``Retry-After`` in seconds: a number, or an HTTP date (RFC 9110, 10.2.3)."""
    if not retry_after:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:6])
    from email.utils import parsedate_to_datetime
    from time import time

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
