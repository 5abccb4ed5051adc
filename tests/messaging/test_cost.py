"""What a message costs, counted in calls of our functions: the time itself is measured by `benchmarks`."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from messaging.log import PATIENCE, Log
from support.recorder import Recorder


class Calls:
    """Counts the calls of the agent's functions in this thread, by the file and name of the function."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def __enter__(self) -> Calls:
        sys.setprofile(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _event(self, frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            path = code.co_filename.replace("\\", "/")
            if "/tracing_agent/" in path or "/tracing_instrumentations/" in path:
                self.counted[f"{path.rpartition('/')[2]}:{code.co_name}"] += 1


def test_a_send_makes_few_calls(log: Log, traced: Recorder) -> None:
    """One send costs a bounded number of calls in the calling thread, the same for the hundredth as for the sixth."""
    producer = log.producer()
    counts = []
    for _ in range(100):
        with Calls() as calls:
            future = producer.send(log.topic, b"v", b"k", [("a", b"b")])
        future.get(PATIENCE)
        counts.append(calls.counted.total())
    # What the spans of a producer share is made with the first ones.
    counts = counts[5:]
    # The answer may come while the call is still being made, and is then counted with it.
    assert sorted(counts)[50] <= 30
    assert max(counts) - min(counts) <= 8


def test_a_processed_message_makes_few_calls(log: Log, traced: Recorder) -> None:
    """One message costs a bounded number of calls, and makes no cursor, thread or search of its own."""
    log.write(*[b"v"] * 100)
    consumer = log.consumer()
    seen = 0
    with Calls() as calls:
        for _ in consumer:
            seen += 1
            if seen == 100:
                break
    assert calls.counted.total() <= 100 * 32
    once = ("watch", "loop", "__del__", "in_flight", "spawn")
    assert all(count <= 1 for name, count in calls.counted.items() if name.rpartition(":")[2] in once)
    assert calls.counted["leaving.py:in_flight"] == 1
    assert calls.counted["leaving.py:_traceback_of"] == 0
