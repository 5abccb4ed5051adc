"""Messages of other producers: context that nobody can read never breaks consumption, and what can be read is used."""

from __future__ import annotations

from typing import Any

import pytest

from messaging.log import PATIENCE, ConfluentProducer, Log, poll, traceparent
from support.recorder import Recorder

GOOD = traceparent(0xA, 0xB)
OTHER = traceparent(0xC, 0xD)

#: Headers, and (trace, parent) of the span of a message that has them; None for a trace of its own.
HEADERS: list[tuple[Any, tuple[int, int] | None]] = [
    (None, None),
    ([], None),
    ([("traceparent", None)], None),
    ([("traceparent", b"")], None),
    ([("traceparent", b"\xff\xfe\x00")], None),
    ([("traceparent", b"00-zz-zz-zz")], None),
    ([("traceparent", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01")], None),
    ([("traceparent", b"x" * 100_000)], None),
    ([("traceparent", GOOD + b"\n")], None),
    ([("traceparent", "00-\uff41".encode())], None),
    ([("Traceparent", GOOD)], None),
    ([("", GOOD)], None),
    ([("traceparent", GOOD)], (0xA, 0xB)),
    ([("traceparent", GOOD), ("traceparent", OTHER)], (0xC, 0xD)),
    ([("traceparent", OTHER), ("traceparent", None), ("traceparent", GOOD)], (0xA, 0xB)),
    ([("traceparent", GOOD), ("tracestate", None)], (0xA, 0xB)),
    ([("traceparent", GOOD), ("tracestate", b"\xff=\x00"), ("baggage", b"\xff\xfe")], (0xA, 0xB)),
    ([("traceparent", GOOD), ("baggage", None)], (0xA, 0xB)),
    ([("traceparent", GOOD), ("baggage", b"k=" + b"v" * 50_000)], (0xA, 0xB)),
    ([("käse", b"x"), ("traceparent", GOOD)], (0xA, 0xB)),
]


def produce(log: Log) -> None:
    """Write a message for each of `HEADERS`."""
    producer = ConfluentProducer({"bootstrap.servers": log.bootstrap})
    for number, (headers, _) in enumerate(HEADERS):
        producer.produce(log.topic, b"%d" % number, partition=0, headers=headers)
    assert producer.flush(PATIENCE) == 0


def test_every_message_is_handed_out(log: Log, traced: Recorder) -> None:
    """Each message reaches the loop with its headers as they came, under a span of its own, whatever they hold."""
    produce(log)
    seen = []
    for record in log.consumer():
        assert record.headers == [tuple(header) for header in HEADERS[record.offset][0] or []]
        seen.append(record.offset)
        if record.offset == len(HEADERS) - 1:
            break
    assert seen == list(range(len(HEADERS)))
    found = [(span["trace"], span["parent"]) if span["parent"] else None for span in traced.spans()]
    assert found == [expected for _, expected in HEADERS]


def test_every_batch_is_handed_out(log: Log, traced: Recorder) -> None:
    """`poll()` links what can be read, and gives everything."""
    produce(log)
    consumer, seen = log.consumer(), 0
    while seen < len(HEADERS):
        for records in poll(consumer).values():
            seen += len(records)
    links = [link[:2] for span in traced.spans() for link in span.get("links", [])]
    assert links == [expected for _, expected in HEADERS if expected is not None]


@pytest.mark.parametrize("propagators", [("b3",), ("b3multi",), ("jaeger",), ("xray",), ("ottrace",)])
def test_other_formats_are_as_patient(log: Log, propagators: tuple[str, ...]) -> None:
    """Headers of the other formats that nobody can read are no obstacle either."""
    names = ["b3", "x-b3-traceid", "x-b3-spanid", "uber-trace-id", "x-amzn-trace-id", "ot-tracer-traceid"]
    producer = ConfluentProducer({"bootstrap.servers": log.bootstrap})
    for value in (None, b"", b"\xff\xfe", b"0", b"x" * 5000):
        producer.produce(log.topic, b"v", partition=0, headers=[(name, value) for name in names])
    assert producer.flush(PATIENCE) == 0
    recorder = Recorder(propagators=propagators)
    recorder.patch("kafka")
    try:
        for record in log.consumer():
            if record.offset == 4:
                break
    finally:
        recorder.undo()
    assert len(recorder.spans()) in (4, 5)  # b3's "0" is a decision not to record
