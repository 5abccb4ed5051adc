"""Links: from the start and added later, which are valid, and that a link stays what it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import Link

from contract.probes import begin, identity

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, Tracer

    from contract.probes import Recorder

NOWHERE = trace.INVALID_SPAN_CONTEXT


def links(span: ReadableSpan) -> list[tuple[trace.SpanContext, dict[str, Any]]]:
    """Context and attributes of each link."""
    return [(link.context, dict(link.attributes or {})) for link in span.links]


@pytest.mark.parametrize("given", [(), [], None], ids=repr)
def test_none_at_all(tracer: Tracer, given: Any) -> None:
    """A span without links has an empty tuple."""
    assert begin(tracer, links=given).links == ()


def test_at_the_start(tracer: Tracer) -> None:
    """Links given at the start are there in their order; a link's context is the one given."""
    one, two = identity(span_id=1, state=[("a", "b")]), identity(span_id=2, remote=False, flags=0)
    span = begin(tracer, links=(Link(two), Link(one, {"a": 1})))
    assert links(span) == [(two, {}), (one, {"a": 1})]
    assert span.links[1].context is one


def test_added_later(tracer: Tracer) -> None:
    """A link can be added to a started span, after those of the start."""
    span = begin(tracer, links=[Link(identity(span_id=1))])
    span.add_link(identity(span_id=2), {"a": 1})
    span.add_link(context=identity(span_id=3), attributes=None)
    assert links(span) == [(identity(span_id=1), {}), (identity(span_id=2), {"a": 1}), (identity(span_id=3), {})]


def test_the_same_twice(tracer: Tracer) -> None:
    """Links may repeat."""
    span = begin(tracer, links=[Link(identity())])
    span.add_link(identity())
    assert links(span) == [(identity(), {})] * 2


@pytest.mark.parametrize(
    ("context", "attributes", "kept"),
    [
        (NOWHERE, None, False),
        (NOWHERE, {}, False),
        (NOWHERE, {"a": 1}, True),
        (identity(0, 0, state=[("a", "b")]), None, True),
        (identity(0), None, False),
        (identity(span_id=0), None, False),
        (None, None, False),
        (None, {"a": 1}, False),
    ],
    ids=["nowhere", "no attributes", "attributes", "tracestate", "no trace", "no span", "None", "None with attributes"],
)
def test_links_to_nowhere(tracer: Tracer, context: Any, attributes: dict[str, int] | None, kept: bool) -> None:
    """A link without a valid context is kept only for its attributes or tracestate; one without any context never."""
    at_start = begin(tracer, links=[Link(context, attributes)])
    later = begin(tracer)
    later.add_link(context, attributes)
    expected = [(context, attributes or {})] if kept else []
    assert (links(at_start), links(later)) == (expected, expected)


def test_none_among_links(tracer: Tracer) -> None:
    """None in the place of a link is skipped."""
    holes: Any = [None, Link(identity()), None]
    assert links(begin(tracer, links=holes)) == [(identity(), {})]


def test_the_given_attributes_are_copied(tracer: Tracer) -> None:
    """What happens to the caller's mapping afterwards does not reach the link."""
    first, second = {"a": 1}, {"a": 2}
    span = begin(tracer, links=[Link(identity(), first)])
    span.add_link(identity(), second)
    first["a"] = second["a"] = 3
    assert links(span) == [(identity(), {"a": 1}), (identity(), {"a": 2})]


def test_the_given_list_is_copied(tracer: Tracer) -> None:
    """A list of links that grows afterwards does not reach the span."""
    given = [Link(identity())]
    span = begin(tracer, links=given)
    given.append(Link(identity()))
    assert len(span.links) == 1


def test_attributes_are_immutable(tracer: Tracer) -> None:
    """A link's attributes can be neither set nor deleted."""
    span = begin(tracer, links=[Link(identity(), {"a": 1})])
    span.add_link(identity(), {"a": 1})
    for link in span.links:
        attributes: Any = link.attributes
        with pytest.raises(TypeError):
            attributes["a"] = 2
        with pytest.raises(TypeError):
            del attributes["a"]
    assert links(span) == [(identity(), {"a": 1})] * 2


def test_what_was_read_does_not_grow(tracer: Tracer) -> None:
    """The tuple of links read before is not changed by the next link."""
    span = begin(tracer)
    read = span.links
    span.add_link(identity())
    assert read == ()


def test_one_link_for_two_spans(tracer: Tracer) -> None:
    """The same Link object may be given to two spans."""
    link = Link(identity(), {"a": 1})
    spans = [begin(tracer, links=[link]) for _ in range(2)]
    assert [links(span) for span in spans] == [[(identity(), {"a": 1})]] * 2


def test_processors_see_links(tracer: Tracer, recorder: Recorder) -> None:
    """The ended span has its links."""
    span = begin(tracer, links=[Link(identity())])
    span.add_link(identity(span_id=5), {"a": 1})
    span.end()
    assert links(recorder.ended[0]) == [(identity(), {}), (identity(span_id=5), {"a": 1})]


def test_a_link_is_no_parent(tracer: Tracer) -> None:
    """A root span with links is a root, in a trace of its own."""
    span = begin(tracer, links=[Link(identity())])
    assert span.parent is None
    assert span.context.trace_id != identity().trace_id
