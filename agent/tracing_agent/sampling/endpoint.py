"""Asks a Jaeger sampling endpoint over HTTP. Imported where remote sampling is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from tracing_agent import __version__
from tracing_agent.export.native import library
from tracing_agent.sampling.remote import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds that an answer may take, and its bytes, over HTTP as over gRPC.
TIMEOUT, RESPONSE_MAX = 5.0, 4 * 1024 * 1024
#: Paths of the endpoint: of Jaeger's own port for it, and of a collector.
_PATHS = ("/sampling", "/api/sampling")
#: Schemes that mean gRPC, and whether with TLS.
GRPC_SCHEMES = {"grpc": False, "grpcs": True}
#: Ports at which Jaeger and the OpenTelemetry Collector answer in gRPC; the first is the default.
GRPC_PORTS = (14250, 5779)


def speaks_grpc(url: str) -> bool:
    """Whether a URL means gRPC: by its scheme, or by one of gRPC's ports where no path says that it is HTTP."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme in GRPC_SCHEMES:
        return True
    return parts.scheme in ("http", "https") and parts.port in GRPC_PORTS and not parts.path.rstrip("/")


class Endpoint:
    """One URL. ``service`` gives the name to ask for. `ValueError` for a URL that cannot be asked."""

    def __init__(self, url: str, service: Callable[[], str]) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is not an http, https, grpc or grpcs URL")
        self.secure, self.host = parts.scheme == "https", parts.hostname
        self.port = parts.port or (443 if self.secure else 80)
        given = parts.path.rstrip("/")
        self._paths = [given] if given else list(_PATHS)
        self._separator = f"?{parts.query}&" if parts.query else "?"
        self._service = service
        #: The URL without user and query.
        self.shown = f"{parts.scheme}://{self.host}:{self.port}{given}"

    def ask(self) -> Any:
        """The decoded answer; `Unreachable` where there is none."""
        reason = ""
        for path in self._paths:
            status, content = self._get(path)
            if status == 200:
                self._paths = [path]
                return _decoded(content)
            reason = f"status {status}"
            if status != 404:
                break
        raise Unreachable(reason)

    def _get(self, path: str) -> tuple[int, bytes]:
        client = library("http.client")
        kind = client.HTTPSConnection if self.secure else client.HTTPConnection
        connection = kind(self.host, self.port, timeout=TIMEOUT)
        connection.set_debuglevel(0)  # a program may have turned on the printing of its own requests
        target = f"{path}{self._separator}service={quote(self._service(), safe='')}"
        try:
            connection.request("GET", target, headers={"User-Agent": f"tracing-agent/{__version__}"})
            response = connection.getresponse()
            content = response.read(RESPONSE_MAX + 1)
        except (OSError, client.HTTPException) as error:
            hint = ""
            if isinstance(error, client.HTTPException):
                hint = f"; if it speaks gRPC, write grpc{'s' if self.secure else ''}://{self.host}:{self.port}"
            raise Unreachable(f"{type(error).__name__}: {error}{hint}") from None
        finally:
            connection.close()
        if len(content) > RESPONSE_MAX:
            raise Unreachable("the answer is too long")
        return response.status, content


def _decoded(content: bytes) -> Any:
    import json

    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Unreachable("the answer is no JSON") from None
