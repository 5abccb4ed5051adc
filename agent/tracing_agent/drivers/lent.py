"""The drivers for methods of pools of connections that take time: lending, making and taking back, where measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.faults import Breaker
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine

    Offer = Callable[[Any], None]
    Note = Callable[[Offer, Any, Any, int, int], None]
    Failed = Callable[[Offer, Any, BaseException, int], None]
    Skip = Callable[[Any], Any]
    Used = Callable[[Offer, Any, Any, int], None]

CREATE, WAIT, USE, TIMEOUT = "create_time", "wait_time", "use_time", "timeouts"
#: On a connection that is lent: since when.
_LENT = "_tracing_agent_lent"


class Timing:
    """What took from ``_start_time`` to ``_end_time`` (nanoseconds) at a pool of this name: one of the constants above.

    It goes the way of spans to those who measure.
    """

    def __init__(self, what: str, pool: str, start: int, end: int) -> None:
        self.what = what
        self.pool = pool
        self._start_time = start
        self._end_time = end


def lend(offer: Offer, pool: str, connection: Any, start: int, end: int) -> None:
    """A pool lends a connection, which was asked for at ``start``."""
    offer(Timing(WAIT, pool, start, end))
    setattr(connection, _LENT, end)


def take_back(offer: Offer, pool: str, connection: Any, now: int) -> None:
    """A pool gets a connection back, before anybody else can have it."""
    since = getattr(connection, _LENT, None)
    if since is not None:
        # Once: a pool's method may call that of the class that it inherits from.
        setattr(connection, _LENT, None)
        offer(Timing(USE, pool, since, now))


def timed(breaker: Breaker, note: Note, failed: Failed | None = None, skip: Skip | None = None) -> Wrap:
    """A method: ``note(offer, self, result, start, end)`` after it, ``failed(offer, self, error, start)`` if it raised.

    Nothing is done where ``skip(self)`` is true before. Nothing is cut where nothing is measured.
    """

    def wrap(original: Any, engine: Engine) -> Any:
        if engine.metrics is None:
            return original
        offer, clock = engine.metrics.intake.offer, engine.clock

        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            if _skipped(breaker, skip, self):
                return original(self, *args, **kwargs)
            start = clock()
            try:
                result = original(self, *args, **kwargs)
            except BaseException as error:
                if failed is not None:
                    _tell(breaker, failed, offer, self, error, start)
                raise
            _tell(breaker, note, offer, self, result, start, clock())
            return result

        return wrapper

    return wrap


def async_timed(breaker: Breaker, note: Note, failed: Failed | None = None, skip: Skip | None = None) -> Wrap:
    """A coroutine method: as `timed`."""

    def wrap(original: Any, engine: Engine) -> Any:
        if engine.metrics is None:
            return original
        offer, clock = engine.metrics.intake.offer, engine.clock

        async def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            if _skipped(breaker, skip, self):
                return await original(self, *args, **kwargs)
            start = clock()
            try:
                result = await original(self, *args, **kwargs)
            except BaseException as error:
                if failed is not None:
                    _tell(breaker, failed, offer, self, error, start)
                raise
            _tell(breaker, note, offer, self, result, start, clock())
            return result

        return wrapper

    return wrap


def returned(breaker: Breaker, used: Used) -> Wrap:
    """A method that takes a connection back, its first argument: ``used(offer, self, connection, now)`` before."""

    def wrap(original: Any, engine: Engine) -> Any:
        if engine.metrics is None:
            return original
        offer, clock = engine.metrics.intake.offer, engine.clock

        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not breaker.open:
                _tell(breaker, used, offer, self, _first(args, kwargs), clock())
            return original(self, *args, **kwargs)

        return wrapper

    return wrap


def async_returned(breaker: Breaker, used: Used) -> Wrap:
    """A coroutine method: as `returned`."""

    def wrap(original: Any, engine: Engine) -> Any:
        if engine.metrics is None:
            return original
        offer, clock = engine.metrics.intake.offer, engine.clock

        async def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not breaker.open:
                _tell(breaker, used, offer, self, _first(args, kwargs), clock())
            return await original(self, *args, **kwargs)

        return wrapper

    return wrap


def both(inner: Wrap, outer: Wrap) -> Wrap:
    """Two drivers for one function."""

    def wrap(original: Any, engine: Engine) -> Any:
        return outer(inner(original, engine), engine)

    return wrap


def _skipped(breaker: Breaker, skip: Skip | None, pool: Any) -> bool:
    if breaker.open or skip is None:
        return breaker.open
    try:
        return bool(skip(pool))
    except Exception as error:
        breaker.fault(error)
        return True


def _first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else next(iter(kwargs.values()), None)


def _tell(breaker: Breaker, function: Callable[..., None], *args: Any) -> None:
    try:
        function(*args)
    except Exception as error:
        breaker.fault(error)
