"""How requests end: errors, streams, clients that go away; in every framework."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace

from servers.conftest import Recorded
from servers.sites import Reply


class Busy(Exception):
    """An exception of the program's own."""


def one_exception(span: dict[str, Any]) -> dict[str, Any]:
    """The attributes of the span's only event, which is an exception's."""
    ((name, attributes),) = span["events"]
    assert name == "exception"
    found: dict[str, Any] = attributes
    return found


def only(error: Any) -> Any:
    """The exception in a group of one, in which some versions of Starlette and anyio let it leave."""
    return only(error.exceptions[0]) if len(getattr(error, "exceptions", ())) == 1 else error


def test_unhandled_exceptions(site: Recorded) -> None:
    """User-pain row 21: an unhandled exception gives one event with the stack trace, status 500 and an error."""

    def broken() -> Reply:
        raise Busy("till is jammed")

    site.answers("/", broken)
    assert site.ask("/").status == 500
    span = site.span()
    assert span["status"] == ("ERROR", "till is jammed")
    name = f"{__name__}.Busy"
    assert (span["attributes"]["http.response.status_code"], span["attributes"]["error.type"]) == (500, name)
    event = one_exception(span)
    assert (event["exception.type"], event["exception.message"]) == (name, "till is jammed")
    assert "in broken" in event["exception.stacktrace"]
    assert span["name"] == "GET /"


@pytest.mark.parametrize("handled", [True, False])
def test_exceptions_lie_within_their_span(site: Recorded, handled: bool) -> None:
    """The event of an exception has the time at which it was raised, not the one at which the response was over."""

    def broken() -> Reply:
        raise Busy("till is jammed")

    site.answers("/", broken)
    if handled:
        site.site.handler(Busy, lambda error: Reply(503, "later"))
    site.ask("/")
    (span,) = site.recorder.finished
    (event,) = span.events
    assert span.start_time < event.timestamp < span.end_time


@pytest.mark.parametrize(("status", "error"), [(503, True), (409, False), (200, False)])
def test_handled_exceptions(site: Recorded, status: int, error: bool) -> None:
    """An exception that a handler turns into a 5xx is recorded; one that it turns into anything else is not."""

    def broken() -> Reply:
        raise Busy("till is jammed")

    site.answers("/", broken)
    site.site.handler(Busy, lambda error: Reply(status, "later"))
    answer = site.ask("/")
    assert (answer.status, answer.body) == (status, b"later")
    span = site.span()
    assert span["attributes"]["http.response.status_code"] == status
    if error:
        assert span["status"] == ("ERROR", "till is jammed")
        assert span["attributes"]["error.type"] == f"{__name__}.Busy"
        assert "in broken" in one_exception(span)["exception.stacktrace"]
    else:
        assert span["status"] == "UNSET"
        assert "error.type" not in span["attributes"]
        assert "events" not in span


def test_the_span_is_current_in_handlers(site: Recorded) -> None:
    """User-pain row 21: the request's span is current where the program handles an exception."""
    seen: list[int] = []

    def broken() -> Reply:
        raise Busy

    def handle(error: Exception) -> Reply:
        seen.append(trace.get_current_span().get_span_context().span_id)
        return Reply(500)

    site.answers("/", broken)
    site.site.handler(Busy, handle)
    site.ask("/")
    assert seen == [site.span()["id"]]


@pytest.mark.parametrize(("status", "expected"), [(404, "UNSET"), (403, "UNSET"), (503, "ERROR")])
def test_answers_by_exception(site: Recorded, status: int, expected: str) -> None:
    """The framework's own exceptions are answers: a 4xx is no error, a 5xx one without an exception event."""
    site.answers("/", lambda: site.site.refuse(status))
    assert site.ask("/").status == status
    span = site.span()
    assert (span["status"], span["attributes"]["http.response.status_code"]) == (expected, status)
    assert span["attributes"].get("error.type") == ("503" if status == 503 else None)
    assert "events" not in span
    assert span["attributes"]["http.route"] == "/"


def test_error_responses(site: Recorded) -> None:
    """A 5xx that the program just answers is an error whose type is the status; a 4xx is none."""
    site.answers("/bad", lambda: Reply(502))
    site.answers("/wrong", lambda: Reply(422))
    site.ask("/bad")
    site.ask("/wrong")
    bad, wrong = site.spans()
    assert (bad["status"], bad["attributes"]["error.type"]) == ("ERROR", "502")
    assert (wrong["status"], wrong["attributes"].get("error.type")) == ("UNSET", None)


# -- streams --------------------------------------------------------------------------------------------------------


def test_streams_last_until_the_last_byte(site: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    """User-pain rows 7 and 9: a stream of 100 pieces is one span, ended by the last; what it does is below it."""
    tracer = site.recorder.tracer

    def pieces() -> Iterator[bytes]:
        for number in range(100):
            tracer.start_span(f"piece {number}").end()
            yield b"x"

    site.answers("/", lambda: Reply(pieces=pieces))
    assert site.ask("/").body == b"x" * 100
    *children, server = site.spans()
    assert len(children) == 100
    assert {child["parent"] for child in children} == {server["id"]}
    assert (server["name"], server["status"]) == ("GET /", "UNSET")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_streams_that_break(site: Recorded) -> None:
    """An exception in the middle of a stream is an error, although the status was 200."""

    def pieces() -> Iterator[bytes]:
        yield b"x"
        raise Busy("out of paper")

    site.answers("/", lambda: Reply(pieces=pieces))
    answer = site.ask("/")
    assert answer.status == 200
    assert isinstance(only(answer.error), Busy)
    span = site.span()
    assert (span["status"], span["attributes"]["http.response.status_code"]) == (("ERROR", "out of paper"), 200)
    assert one_exception(span)["exception.message"] == "out of paper"


def test_clients_that_go_away(site: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    """User-pain row 9: a client that leaves in the middle of a stream ends the span, which is no error."""
    closed: list[str] = []

    def pieces() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.append("closed")

    site.answers("/", lambda: Reply(pieces=pieces))
    site.ask("/", take=3)
    span = site.span()
    assert (span["status"], span["attributes"]["http.response.status_code"]) == ("UNSET", 200)
    assert "events" not in span
    gc.collect()
    assert closed == ["closed"]
    assert not [record for record in caplog.records if "detach" in record.getMessage()]


def test_the_parent_of_the_next_request(site: Recorded) -> None:
    """A request leaves nothing behind: the next one in the same thread is a root of its own."""

    def pieces() -> Iterator[bytes]:
        yield b"x"
        yield b"y"

    site.answers("/", lambda: Reply(pieces=pieces))
    site.ask("/", take=1)
    site.ask("/")
    first, second = site.spans()
    assert (first["parent"], second["parent"]) == (None, None)
    assert first["trace"] != second["trace"]
