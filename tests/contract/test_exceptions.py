"""record_exception: the event that an exception becomes."""

from __future__ import annotations

import builtins
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import StatusCode

from contract.probes import START, Refused, Untold, begin, exceptions, status

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import Tracer


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """``error`` with a traceback."""
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def test_never_raised(tracer: Tracer) -> None:
    """An exception is recorded with type, message, stack trace and escaped, in that order."""
    span = begin(tracer)
    span.record_exception(ValueError("bad value"))
    assert list(exceptions(span)[0].items()) == [
        ("exception.type", "ValueError"),
        ("exception.message", "bad value"),
        ("exception.stacktrace", "ValueError: bad value\n"),
        ("exception.escaped", "False"),
    ]


def test_time_now(tracer: Tracer) -> None:
    """Without a time it was recorded now."""
    span = begin(tracer)
    before = time.time_ns()
    span.record_exception(ValueError())
    assert before <= span.events[0].timestamp <= time.time_ns()


def test_arguments(tracer: Tracer) -> None:
    """Time, escaped and attributes can be given; the caller's attributes win."""
    span = begin(tracer)
    more: dict[str, Any] = {"exception.message": "hidden", "order": 7}
    span.record_exception(ValueError("secret"), attributes=more, timestamp=START, escaped=True)
    assert span.events[0].timestamp == START
    assert exceptions(span) == [
        {
            "exception.type": "ValueError",
            "exception.message": "hidden",
            "exception.stacktrace": "ValueError: secret\n",
            "exception.escaped": "True",
            "order": 7,
        }
    ]
    assert more == {"exception.message": "hidden", "order": 7}


def _local() -> BaseException:
    class Local(Exception):
        pass

    return Local()


def _of_no_module() -> BaseException:
    kind = type("Homeless", (Exception,), {"__module__": None})
    error: BaseException = kind()
    return error


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ValueError(), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (Refused(), f"{Refused.__module__}.Refused"),
        (Refused.Again(), f"{Refused.__module__}.Refused.Again"),
        (_local(), f"{__name__}._local.<locals>.Local"),
        (_of_no_module(), "Homeless"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), "UnicodeDecodeError"),
    ],
    ids=["builtin", "base", "module", "nested", "local", "no module", "arguments"],
)
def test_type(tracer: Tracer, error: BaseException, name: str) -> None:
    """The type is the qualified name after its module; builtins stand alone."""
    span = begin(tracer)
    span.record_exception(error)
    assert exceptions(span)[0]["exception.type"] == name


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError(), ""),
        (ValueError("a", 1), "('a', 1)"),
        (KeyError("k"), "'k'"),
        (OSError(2, "gone"), "[Errno 2] gone"),
    ],
    ids=["none", "two arguments", "key", "os"],
)
def test_message(tracer: Tracer, error: Exception, message: str) -> None:
    """The message is the exception's text."""
    span = begin(tracer)
    span.record_exception(error)
    assert exceptions(span)[0]["exception.message"] == message


@pytest.mark.parametrize(
    "error",
    [
        raised(ValueError("plain")),
        raised(Refused("later"), cause=raised(KeyError("first"))),
        raised(ValueError("größe\nzwei")),
        *(
            []
            if sys.version_info < (3, 11)
            else [raised(builtins.ExceptionGroup("several", [ValueError(), KeyError("b")]))]
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_stack_trace(tracer: Tracer, error: BaseException) -> None:
    """The stack trace is Python's, with causes and the members of a group."""
    span = begin(tracer)
    span.record_exception(error)
    expected = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    assert exceptions(span)[0]["exception.stacktrace"] == expected
    assert "in raised" in expected


def test_recording_sets_no_status(tracer: Tracer) -> None:
    """record_exception alone leaves the status and the span open."""
    span = begin(tracer)
    span.record_exception(ValueError("bad"))
    assert (status(span), span.is_recording()) == ((StatusCode.UNSET, None), True)


def test_each_call_is_an_event(tracer: Tracer) -> None:
    """The same exception recorded twice is two events."""
    span, error = begin(tracer), ValueError("bad")
    span.record_exception(error)
    span.record_exception(error)
    assert len(exceptions(span)) == 2


@pytest.mark.usefixtures("as_in_production")
def test_text_that_cannot_be_had(tracer: Tracer, deviates: Callable[[str], bool]) -> None:
    """Recording an exception without a text raises in the SDK; ours records what it can."""
    span = begin(tracer)
    if deviates("hostile-exception"):
        span.record_exception(Untold())
        assert exceptions(span)[0]["exception.type"] == f"{Untold.__module__}.Untold"
    else:
        with pytest.raises(RuntimeError, match="no text"):
            span.record_exception(Untold())
        assert span.events == ()
