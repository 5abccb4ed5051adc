"""Blocking commands and clients of which nobody asked: what must not flood."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from databases.redis.kinds import Store, done, roots, scenario
from support.recorder import Recorder

POLLS: list[tuple[Any, ...]] = [
    ("BLPOP", "list", "0.01"),
    ("BRPOP", "list", "0.01"),
    ("brpop", "list", "0.01"),
    ("BRPOPLPUSH", "list", "other", "0.01"),
    ("BLMOVE", "list", "other", "LEFT", "LEFT", "0.01"),
    ("BZPOPMIN", "set", "0.01"),
    ("BZPOPMAX", "set", "0.01"),
    ("XREAD", "COUNT", "1", "BLOCK", "10", "STREAMS", "stream", "$"),
    ("XREADGROUP", "GROUP", "group", "me", "BLOCK", "10", "STREAMS", "stream", ">"),
]


@pytest.mark.parametrize("args", POLLS, ids=lambda args: str(args[0]))
@scenario
async def test_empty_poll(store: Store, recorder: Recorder, args: tuple[Any, ...]) -> None:
    """user-pain row 16: a poll that timed out empty is a span below another one, and none of its own."""
    async with store.connected(recorder) as client:
        await done(client.xgroup_create("stream", "group", mkstream=True))
        roots(recorder)
        assert not await done(client.execute_command(*args))
        assert recorder.spans() == []
        with recorder.tracer.start_as_current_span("job"):
            assert not await done(client.execute_command(*args))
    assert [span["name"] for span in recorder.spans()] == [args[0], "job"]


@scenario
async def test_polls_that_got_something(store: Store, recorder: Recorder) -> None:
    """A poll that got something, or failed, is a span wherever it is; reading without blocking is not a poll."""
    async with store.connected(recorder) as client:
        await done(client.rpush("list", "value"))
        await done(client.xgroup_create("stream", "group", mkstream=True))
        await done(client.set("string", "value"))
        roots(recorder)
        assert await done(client.blpop("list", timeout=1)) == (b"list", b"value")
        assert not await done(client.xread({"stream": "0"}))
        with pytest.raises(Exception, match="WRONGTYPE"):
            await done(client.blpop("string", timeout=1))
    names = [(span["name"], span["status"] == "UNSET") for span in roots(recorder)]
    assert names == [("BLPOP", True), ("XREAD", True), ("BLPOP", False)]


class Seen(SpanProcessor):
    """Which spans began and ended."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.names.append(f"begin {span.name}")

    def on_end(self, span: ReadableSpan) -> None:
        self.names.append(f"end {span.name}")


@scenario
async def test_processors_see_no_empty_poll(store: Store, recorder: Recorder) -> None:
    """A span processor sees a poll begin only if it will see it end."""
    seen = Seen()
    recorder.provider.add_span_processor(seen)
    async with store.connected(recorder) as client:
        seen.names.clear()
        await done(client.blpop("list", timeout=0.01))
        await done(client.rpush("list", "value"))
        await done(client.blpop("list", timeout=1))
    assert seen.names == ["begin RPUSH", "end RPUSH", "begin BLPOP", "end BLPOP"]


@scenario
async def test_no_roots(store: Store, recorder: Recorder) -> None:
    """user-pain row 16: with OTEL_PYTHON_ROOT_CLIENT_SPANS=false no command without a parent is recorded."""
    recorder.engine.root_clients = False
    async with store.connected(recorder) as client:
        await done(client.set("key", "value"))
        queue = client.pipeline()
        queue.get("key")
        queue.get("key")
        await done(queue.execute())
        assert recorder.spans() == []
        with recorder.tracer.start_as_current_span("job"):
            await done(client.get("key"))
    assert [span["name"] for span in recorder.spans()] == ["GET", "job"]
