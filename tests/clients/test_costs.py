"""What a request may cost, counted: calls of ours, garbage, memory, look-ups of the socket's other side."""

from __future__ import annotations

import gc
import itertools
import socket
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
import urllib3
from opentelemetry import trace
from opentelemetry.sdk.trace import sampling

from clients.library import Library
from clients.server import Server
from support.recorder import Intake, Recorder

REQUESTS = 30


def _calls(work: Callable[[], object]) -> int:
    """Calls of our functions."""
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        name = frame.f_code.co_filename.replace("\\", "/")
        if event == "call" and ("/tracing_agent/" in name or "/tracing_instrumentations/" in name):
            count += 1

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_calls(library: Library, server: Server, recorder: Recorder) -> None:
    """A request costs a few calls of our functions, and fewer where nothing is recorded or nothing may be."""
    recorder.engine.deliver(lambda span: None, Intake())
    newest = not urllib3.__version__.startswith("1.")
    url = server.url()
    library.get(url)
    with recorder.tracer.start_as_current_span("caller"):
        # Some of them stand in for longer ones of the library's own: those of its headers.
        assert _calls(lambda: library.get(url)) <= (12 if newest else 16)
    unsampled = Recorder(sampler=sampling.DEFAULT_OFF)
    with unsampled.tracer.start_as_current_span("caller"):
        assert _calls(lambda: library.get(url)) <= (13 if newest else 18)
    recorder.undo()
    assert _calls(lambda: library.get(url)) == 0


def test_garbage(library: Library, server: Server, recorder: Recorder) -> None:
    """A request makes no reference cycle in which anything of ours is."""
    recorder.engine.deliver(lambda span: None)
    library.get(server.url())
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(REQUESTS):
            library.get(server.url())
        gc.collect()
        # The server is in the same process: what it leaves behind is its own.
        found = {type(one).__qualname__ for one in gc.garbage if type(one).__module__.startswith("tracing_")}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert found == set()


def test_nothing_is_kept(library: Library, server: Server, recorder: Recorder) -> None:
    """user-pain row 31: however many requests there were, to however many URLs, nothing of them is kept."""
    recorder.engine.deliver(lambda span: None)
    numbers = itertools.count()

    ours = [tracemalloc.Filter(True, f"*/{package}/*") for package in ("tracing_agent", "tracing_instrumentations")]

    def memory() -> int:
        for _ in range(REQUESTS):
            library.get(server.url(f"/ok?{next(numbers)}"))
        gc.collect()
        return sum(block.size for block in tracemalloc.take_snapshot().filter_traces(ours).statistics("filename"))

    tracemalloc.start()
    try:
        found = [memory() for _ in range(4)]
    finally:
        tracemalloc.stop()
    # What the connection keeps is kept once, and a table may grow once.
    assert min(after - before for before, after in itertools.pairwise(found[1:])) < 500


def test_peer_is_asked_for_once_a_connection(
    library: Library, server: Server, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket's other side is looked up when a connection is made, and for none of its requests."""
    asked: list[Any] = []

    class Socket(socket.socket):
        def getpeername(self) -> Any:
            asked.append(self)
            return super().getpeername()

    monkeypatch.setattr(socket, "socket", Socket)
    for _ in range(5):
        library.get(server.url())
    ours = {id(one) for one in asked}
    assert len(ours) == 1
    assert len(asked) <= 2
    assert {span["attributes"]["network.peer.port"] for span in recorder.spans()} == {server.port}


def test_spans_are_not_current_below(library: Library, server: Server, recorder: Recorder) -> None:
    """A request is a leaf: no context is made for it, and the caller's span stays the current one."""
    seen: list[trace.Span] = []

    def body() -> Any:
        seen.append(trace.get_current_span())
        yield b"x"

    with recorder.tracer.start_as_current_span("caller") as caller:
        library.send("POST", server.url("/echo"), body=body())
    assert seen == [caller]
