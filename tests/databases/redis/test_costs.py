"""What a traced command does more than an untraced one, counted."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
import redis
from opentelemetry.sdk.trace import sampling

import tracing_agent
import tracing_instrumentations
from services import Redis
from support.recorder import Intake, Recorder
from tracing_agent.trace.ids import Ids

OURS = tuple(os.path.dirname(str(package.__file__)) for package in (tracing_agent, tracing_instrumentations))


def calls(unit: Callable[[], object]) -> list[str]:
    """The functions of ours that were called."""
    names = []

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            names.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        unit()
    finally:
        sys.setprofile(None)
    return names


@pytest.fixture
def client(redis_server: Redis) -> Iterator[Any]:
    """A client that is not traced yet, with a connection."""
    client: Any = redis.Redis(redis_server.host, redis_server.port)
    client.set("k", "v")
    yield client
    client.close()


def test_a_command(recorder: Recorder, client: Any) -> None:
    """A recorded command is a handful of calls, none of which asks where it goes or reads its arguments one by one."""
    recorder.patch("redis")
    recorder.engine.deliver(recorder.finished.append, Intake())
    client.get("k")
    with recorder.tracer.start_as_current_span("request"):
        names = calls(lambda: client.get("k"))
    own = {"generate_span_id", "__call__"}  # the recorder's counted ids and clock are no part of it
    assert [name for name in names if name not in own] == ["wrapper", "note"]


def test_a_command_by_itself(recorder: Recorder, client: Any) -> None:
    """So is one that is a trace of its own: its ids are made when it is sent."""
    recorder.engine.ids = Ids()
    recorder.patch("redis")
    intake = Intake()
    recorder.engine.deliver(recorder.finished.append, intake)
    client.get("k")
    assert [name for name in calls(lambda: client.get("k")) if name != "__call__"] == ["wrapper", "note"]
    assert [sketch[1:4] for sketch in intake.queue] == [(None, None, 0)] * 2


def test_what_is_kept_of_a_command(recorder: Recorder, client: Any) -> None:
    """Until it is sent, a command is one object with its times: nothing of it is the program's but its name and key."""
    intake = Intake()
    recorder.patch("redis")
    recorder.engine.deliver(recorder.finished.append, intake)
    client.set("k", "a secret " * 1000)
    client.set("long " * 1000, "v")
    client.get("k")
    said = [sketch[-1] for sketch in intake.queue]
    assert said == [("SET", "k", " ?"), ("SET", ("long " * 1000)[:257], " ?"), ("GET", "k", "")]


def test_a_command_that_is_not_recorded(client: Any) -> None:
    """A command below a span that is not sampled costs a look at the context: nothing is bound, read or formatted."""
    recorder = Recorder(sampling.ParentBased(sampling.ALWAYS_OFF))
    recorder.patch("redis")
    try:
        with recorder.tracer.start_as_current_span("request"):
            names = calls(lambda: client.get("k"))
    finally:
        recorder.undo()
    assert names == ["wrapper"]


def test_no_garbage(recorder: Recorder, client: Any) -> None:
    """No command leaves a reference cycle behind in which anything of ours is, nor does a pipeline."""
    recorder.patch("redis")

    def unit() -> None:
        client.get("k")
        with client.pipeline() as pipeline:
            pipeline.get("k")
            pipeline.get("k")
            pipeline.execute()
        recorder.finished.clear()

    # The peer, which is remembered, lets go of the recorder of the test before.
    unit()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        unit()
        unit()
        gc.collect()
        found = {type(one).__qualname__ for one in gc.garbage if type(one).__module__.startswith("tracing_")}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert found == set()
