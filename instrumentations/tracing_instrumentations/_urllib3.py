"""urllib3, as the libraries above it use it: where attempts go on the wire, retries, and the socket's other side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.told import told
from tracing_agent.patching.targets import Target
from tracing_agent.semconv.http import client_response
from tracing_agent.semconv.http.client import client_failed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tracing_agent.drivers.on_wire import OnWire
    from tracing_agent.faults import Breaker
    from tracing_agent.semconv.http import Capture
    from tracing_agent.trace.span import Span
    from tracing_instrumentations._urllib3_headers import Headers

#: On a connection of urllib3: the socket's other side (address, port).
PEER = "_tracing_agent_peer"


def peered(connection: Any, connected: None) -> None:
    """A connection of urllib3 has a socket, once for all requests that it will serve."""
    getpeername = getattr(connection.sock, "getpeername", None)
    peer = None if getpeername is None else getpeername()
    if type(peer) is tuple:
        # Not by its __dict__: until Python 3.13 an object whose dictionary was asked for is slower ever after.
        setattr(connection, PEER, peer[:2])


def unpeered(connection: Any) -> Any:
    """A connection of urllib3 is about to get a socket."""
    if hasattr(connection, PEER):
        setattr(connection, PEER, None)
    return connection


def pairs(headers: Mapping[Any, Any] | None) -> Iterator[tuple[str, str]]:
    """Headers as text, whatever mapping or kind of text the program keeps them in."""
    for name, value in headers.items() if headers else ():
        yield _text(name), _text(value)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def peer_below(trace: Any) -> Any:
    """The other side of the socket on which an attempt failed: only the method that failed still has the connection.

    ``trace`` is the traceback as ``urlopen`` caught it; ``_make_request(self, conn, ...)`` is what it calls.
    """
    inner = getattr(trace, "tb_next", None)
    return None if inner is None else getattr(inner.tb_frame.f_locals.get("conn"), PEER, None)


def retried(
    capture: Capture | None,
    span: Span,
    retry: Any,
    *args: Any,
    response: Any = None,
    error: Any = None,
    _stacktrace: Any = None,
    **kwargs: Any,
) -> None:
    """An attempt has failed, and ``Retry`` is asked for another one."""
    if error is not None:
        client_failed(span, error)
        peer = peer_below(_stacktrace)
        if type(peer) is tuple:
            span.values["network.peer.address"], span.values["network.peer.port"] = peer
    elif response is not None:
        peer = getattr(getattr(response, "_connection", None), PEER, None)
        client_response(span, response.status, getattr(response, "version", 0), peer)
        if capture is not None:
            capture.record(span.values, pairs(response.headers))


def targets(on_wire: OnWire, headers: Headers, breaker: Breaker) -> tuple[Target, ...]:
    """Where urllib3 is cut for a library above it, ``on_wire``."""
    connect = told(breaker, unpeered, peered)
    return (
        Target("urllib3.connectionpool", "HTTPConnectionPool.urlopen", on_wire.wire(headers.writer)),
        Target("urllib3.util.retry", "Retry.increment", on_wire.retried(retried), optional=True),
        Target("urllib3.connection", "HTTPConnection.connect", connect, optional=True),
        Target("urllib3.connection", "HTTPSConnection.connect", connect, optional=True),
    )
