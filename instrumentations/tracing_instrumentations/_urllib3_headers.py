"""Context into copies of the headers that urllib3 is given: the caller's stay as they are."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tracing_agent.trace.sdk import BAGGAGE_KEY, current

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.trace.carrier import Carrier
    from tracing_agent.trace.span import Dropped, Span

# What urllib3 adds to the headers of a request that goes through no proxy.
_EMPTY: tuple[Any, ...] = ({},)


def _copy_of(mapping: type[Any]) -> type[Any]:
    """The mapping of requests as we give it to urllib3, which copies it once more and goes through it.

    Done as what it is made of, all this takes a fraction of the time, which pays for a part of what we take: here the
    names and values are ``_pairs``, never changed, and the store is made of them when something else is asked for.
    """
    stored = type(mapping()._store)

    class Copy(mapping):  # type: ignore[misc]
        _pairs: Any = ()

        def copy(self) -> Any:
            copied = new(Copy)
            copied._pairs = self._pairs
            return copied

        def items(self) -> Any:
            return self._pairs

        def __iter__(self) -> Any:
            return map(first, self._pairs)

        def __getattr__(self, name: str) -> Any:
            if name != "_store":
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            store = self._store = stored([(pair[0].lower(), pair) for pair in self._pairs])
            return store

        def __setitem__(self, name: Any, value: Any) -> None:
            mapping.__setitem__(self, name, value)
            self._pairs = tuple(self._store.values())

        def __delitem__(self, name: Any) -> None:
            mapping.__delitem__(self, name)
            self._pairs = tuple(self._store.values())

        def update(self, *others: Any, **more: Any) -> None:
            if more or others != _EMPTY:
                mapping.update(self, *others, **more)

        def __reduce__(self) -> Any:
            return mapping, (list(self._pairs),)

    new, first = object.__new__, itemgetter(0)
    Copy.__name__, Copy.__qualname__, Copy.__module__ = mapping.__name__, mapping.__qualname__, mapping.__module__
    return Copy


class Headers:
    """Writes context into copies of headers: the caller's stay as they are, and win where they are baggage."""

    def __init__(self, mapping: type[Any]) -> None:
        # The mapping of requests, which keeps name and value by lower-case name; None for any other.
        known = isinstance(getattr(mapping(), "_store", None), dict)
        self._mapping: Any = mapping if known else None
        self._copy: Any = _copy_of(mapping) if known else None

    def written(self, carrier: Carrier, identity: Span | Dropped, headers: Any) -> Any:
        """A copy with context; what there was of the chosen formats is the program's, and is replaced."""
        given = type(headers)
        # Ours come again when urllib3 tries again.
        if given is not self._mapping and given is not self._copy:
            return self._any(carrier, identity, headers)
        copied: Any = object.__new__(self._mapping)
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

    def writer(self, carrier: Carrier) -> Callable[[Any, Any, Any], Any]:
        """The function that gives the ``headers`` of ``urlopen(self, method, url, body, headers, ...)`` with context.

        It takes the identity, and the method's ``self``, which has headers of its own for requests without.
        """
        mapping, kind, plain, new = self._mapping, self._copy, carrier.plain, object.__new__

        def write(identity: Any, pool: Any, headers: Any) -> Any:
            copied: Any
            if plain and kind is not None and type(headers) is mapping and not identity.trace.state:
                # As `written`, in the usual case: no step of it is a call of ours but the last.
                store = headers._store
                context = current()
                theirs = "traceparent" in store or "tracestate" in store or "baggage" in store
                if not (theirs or (context and context.get(BAGGAGE_KEY))):
                    copied = new(kind)
                    traceparent = "traceparent", identity.trace.traceparent(identity.span_id)
                    copied._pairs = *store.values(), traceparent
                    return copied
            written = self.written(carrier, identity, pool.headers if headers is None else headers)
            if kind is None or type(written) is not mapping:
                return written
            copied = new(kind)
            copied._pairs = tuple(written._store.values())
            return copied

        return write
