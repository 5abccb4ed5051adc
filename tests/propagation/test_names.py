"""OTEL_PROPAGATORS: any combination, order and case; and several formats as one."""

from __future__ import annotations

import pytest

from propagation.headers import PARENT, SPAN, TRACE, received
from tracing_agent.propagation.names import DEFAULT, FORMATS, chosen, composite
from tracing_agent.propagation.remote import Remote

B3 = f"{0xABC:032x}-{0xDEF:016x}-1"
ALL = ("tracecontext", "baggage", "b3", "b3multi", "jaeger", "xray", "ottrace")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), DEFAULT),
        (("", " "), DEFAULT),
        (ALL, ALL),
        (ALL[::-1], ALL[::-1]),
        (("B3", " TraceContext ", "b3", "BAGGAGE"), ("b3", "tracecontext", "baggage")),
        (("none",), ()),
        (("None", "NONE"), ()),
    ],
)
def test_known_names(names: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Names are taken in their order and any case, each once, without a word; none is nothing, nothing the default."""
    said: list[str] = []
    assert chosen(names, said.append) == expected
    assert said == []


@pytest.mark.parametrize(
    ("names", "expected", "named"),
    [
        (("b3", "zipkin"), ("b3",), ["zipkin", "left out"]),
        (("Zipkin", "b3", "datadog", "Zipkin"), ("b3",), ["'Zipkin', 'datadog'", "left out"]),
        (("zipkin",), DEFAULT, ["zipkin", "tracecontext,baggage used instead"]),
        (("none", "b3"), (), ["none", "remove it"]),
    ],
)
def test_unusable_names(names: tuple[str, ...], expected: tuple[str, ...], named: list[str]) -> None:
    """user-pain row 24: an unknown propagator costs one line that says what to do, and the others work."""
    said: list[str] = []
    assert chosen(names, said.append) == expected
    (line,) = said
    assert "\n" not in line
    for part in ("OTEL_PROPAGATORS", *named):
        assert part in line


def test_names_of_others() -> None:
    """A name that another distribution provides is kept, as it is written, in its place."""
    asked: list[str] = []

    def installed(name: str) -> bool:
        asked.append(name)
        return name == "Theirs"

    said: list[str] = []
    assert chosen(("b3", "Theirs", "nobody's", "baggage"), said.append, installed) == ("b3", "Theirs", "baggage")
    assert asked == ["Theirs", "nobody's"]
    assert len(said) == 1


def test_a_lone_format_is_itself() -> None:
    """One format needs no composite, and baggage alone is no format."""
    assert composite(("baggage", "b3")) is FORMATS["b3"]
    assert composite(("baggage",)) is None
    assert composite(()) is None


@pytest.mark.parametrize(("names", "trace_id"), [(("tracecontext", "b3"), TRACE), (("b3", "tracecontext"), 0xABC)])
def test_the_first_context_wins(names: tuple[str, ...], trace_id: int) -> None:
    """The order of the names is an order of preference; a later format fills in what none before it found."""
    format = composite(names)
    assert format is not None
    both = format.extract(received(("traceparent", PARENT), ("b3", B3)))
    assert both is not None
    assert both.trace_id == trace_id
    assert format.extract(received(("traceparent", "broken"), ("b3", B3))) == Remote(0xABC, 0xDEF, 1)
    assert format.extract(received(("traceparent", PARENT), ("b3", "broken"))) == Remote(TRACE, SPAN, 1)
    assert format.extract(received(("traceparent", "broken"))) is None


def test_ids_win_over_a_decision() -> None:
    """A B3 decision without ids gives way to a later format's context, and stands where there is none."""
    format = composite(("b3", "tracecontext"))
    assert format is not None
    assert format.extract(received(("b3", "0"), ("traceparent", PARENT))) == Remote(TRACE, SPAN, 1)
    assert format.extract(received(("b3", "0"))) == Remote(0, 0, 0)


def test_every_format_is_written() -> None:
    """A composite writes the headers of each of its formats, and names them all."""
    format = composite(ALL)
    assert format is not None
    assert format.name == "tracecontext,b3,b3multi,jaeger,xray,ottrace"
    written: dict[str, str] = {}
    format.inject(Remote(TRACE, SPAN, 1, "a=1"), written.__setitem__)
    assert set(written) == set(format.fields) - {"x-b3-flags"}
    for name in ("tracecontext", "b3", "b3multi", "jaeger", "xray"):
        again = FORMATS[name].extract(lambda header: [written[header]] if header in written else [])
        assert again == Remote(TRACE, SPAN, 1, "a=1" if name == "tracecontext" else "")
