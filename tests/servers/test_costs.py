"""What a request may cost, counted: garbage, allocations, attached contexts, coroutines; in every framework."""

from __future__ import annotations

import gc
import itertools
import logging
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from servers.asking import HEADERS, Ask
from servers.conftest import Recorded
from servers.sites import SITES, Reply, Site

Make = Callable[..., Recorded]
REQUESTS = 50
UNSAMPLED = (*HEADERS, ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"))


def pieces() -> Iterator[bytes]:
    yield b"x"
    yield b"y"


def broken() -> Reply:
    raise ValueError


def serving(site: Site) -> Site:
    """The site, with something to ask for."""
    site.route("/", lambda: Reply(text="fine"))
    site.route("/stream", lambda: Reply(pieces=pieces))
    site.route("/broken", broken)
    return site


def garbage(site: Site, ask: Ask) -> float:
    """Objects in reference cycles that one request leaves."""
    gc.disable()
    try:
        return site.measured(ask, (5, REQUESTS), gc.collect)[1] / REQUESTS
    finally:
        gc.enable()


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    """What is logged would be kept until the end of the test; what is there already is none of the collector's work."""
    logging.disable()
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("headers", [HEADERS, UNSAMPLED], ids=["sampled", "unsampled"])
@pytest.mark.parametrize("path", ["/", "/stream", "/nothing", "/broken"])
@pytest.mark.parametrize("kind", SITES, ids=lambda kind: kind.library)
def test_no_garbage(recorded: Make, kind: type[Site], path: str, headers: Any) -> None:
    """A request makes no reference cycles: there is no more for the collector than without us."""
    ask = Ask(path, headers=headers)
    untraced = garbage(serving(kind()), ask)
    site = recorded(kind)
    site.recorder.engine.deliver(lambda span: None)
    traced = garbage(serving(site.site), ask)
    # An exception's traceback refers to itself by the frames that it went through; ours are some of them.
    assert traced <= untraced * 1.5


@pytest.mark.parametrize("headers", [HEADERS, UNSAMPLED], ids=["sampled", "unsampled"])
@pytest.mark.parametrize("path", ["/", "/stream"])
def test_nothing_is_kept(site: Recorded, path: str, headers: Any) -> None:
    """User-pain row 31: however many requests there were, nothing of them is kept."""
    site.recorder.engine.deliver(lambda span: None)
    serving(site.site)

    def memory() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    site.site.measured(Ask(path, headers=headers), (20,), memory)
    tracemalloc.start()
    try:
        found = site.site.measured(Ask(path, headers=headers), (150,) * 5, memory)
    finally:
        tracemalloc.stop()
    # A round may see the beginning of a thread; what is kept is kept in all.
    assert min(after - before for before, after in itertools.pairwise(found)) < 3000


def test_steps_of_a_request(site: Recorded) -> None:
    """A request costs a few calls of our functions, and a piece of its body at most two, whatever the framework."""
    serving(site.site)
    site.answers("/long", lambda: Reply(pieces=lambda: iter([b"x"] * 200)))

    def calls(path: str, headers: Any = HEADERS) -> int:
        # By frame: a coroutine is called once and resumed often.
        frames: set[Any] = set()

        def profile(frame: Any, event: str, argument: Any) -> None:
            if event == "call" and "/tracing_agent/" in frame.f_code.co_filename.replace("\\", "/"):
                frames.add(frame)

        site.ask(path, headers=headers)
        sys.setprofile(profile)
        try:
            site.ask(path, headers=headers)
        finally:
            sys.setprofile(None)
        return len(frames)

    assert calls("/") <= 25
    assert calls("/", UNSAMPLED) <= 17
    assert (calls("/long") - calls("/")) / 200 <= 2.1
