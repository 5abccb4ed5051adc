"""urllib3, as the libraries above it use it: context into copies of headers, retries, and the socket's other side."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.told import told
from tracing_agent.patching.targets import Target
from tracing_agent.semconv.http import client_response
from tracing_agent.semconv.http.client import client_failed
from tracing_agent.trace.sdk import BAGGAGE_KEY, current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tracing_agent.drivers.attempts import Attempts
    from tracing_agent.faults import Breaker
    from tracing_agent.semconv.http import Capture
    from tracing_agent.trace.carrier import Carrier
    from tracing_agent.trace.span import Dropped, Span

#: On a connection of urllib3: the socket's other side (address, port).
PEER = "_tracing_agent_peer"


# What urllib3 adds to the headers of a request that goes through no proxy.
_EMPTY: tuple[Any, ...] = ({},)


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


def _copy_of(mapping: type[Any]) -> type[Any]:
    """The mapping of requests as we give it to urllib3, which copies it once more and goes through it.

    Done as what it is made of, all this takes a fraction of the time, which pays for a part of what we take.
    """

    class Copy(mapping):  # type: ignore[misc]
        def copy(self) -> Any:
            copied = new(Copy)
            copied._store = self._store.copy()
            return copied

        def items(self) -> Any:
            return self._store.values()

        def __iter__(self) -> Any:
            return map(first, self._store.values())

        def update(self, *others: Any, **more: Any) -> None:
            if more or others != _EMPTY:
                mapping.update(self, *others, **more)

        def __reduce__(self) -> Any:
            return mapping, (list(self._store.values()),)

    new, first = object.__new__, itemgetter(0)
    Copy.__name__, Copy.__qualname__, Copy.__module__ = mapping.__name__, mapping.__qualname__, mapping.__module__
    return Copy


class Headers:
    """Writes context into copies of headers: the caller's stay as they are, and win where they are baggage."""

    def __init__(self, mapping: type[Any]) -> None:
        # The mapping of requests, which keeps name and value by lower-case name; None for any other.
        self._mapping = mapping if isinstance(getattr(mapping(), "_store", None), dict) else None
        self._copy = _copy_of(mapping)

    def written(self, carrier: Carrier, identity: Span | Dropped, headers: Any, kind: Any = None) -> Any:
        """A copy with context; what there was of the chosen formats is the program's, and is replaced.

        ``kind`` is the class of the copy, if not that of the headers.
        """
        given = type(headers)
        # Ours come again when urllib3 tries again.
        if given is not self._mapping and given is not self._copy:
            return self._any(carrier, identity, headers)
        copied = object.__new__(kind or given)
        store = copied._store = headers._store.copy()
        theirs = store.get("baggage")
        for field in carrier.fields:
            if field in store:
                del store[field]
        carrier.inject(identity, copied.__setitem__)
        if theirs is not None:
            store["baggage"] = theirs
        return copied

    def _any(self, carrier: Carrier, identity: Span | Dropped, headers: Any) -> Any:
        written: dict[str, str] = {}
        carrier.inject(identity, written.__setitem__)
        copied = {} if headers is None else headers.copy()
        for name in list(copied):
            lower = name.lower()
            if lower == "baggage":
                written.pop(lower, None)
            elif lower in carrier.fields:
                del copied[name]
        for name, value in written.items():
            copied[name] = value
        return copied

    def urlopen(self, carrier: Carrier) -> Callable[[Any, Any, Any], Any]:
        """The function that gives the arguments of ``urlopen(self, method, url, body, headers, ...)`` with context.

        It takes identity, positional and keyword arguments; the latter are its own to change.
        """
        mapping, kind, absent = self._mapping, self._copy, frozenset(carrier.fields).isdisjoint
        plain, new = carrier.plain, object.__new__

        def carry(identity: Any, args: Any, kwargs: Any) -> Any:
            headers = kwargs.get("headers")
            if plain and type(headers) is mapping and not identity.trace.state:
                # As `written`, in the usual case: no step of it is a call of ours but the last.
                store = headers._store.copy()
                context = current()
                if absent(store) and not (context and context.get(BAGGAGE_KEY)):
                    copied: Any = new(kind)
                    copied._store = store
                    store["traceparent"] = ("traceparent", identity.trace.traceparent(identity.span_id))
                    kwargs["headers"] = copied
                    return args, kwargs
            if len(args) > 4:
                headers = args[0].headers if args[4] is None else args[4]
                return (*args[:4], self.written(carrier, identity, headers, kind), *args[5:]), kwargs
            kwargs["headers"] = self.written(carrier, identity, args[0].headers if headers is None else headers, kind)
            return args, kwargs

        return carry


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


def targets(attempts: Attempts, headers: Headers, breaker: Breaker) -> tuple[Target, ...]:
    """Where urllib3 is cut for a library above it, whose ``attempts`` its own retries are."""
    connect = told(breaker, unpeered, peered)
    return (
        Target("urllib3.connectionpool", "HTTPConnectionPool.urlopen", attempts.wire(headers.urlopen)),
        Target("urllib3.util.retry", "Retry.increment", attempts.retried(retried), optional=True),
        Target("urllib3.connection", "HTTPConnection.connect", connect, optional=True),
        Target("urllib3.connection", "HTTPSConnection.connect", connect, optional=True),
    )
