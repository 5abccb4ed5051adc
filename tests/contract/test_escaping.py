"""What a span makes of an exception that leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import Span
from opentelemetry.trace import StatusCode

from contract.probes import Refused, Untold, begin, exceptions, status

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import Tracer

    from contract.conftest import ProviderFactory
    from contract.probes import Recorder


def test_with_span(tracer: Tracer, recorder: Recorder) -> None:
    """An exception that leaves `with span` is recorded as escaped, is the status, ends the span and goes on."""
    error = Refused("no stock")
    with pytest.raises(Refused) as caught, begin(tracer):
        raise error
    assert caught.value is error
    (span,) = recorder.ended
    (recorded,) = exceptions(span)
    assert recorded.pop("exception.stacktrace").endswith("Refused: no stock\n")
    assert recorded == {
        "exception.type": f"{Refused.__module__}.Refused",
        "exception.message": "no stock",
        "exception.escaped": "True",
    }
    assert status(span) == (StatusCode.ERROR, "Refused: no stock")


def test_with_current_span(tracer: Tracer, recorder: Recorder) -> None:
    """start_as_current_span does the same, with escaped said to be false."""
    with pytest.raises(Refused), tracer.start_as_current_span("work"):
        raise Refused("no stock")
    (span,) = recorder.ended
    (recorded,) = exceptions(span)
    assert recorded.pop("exception.stacktrace").endswith("Refused: no stock\n")
    assert recorded == {
        "exception.type": f"{Refused.__module__}.Refused",
        "exception.message": "no stock",
        "exception.escaped": "False",
    }
    assert status(span) == (StatusCode.ERROR, "Refused: no stock")


def test_use_span(tracer: Tracer, recorder: Recorder) -> None:
    """So does use_span, which ends the span only when asked to."""
    span = begin(tracer)
    with pytest.raises(Refused), trace.use_span(span):
        raise Refused("no stock")
    assert (len(exceptions(span)), status(span)) == (1, (StatusCode.ERROR, "Refused: no stock"))
    assert recorder.ended == []


SWITCHES = [(True, True), (True, False), (False, True), (False, False)]


@pytest.mark.parametrize(("record", "set_status"), SWITCHES)
@pytest.mark.parametrize("way", ["span", "current"])
def test_switched_off(tracer: Tracer, recorder: Recorder, way: str, record: bool, set_status: bool) -> None:
    """Recording an exception and setting the status can each be switched off; the exception goes on."""
    given: Any = {"record_exception": record, "set_status_on_exception": set_status}
    make: Any = tracer.start_span if way == "span" else tracer.start_as_current_span
    with pytest.raises(Refused), make("work", **given):
        raise Refused("no")
    (span,) = recorder.ended
    assert len(span.events) == int(record)
    assert status(span) == ((StatusCode.ERROR, "Refused: no") if set_status else (StatusCode.UNSET, None))


def test_a_base_exception_and_with_span(tracer: Tracer, recorder: Recorder) -> None:
    """`with span` records what is no Exception, too."""
    with pytest.raises(KeyboardInterrupt), begin(tracer):
        raise KeyboardInterrupt
    (span,) = recorder.ended
    assert exceptions(span)[0]["exception.type"] == "KeyboardInterrupt"
    assert status(span) == (StatusCode.ERROR, "KeyboardInterrupt: ")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_base_exception_and_the_current_span(tracer: Tracer, recorder: Recorder, kind: type[BaseException]) -> None:
    """start_as_current_span takes what is no Exception for no error: the span ends unset."""
    with pytest.raises(kind), tracer.start_as_current_span("work"):
        raise kind
    (span,) = recorder.ended
    assert (span.events, status(span)) == ((), (StatusCode.UNSET, None))


def test_ok_is_final(tracer: Tracer, recorder: Recorder) -> None:
    """A span that was set Ok stays Ok when an exception leaves it; the exception is recorded."""
    for make in (tracer.start_span, tracer.start_as_current_span):
        with pytest.raises(Refused), make("work") as span:
            span.set_status(StatusCode.OK)
            raise Refused("no")
    assert [(len(span.events), status(span)) for span in recorder.ended] == [(1, (StatusCode.OK, None))] * 2


def test_the_last_error_stays(tracer: Tracer, recorder: Recorder) -> None:
    """The exception's text replaces an error that was set before."""
    with pytest.raises(Refused), tracer.start_as_current_span("work") as span:
        span.set_status(StatusCode.ERROR, "earlier")
        raise Refused("later")
    assert status(recorder.ended[0]) == (StatusCode.ERROR, "Refused: later")


def test_through_two_spans(tracer: Tracer, recorder: Recorder) -> None:
    """Every span that an exception leaves records it."""
    with pytest.raises(Refused), tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        raise Refused("no")
    assert [(span.name, len(span.events), status(span)) for span in recorder.ended] == [
        ("inner", 1, (StatusCode.ERROR, "Refused: no")),
        ("outer", 1, (StatusCode.ERROR, "Refused: no")),
    ]


def test_a_handled_exception(tracer: Tracer, recorder: Recorder) -> None:
    """An exception that does not leave the span is none of its business."""
    with tracer.start_as_current_span("work"):
        try:
            raise Refused("handled")
        except Refused:
            pass
    assert (recorder.ended[0].events, status(recorder.ended[0])) == ((), (StatusCode.UNSET, None))


def test_after_the_end(tracer: Tracer, recorder: Recorder, logged: Callable[[], list[str]]) -> None:
    """An exception that leaves an ended span is not recorded; the only warning is the second end's."""
    for make in (tracer.start_span, tracer.start_as_current_span):
        with pytest.raises(Refused), make("work") as span:
            span.end()
            raise Refused("late")
    assert [(span.events, status(span)) for span in recorder.ended] == [((), (StatusCode.UNSET, None))] * 2
    assert logged() == ["WARNING"] * 2


@pytest.mark.usefixtures("as_in_production")
@pytest.mark.parametrize("way", ["start_span", "start_as_current_span"])
def test_the_program_sees_its_own_exception(
    tracer: Tracer, recorder: Recorder, deviates: Callable[[str], bool], way: str
) -> None:
    """An exception without a text that leaves a span is replaced by the SDK; ours lets it pass."""
    seen = Untold if deviates("hostile-exception") else RuntimeError
    with pytest.raises(seen), getattr(tracer, way)("work"):
        raise Untold
    if deviates("hostile-exception"):
        assert recorder.ended[0].status.status_code is StatusCode.ERROR


def test_with_span_gives_the_span(provider_factory: ProviderFactory) -> None:
    """`with` gives the span itself."""
    tracer = provider_factory().get_tracer("orders")
    span = tracer.start_span("work")
    with span as given:
        assert given is span
    assert isinstance(given, Span)
    assert not given.is_recording()
