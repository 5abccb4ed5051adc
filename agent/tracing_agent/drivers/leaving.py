"""Which exception, if any, a loop is being left by: found from the finaliser of the loop's iterator.

``break``, ``return`` and an exception drop a loop's iterator alike, and nothing hands its finaliser the exception: that
is on its way to a handler, where `sys.exc_info` does not see it yet. But its traceback is an object made a moment ago,
so that it is among the collector's youngest; from Python 3.12 on the exception itself is, too, with that traceback.
Before 3.12 an exception has its traceback only when a handler has it. Then, and where the exception is older, a trace
function waits for the handler, for the next few events of this thread. Nothing of this runs where a loop ends in any
other way.
"""

from __future__ import annotations

import gc
import sys
from dis import opmap
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Report = Callable[[BaseException | None], None]

# Instructions that drop an iterator without an exception: ``break`` and ``return``, and the end of its variable.
_PEACEFUL = frozenset(
    opmap[name]
    for name in ("POP_TOP", "POP_ITER", "RETURN_VALUE", "RETURN_CONST", "STORE_FAST", "STORE_NAME", "DELETE_FAST")
    if name in opmap
)
# Instructions that do nothing but raise; the traceback may be from where the exception was raised first.
_RAISES = frozenset(opmap[name] for name in ("RAISE_VARARGS", "RERAISE") if name in opmap)
_YIELDS = frozenset(opmap[name] for name in ("YIELD_VALUE", "RESUME") if name in opmap)
# Young objects looked through at most: a program that has switched collection off has any number of them.
_MOST_YOUNG = 100_000
# Events of the thread until a handler has an exception: some are the end of frames on the way.
_MOST_EVENTS = 12
_FRAMES = 3


def in_flight(frame: FrameType | None) -> TracebackType | None:
    """The traceback of the exception that is leaving ``frame`` (a finaliser's caller) at this moment, if one is."""
    for _ in range(_FRAMES):
        if frame is None or frame.f_lasti < 0:
            return None
        instruction = frame.f_code.co_code[frame.f_lasti]
        found = None if instruction in _PEACEFUL else _traceback_of(frame, instruction in _RAISES)
        # A generator that is closed is left by GeneratorExit: what counts is why it is closed.
        if found is None or instruction not in _YIELDS:
            return found
        frame = frame.f_back
    return None


# No generator goes through the young objects: it would be one of them, in a cycle with the list that holds it.


def _traceback_of(frame: FrameType, raises: bool) -> TracebackType | None:
    found = None
    for generation in _young():
        for item in gc.get_objects(generation):
            if type(item) is TracebackType and item.tb_frame is frame:
                if item.tb_lasti == frame.f_lasti:
                    return item
                found = item
    return found if raises else None


def _parts(traceback: TracebackType | None) -> set[int]:
    parts = set()
    while traceback is not None:
        parts.add(id(traceback))
        traceback = traceback.tb_next
    return parts


def _raised(parts: set[int]) -> BaseException | None:
    """The exception that one of these tracebacks belongs to, if an object that is young is known to be it by now."""
    for generation in _young():
        for item in gc.get_objects(generation):
            # Not isinstance(), which asks the object for its class, and so runs the code of proxies.
            if issubclass(type(item), BaseException) and not parts.isdisjoint(_parts(item.__traceback__)):
                return item  # type: ignore[no-any-return]
    return None


def _young() -> tuple[int, ...]:
    """The generations of the collector that may be looked through."""
    if gc.get_count()[0] > _MOST_YOUNG:
        return ()
    # From 3.14.0 to 3.14.4 there is no middle one: asked for it, the collector has no objects.
    return (0, 1)


def report(traceback: TracebackType, frame: FrameType, to: Report) -> None:
    """Call ``to`` with the exception that ``traceback`` belongs to, now or soon; with None if it cannot be had.

    ``frame`` is where the finaliser was called from; ``to`` must not raise.
    """
    error = _raised(_parts(traceback))
    if error is not None:
        to(error)
        return
    tracer = sys.gettrace()
    watch = getattr(tracer, "__self__", None)
    if type(watch) is _Watch:
        # The same exception has dropped another iterator before.
        watch.waiting.append((traceback, to))
    elif tracer is None:
        _Watch(traceback, frame, to)
    else:
        to(None)  # a debugger's trace function stays


class _Watch:
    """Waits in this thread for a handler to have the exception."""

    __slots__ = ("_frames", "_left", "_outermost", "waiting")

    def __init__(self, traceback: TracebackType, frame: FrameType | None, to: Report) -> None:
        self.waiting = [(traceback, to)]
        self._left = _MOST_EVENTS
        self._outermost = frame is not None and frame.f_back is None
        self._frames: list[FrameType] = []
        while frame is not None and len(self._frames) < _FRAMES:
            if frame.f_trace is None:
                frame.f_trace = self._event
                self._frames.append(frame)
            frame = frame.f_back
        sys.settrace(self._event)

    def _event(self, frame: FrameType, event: str, argument: Any) -> Any:
        # Nothing may be raised from here: the program would have it.
        try:
            error = self._found(event, argument)
            self._left -= 1
            if error is None and self._left > 0:
                if event == "line":
                    # An exception is handled from the middle of a line on.
                    frame.f_trace_opcodes = True
                return None if event == "call" else self._event
        except Exception:
            error = None
        self._tell(error)
        return None

    def _found(self, event: str, argument: Any) -> BaseException | None:
        parts = _parts(self.waiting[0][0])
        error, traceback = argument[1:] if event == "exception" else (sys.exc_info()[1], None)
        if error is None or parts.isdisjoint(_parts(traceback or error.__traceback__)):
            return _raised(parts)
        if error.__traceback__ is None:
            error.__traceback__ = traceback
        return error

    def _tell(self, error: BaseException | None) -> None:
        sys.settrace(None)
        for watched in self._frames:
            watched.f_trace_opcodes = False
            del watched.f_trace
        self._frames.clear()
        if error is None and self._outermost:
            # It has left the program, where the interpreter keeps any exception but this one.
            error = SystemExit()
        waiting, self.waiting = self.waiting, []
        for _, to in waiting:
            to(error)

    def __del__(self) -> None:
        # The thread has ended without another event.
        for _, to in self.waiting:
            to(SystemExit() if self._outermost else None)
