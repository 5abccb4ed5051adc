"""What a failed operation says of itself. Source: semantic conventions 1.44, "Recording errors" and "Exceptions"."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from opentelemetry.trace.status import Status, StatusCode

if TYPE_CHECKING:
    from tracing_agent.trace.readable import Handled
    from tracing_agent.trace.span import Span

ERROR = Status(StatusCode.ERROR)
_DESCRIPTION_MAX = 1024


def error_type(error: BaseException) -> str:
    """The exception's qualified name; built-in ones without their module."""
    kind = type(error)
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", None) else f"{module}.{kind.__qualname__}"


def message(error: BaseException) -> str:
    """The exception's text, bounded, and safe against exceptions that cannot be printed."""
    try:
        return str(error)[:_DESCRIPTION_MAX]
    except Exception:
        return ""


def interrupted(error: BaseException) -> bool:
    """Whether the operation was told to stop (cancelled, closed, interrupted), which is no error of it."""
    return not isinstance(error, Exception)


def failed(span: Span, error: BaseException) -> None:
    """The operation raised: status, ``error.type``. An operation that was told to stop has no error."""
    if interrupted(error):
        return
    span.values["error.type"] = error_type(error)
    span._status = Status(StatusCode.ERROR, message(error) or None)


def recorded(span: Span, error: BaseException, handled: Handled | None = None) -> None:
    """`failed`, and an ``exception`` event with the stack trace, once for each exception.

    ``handled`` is what was known of it when a framework handled it: its time, and its traceback if it has none now.

    For the spans at which an exception leaves the program's own code unhandled (server, consumer, task). Spans of
    calls to other services carry type and message only: whoever called may yet handle the exception.
    """
    if interrupted(error):
        return
    failed(span, error)
    # Its id only: a span that held the exception would keep its frames, and through them itself, alive.
    seen = span.__dict__
    if seen.get("exception") == id(error):
        return
    seen["exception"] = id(error)
    trace, time = error.__traceback__, None
    if handled is not None and handled.error is error:
        trace, time = trace or handled.traceback, handled.time
    attributes: dict[str, Any] = {
        "exception.type": error_type(error),
        "exception.message": message(error),
        "exception.stacktrace": "".join(traceback.format_exception(type(error), error, trace)),
    }
    span.add_event("exception", attributes, time)
