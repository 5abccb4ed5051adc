"""Which exception leaves a loop, as the finaliser of the loop's iterator finds it, on every Python."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tracing_agent.drivers.leaving import in_flight, report

SEEN: list[Any] = []


class Iterator:
    """Endless; says when it dies what it was left by: an exception, None for an unknown one, "" for none."""

    def __init__(self, dying: Callable[[], object] = int) -> None:
        self._dying = dying

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> int:
        return 1

    def __del__(self) -> None:
        self._dying()
        frame = sys._getframe(1)
        traceback = in_flight(frame)
        if traceback is None:
            SEEN.append("")
        else:
            report(traceback, frame, SEEN.append)


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    """No iterator has died yet."""
    SEEN.clear()


def boom() -> None:
    raise ValueError("boom")


def leave(how: str) -> Any:
    for _ in Iterator():
        if how == "break":
            break
        if how == "return":
            return 1
        if how == "return of a call":
            return str(how)
        if how == "raise":
            raise ValueError("boom")
        if how == "call":
            boom()
        if how == "raise again":
            try:
                boom()
            except ValueError:
                raise
        if how == "finally":
            try:
                boom()
            finally:
                str(how)
        if how == "from the interpreter":
            int(how)
    return None


@pytest.mark.parametrize("how", ["break", "return", "return of a call"])
def test_a_loop_that_is_left_in_peace(how: str) -> None:
    """Without an exception there is none, also where another one is being handled around the loop."""
    leave(how)
    try:
        boom()
    except ValueError:
        leave(how)
    assert SEEN == ["", ""]


@pytest.mark.parametrize("how", ["raise", "call", "raise again", "finally", "from the interpreter"])
@pytest.mark.parametrize("handled", ["here", "above", "in a thread", "by a generator's user"])
def test_a_loop_that_is_left_by_an_exception(how: str, handled: str) -> None:
    """The exception is the very one that reaches its handler, and nothing is left behind by the search."""
    caught: list[BaseException] = []

    def outer() -> None:
        leave(how)

    def attempt() -> None:
        try:
            if handled == "above":
                outer()
            else:
                leave(how)
        except ValueError as error:
            caught.append(error)

    if handled == "in a thread":
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    elif handled == "by a generator's user":

        def users() -> Any:
            attempt()
            yield

        list(users())
    else:
        attempt()
    assert len(SEEN) == 1
    assert SEEN[0] is caught[0]
    assert sys.gettrace() is None
    frame = caught[0].__traceback__
    while frame is not None:
        assert frame.tb_frame.f_trace is None
        frame = frame.tb_next


def test_an_exception_older_than_the_collectors_memory() -> None:
    """An exception that was made long before is found as well."""
    error = ValueError("old")
    gc.collect()
    with pytest.raises(ValueError, match="old"):
        for _ in Iterator():
            raise error
    assert [error] == SEEN


def test_an_exception_that_has_seen_a_collection() -> None:
    """A collection between the exception and the end of the loop hides it from nobody."""

    with pytest.raises(ValueError, match="boom") as raised:
        for _ in Iterator(lambda: gc.collect(0)):
            boom()
    assert [raised.value] == SEEN


def test_another_trace_function_stays() -> None:
    """A debugger goes on undisturbed: the exception is found without it or not at all."""

    def tracer(frame: Any, event: str, argument: Any) -> Any:
        return None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        with pytest.raises(ValueError, match="boom"):
            leave("call")
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert [str(error) for error in SEEN] in (["boom"], ["None"])


def test_the_search_keeps_nothing_alive() -> None:
    """What the loop's function held is free as soon as the exception is, without the collector's help."""

    class Held:
        pass

    def work() -> None:
        held = Held()
        alive.append(weakref.ref(held))
        leave("call")

    alive: list[Any] = []
    gc.disable()
    try:
        try:
            work()
        except ValueError:
            pass
        SEEN.clear()
        assert alive[0]() is None
    finally:
        gc.enable()
