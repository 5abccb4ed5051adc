"""Status: Ok is final, Error over Unset, Unset changes nothing, a description belongs to Error alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import Status, StatusCode

from contract.probes import begin

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan, Tracer

    from contract.probes import Recorder

UNSET, OK, ERROR = StatusCode.UNSET, StatusCode.OK, StatusCode.ERROR


def found(span: ReadableSpan) -> tuple[StatusCode, str | None]:
    """The status as (code, description)."""
    return span.status.status_code, span.status.description


def test_at_the_start(tracer: Tracer) -> None:
    """A span's status is Unset, which counts as no error."""
    span = begin(tracer)
    assert (found(span), span.status.is_unset, span.status.is_ok) == ((UNSET, None), True, True)


@pytest.mark.parametrize(
    ("given", "final"),
    [
        ([OK], OK),
        ([ERROR], ERROR),
        ([UNSET], UNSET),
        ([OK, ERROR], OK),
        ([OK, UNSET], OK),
        ([OK, OK], OK),
        ([ERROR, OK], OK),
        ([ERROR, UNSET], ERROR),
        ([ERROR, ERROR], ERROR),
        ([UNSET, ERROR, UNSET, OK, ERROR], OK),
    ],
    ids=lambda given: "-".join(code.name for code in given) if isinstance(given, list) else "",
)
@pytest.mark.parametrize("wrapped", [False, True], ids=["code", "Status"])
def test_precedence(tracer: Tracer, given: list[StatusCode], final: StatusCode, wrapped: bool) -> None:
    """However codes follow each other, Ok stays, Error gives way to Ok alone, Unset is ignored."""
    span = begin(tracer)
    for code in given:
        span.set_status(Status(code) if wrapped else code)
    assert found(span) == (final, None)


def test_the_last_error_stays(tracer: Tracer) -> None:
    """A later error replaces the earlier one with its description, even by none."""
    span = begin(tracer)
    span.set_status(ERROR, "first")
    assert found(span) == (ERROR, "first")
    span.set_status(Status(ERROR, "second"))
    assert found(span) == (ERROR, "second")
    span.set_status(ERROR)
    assert found(span) == (ERROR, None)


def test_ok_takes_the_description_away(tracer: Tracer) -> None:
    """Ok after Error leaves no description."""
    span = begin(tracer)
    span.set_status(ERROR, "failed")
    span.set_status(OK)
    assert found(span) == (OK, None)


@pytest.mark.parametrize("given", [(OK, "fine"), (Status(OK), None)], ids=["code", "Status"])
def test_ok_is_final(tracer: Tracer, given: tuple[Any, str | None]) -> None:
    """After Ok no description of an error gets in."""
    span = begin(tracer)
    span.set_status(given[0])
    span.set_status(ERROR, "late")
    span.set_status(Status(ERROR, "late"))
    assert found(span) == (OK, None)


def test_description_of_what_is_no_error(tracer: Tracer, logged: Callable[[], list[str]]) -> None:
    """A description of Ok is dropped with a warning."""
    span = begin(tracer)
    span.set_status(OK, "fine")
    assert (found(span), logged()) == ((OK, None), ["WARNING"])


def test_description_beside_a_status(tracer: Tracer, logged: Callable[[], list[str]]) -> None:
    """A description beside a Status is ignored with a warning."""
    span = begin(tracer)
    span.set_status(Status(ERROR, "inside"), "beside")
    assert (found(span), logged()) == ((ERROR, "inside"), ["WARNING"])


def test_description_that_is_no_string(tracer: Tracer, logged: Callable[[], list[str]]) -> None:
    """A description of another type is dropped with a warning."""
    span = begin(tracer)
    wrong: Any = 5
    span.set_status(ERROR, wrong)
    assert (found(span), logged()) == ((ERROR, None), ["WARNING"])


def test_empty_description(tracer: Tracer) -> None:
    """An empty description is one."""
    span = begin(tracer)
    span.set_status(ERROR, "")
    assert found(span) == (ERROR, "")


@pytest.mark.parametrize("wrong", ["ok", 1, None], ids=repr)
def test_what_is_no_status(tracer: Tracer, wrong: Any) -> None:
    """Anything else than a status or its code is ignored."""
    span = begin(tracer)
    span.set_status(wrong)
    assert found(span) == (UNSET, None)


def test_by_keyword(tracer: Tracer) -> None:
    """Code and description may be named."""
    span = begin(tracer)
    span.set_status(description="failed", status=ERROR)
    assert found(span) == (ERROR, "failed")


def test_processors_see_the_status(tracer: Tracer, recorder: Recorder) -> None:
    """The ended span has it; spans do not share it."""
    one, two = begin(tracer), begin(tracer)
    one.set_status(ERROR, "failed")
    one.end()
    two.end()
    assert [found(span) for span in recorder.ended] == [(ERROR, "failed"), (UNSET, None)]
