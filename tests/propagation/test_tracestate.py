"""The API's TraceState as the agent gives it: the same contract, and the keys of Level 2."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable, Iterator

import pytest
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from tracing_agent.propagation.tracestate import Level2TraceState, trace_state

FULL = ",".join(f"k{index}=v" for index in range(32))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep the warnings of the API, which are part of the contract, off the test's output."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(params=[TraceState.from_header, Level2TraceState.from_header, lambda headers: trace_state(headers[0])])
def from_header(request: pytest.FixtureRequest) -> Callable[[list[str]], TraceState]:
    """The API's own class, ours, and ours as it comes from a request: what Level 1 allows is the same for all."""
    make: Callable[[list[str]], TraceState] = request.param
    return make


def test_mapping(from_header: Callable[[list[str]], TraceState]) -> None:
    """It is a TraceState and reads as an ordered mapping."""
    state = from_header(["a=1,b=2"])
    assert isinstance(state, TraceState)
    assert (len(state), bool(state), "a" in state, "c" in state) == (2, True, True, False)
    assert (state["a"], state.get("b"), state.get("c")) == ("1", "2", None)
    with pytest.raises(KeyError):
        state["c"]
    assert list(state) == list(state.keys()) == ["a", "b"]
    assert list(state.values()) == ["1", "2"]
    assert list(state.items()) == [("a", "1"), ("b", "2")]
    assert state == TraceState([("a", "1"), ("b", "2")])
    assert repr(state) == repr(TraceState([("a", "1"), ("b", "2")]))
    assert state.to_header() == "a=1,b=2"


def test_changes(from_header: Callable[[list[str]], TraceState]) -> None:
    """A change gives a new state with the changed member at the left, and leaves the old one alone."""
    state = from_header(["a=1,b=2"])
    assert state.add("c", "3").to_header() == "c=3,a=1,b=2"
    assert state.update("b", "3").to_header() == "b=3,a=1"
    assert state.update("c", "3").to_header() == "c=3,a=1,b=2"
    assert state.delete("a").to_header() == "b=2"
    assert state.delete("a").delete("b").to_header() == ""
    assert state.to_header() == "a=1,b=2"


def test_what_changes_nothing(from_header: Callable[[list[str]], TraceState]) -> None:
    """An invalid, repeated, unknown or thirty-third member changes nothing."""
    state = from_header(["a=1,b=2"])
    for same in (
        state.add("a", "2"),
        state.add("A", "2"),
        state.add("c", "x=y"),
        state.add("c", ""),
        state.add("c", "x "),
        state.add("c", "x,y"),
        state.add("c", "x,d=2"),
        state.add("c", "x,"),
        state.add("c=1,d", "2"),
        state.add(" c", "2"),
        state.update("A", "2"),
        state.update("a", "x,y"),
        state.delete("c"),
    ):
        assert same is state
    full = from_header([FULL])
    assert full.add("more", "1") is full
    assert full.update("k31", "w").to_header().startswith("k31=w,k0=v,")
    assert len(full.update("k31", "w")) == 32


def test_construction() -> None:
    """Entries are taken as the API's class takes them: invalid ones out, the first of equal keys kept, 32 at most."""
    for make in (TraceState, Level2TraceState):
        assert make().to_header() == ""
        assert make(None) == make([]) == make.get_default()
        assert make([("a", "1"), ("B", "2"), ("a", "3"), ("c", "x=y")]).to_header() == "a=1"
        assert len(make([(f"k{index}", "v") for index in range(33)])) == 0
        assert isinstance(make.get_default(), make)
        assert isinstance(make.from_header(["a=1"]), make)


def test_level_2_keys() -> None:
    """Keys that only Level 2 allows are kept, through changes too."""
    header = "foo@=1,foo@@bar=2,1a=3,t@vvvvvvvvvvvvvvv=4"
    state = Level2TraceState.from_header([header])
    assert state.to_header() == header
    assert state["foo@"] == "1"
    changed = state.add("x@y@z", "5").update("1a", "6").delete("foo@@bar")
    assert changed.to_header() == "1a=6,x@y@z=5,foo@=1,t@vvvvvvvvvvvvvvv=4"
    assert Level2TraceState([("foo@", "1")]).to_header() == "foo@=1"


def test_repeated_keys() -> None:
    """A repeated key does not lose the list."""
    assert Level2TraceState.from_header(["foo=1,foo=2", "bar=3"]).to_header() == "foo=1,bar=3"


@pytest.mark.parametrize("bad", [(1, "a"), ("a", 1), (None, None), ("a", b"b")])
def test_members_that_are_no_strings(bad: tuple[object, object]) -> None:
    """Members that are not strings change nothing, as invalid ones do."""
    state = trace_state("a=1")
    assert state.update(*bad) is state  # type: ignore[arg-type]
    assert Level2TraceState([bad]).to_header() == ""  # type: ignore[list-item]


def test_malformed_header() -> None:
    """A malformed header gives an empty state."""
    assert Level2TraceState.from_header(["foo=1", "FOO=1"]).to_header() == ""
    assert not Level2TraceState.from_header([])


def test_copies() -> None:
    """It survives copying and pickling, inside a SpanContext too."""
    state = trace_state("foo@=1,b=2")
    context = SpanContext(1, 1, True, TraceFlags(1), state)
    for other in (copy.copy(state), copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
        assert other == state
        assert other.to_header() == state.to_header()
    assert pickle.loads(pickle.dumps(context)) == context
    assert copy.deepcopy(context) == context


def test_lazy() -> None:
    """A state that is only carried on is not taken apart."""

    class Untouched(str):
        def split(self, *arguments: object) -> list[str]:
            raise AssertionError("parsed")

    header = Untouched("a=1,b=2")
    assert Level2TraceState.of_header(header).to_header() is header


def test_empty() -> None:
    """No header is the empty state, which takes members of Level 2."""
    assert trace_state("") == TraceState()
    assert not trace_state("")
    assert trace_state("").add("foo@", "1").to_header() == "foo@=1"
