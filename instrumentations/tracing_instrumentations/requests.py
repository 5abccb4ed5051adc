"""requests: one client span for each attempt on the wire, with context in the headers that urllib3 is given.

Attempts are made by `HTTPAdapter.send`, and within it by urllib3 where it retries; an adapter of the program's own that
is no HTTPAdapter makes one each time it is called. A cache or test double that answers instead makes none.
"""

from __future__ import annotations

from copy import copy
from types import FunctionType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from opentelemetry.trace import SpanKind

from tracing_agent.drivers.attempts import Attempts
from tracing_agent.drivers.call import noted
from tracing_agent.drivers.on_wire import OnWire
from tracing_agent.drivers.request import request
from tracing_agent.drivers.sending import Client, follows
from tracing_agent.operation import HTTP_CLIENT, Operation
from tracing_agent.patching.targets import Target, like
from tracing_agent.semconv.http import LONGEST, client_request, client_response
from tracing_agent.semconv.http.client import client_exchange
from tracing_instrumentations._urllib3 import PEER, pairs
from tracing_instrumentations._urllib3 import targets as urllib3
from tracing_instrumentations._urllib3_headers import Headers

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from requests import PreparedRequest

    from tracing_agent.patching.targets import Wrap
    from tracing_agent.semconv.http import HttpSettings
    from tracing_agent.trace.carrier import Carrier
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.span import Dropped, Span

SEND = Operation("requests", "HTTP", SpanKind.CLIENT, key=HTTP_CLIENT)

# From this version on chunked bodies go through urllib3's `urlopen` as all others.
_CHUNKED_BY_URLLIB3 = 0x022900


class Requests(Client):
    """What `requests` tells of a request."""

    def __init__(self, http: HttpSettings) -> None:
        super().__init__(http)
        self._methods, self._capture = http.methods, http.client_request
        self.brief = self._capture is None and self.captured is None

    def url(self, request: PreparedRequest) -> str:
        url: Any = request.url
        return url.decode("utf-8", "replace") if type(url) is bytes else str(url or "")

    def start(self, span: Span, request: PreparedRequest) -> None:
        url: Any = request.url
        client_request(span, self._methods, request.method or "", url if type(url) is str else self.url(request))
        if self._capture is not None:
            self._capture.record(span.values, pairs(request.headers))

    def asked(self, request: PreparedRequest) -> tuple[Any, ...] | None:
        url = request.url
        return (request.method, url) if type(url) is str and len(url) <= LONGEST else None

    def came(self, response: Any) -> tuple[Any, ...] | None:
        status = response.status_code
        if type(status) is not int or status >= 400:
            return None
        raw = response.raw
        # `PEER` by its name: the interpreter remembers where an attribute is that is written down.
        return status, raw.version, raw._connection._tracing_agent_peer

    def describe(self, said: Any) -> tuple[str, dict[str, Any]]:
        return client_exchange(self._methods, *said)

    def end(self, span: Span, response: Any) -> None:
        raw = response.raw
        peer = getattr(getattr(raw, "_connection", None), PEER, None)
        client_response(span, response.status_code, getattr(raw, "version", 0), peer)
        if self.captured is not None:
            self.captured.record(span.values, pairs(response.headers))

    def blames(self, error: BaseException, request: PreparedRequest) -> bool:
        # Of what hooks of the program raise, or other requests that they make, it tells nothing.
        if not any(kind.__module__ == "requests.exceptions" for kind in type(error).__mro__):
            return False
        return getattr(error, "request", None) in (None, request)


def of_http(request: Any) -> bool:
    """Whether a request's URL is one of HTTP, or of what has a name of its own on top of it."""
    return str(getattr(request, "url", None)).lower().startswith("http")


def adopter(native: type, transport: Wrap, engine: Engine) -> Callable[..., None]:
    """The function that sees adapters being mounted, and traces those that are not `native`: by their classes."""
    known: WeakSet[type] = WeakSet()

    def adopt(session: Any, prefix: str, adapter: Any) -> None:
        kind = type(adapter)
        if kind in known or isinstance(adapter, native) or not prefix.lower().startswith("http"):
            return
        known.add(kind)
        for holder in kind.__mro__:
            send = holder.__dict__.get("send")
            if isinstance(send, FunctionType):
                holder.send = like(transport(send, engine), send)  # type: ignore[attr-defined]
                return

    return adopt


class Copies:
    """Requests with context in their headers, for what sends them otherwise than by urllib3's ``urlopen``."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def request(self, carrier: Carrier, identity: Span | Dropped, request: PreparedRequest) -> PreparedRequest:
        """A copy of a prepared request with context in its headers."""
        copied = copy(request)
        copied.headers = self._headers.written(carrier, identity, request.headers)
        return copied

    def chunked(self, carrier: Carrier, identity: Span | Dropped, request: PreparedRequest) -> PreparedRequest:
        """The same where the body is sent in chunks; any other request as it is."""
        if request.body is None or "Content-Length" in request.headers:
            return request
        return self.request(carrier, identity, request)


def targets(requests: ModuleType) -> dict[str, tuple[Target, ...]]:
    """Where requests is cut, and urllib3 below it."""
    breaker, attempts, on_wire = SEND.breaker, Attempts(SEND, Requests), OnWire(SEND, Requests)
    headers = Headers(requests.structures.CaseInsensitiveDict)
    copies = Copies(headers)
    by_request, by_chunks = on_wire.handed(copies.request), on_wire.handed(copies.chunked)

    def transport(original: Any, engine: Engine) -> Any:
        return attempts.inside(by_request(original, engine), engine, of_http)

    def send(original: Any, engine: Engine) -> Any:
        if requests.__build__ < _CHUNKED_BY_URLLIB3:
            original = by_chunks(original, engine)
        return attempts.attempt(original, engine)

    def mount(original: Any, engine: Engine) -> Any:
        return noted(breaker, adopter(requests.adapters.HTTPAdapter, transport, engine))(original, engine)

    return {
        "requests": (
            Target("requests.sessions", "Session.send", request(SEND, Requests)),
            Target("requests.sessions", "Session.mount", mount, optional=True),
            Target("requests.sessions", "SessionRedirectMixin.rebuild_proxies", noted(breaker, follows), optional=True),
            Target("requests.adapters", "HTTPAdapter.send", send),
            *urllib3(on_wire, headers, breaker),
        )
    }
