"""Faults of the agent's own, and programs that want no traces: everything works as untraced."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import TopicPartition  # type: ignore[import-untyped]
from opentelemetry import context, trace

from messaging.log import PATIENCE, Log, poll
from support.recorder import Recorder
from tracing_agent.faults import BREAKER_LIMIT, LINES
from tracing_agent.operation import BREAKERS
from tracing_agent.semconv import messaging
from tracing_agent.trace.sdk import SUPPRESS_KEY


def use(log: Log) -> list[Any]:
    """Everything once: what a program sees of it."""
    producer, consumer = log.producer(), log.consumer(group_id=log.group, enable_auto_commit=False)
    seen: list[Any] = [producer.send(log.topic, b"%d" % number).get(PATIENCE).offset for number in range(4)]
    for record in consumer:
        seen.append(record.value)
        if record.offset == 1:
            break
    seen.append(next(consumer).value)
    consumer.commit()
    consumer.seek(TopicPartition(log.topic, 0), 0)
    polled: list[bytes] = []
    while len(polled) < 4:
        for records in poll(consumer).values():
            for record in records:
                polled.append(record.value)
    consumer.close()
    seen.append(polled)
    return seen


EXPECTED = [0, 1, 2, 3, b"0", b"1", b"2", [b"0", b"1", b"2", b"3"]]


@pytest.mark.parametrize("function", ["sending", "acknowledged", "processing", "several", "linked"])
def test_a_fault_of_ours_is_one_line(
    log: Log, traced: Recorder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], function: str
) -> None:
    """user-pain row 2: whatever of ours raises, the program goes on as untraced, and one line tells of it."""

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(messaging, function, fail, raising=False)
    LINES.strict = False
    assert use(log) == EXPECTED
    assert trace.get_current_span() is trace.INVALID_SPAN
    lines = [line for line in capsys.readouterr().err.splitlines() if "tracing-agent" in line]
    assert len(lines) == 1
    assert "RuntimeError: ours" in lines[0]


def test_an_instrumentation_with_many_faults_is_switched_off(
    log: Log, traced: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    """user-pain row 2: after too many faults the library is not traced any more, in the middle of a loop as well."""
    LINES.strict = False
    log.write(b"a", b"b", b"c")
    values = []
    for record in log.consumer():
        values.append(record.value)
        if record.offset == 0:
            assert trace.get_current_span().is_recording()
            for _ in range(BREAKER_LIMIT):
                BREAKERS["kafka"].fault(RuntimeError("ours"))
        else:
            assert trace.get_current_span() is trace.INVALID_SPAN
        if record.offset == 2:
            break
    assert values == [b"a", b"b", b"c"]
    assert [span["attributes"]["messaging.kafka.offset"] for span in traced.spans()] == [0]
    assert log.producer().send(log.topic, b"d").get(PATIENCE).offset == 3
    assert traced.spans() == []
    assert log.read(4)[3].headers() is None
    assert "kafka: switched off after" in capsys.readouterr().err


def test_where_instrumentation_is_suppressed_nothing_is_traced(log: Log, traced: Recorder) -> None:
    """Below the API's own switch there are no spans, no context on the wire, and nothing is current."""
    token = context.attach(context.set_value(SUPPRESS_KEY, True))
    try:
        assert use(log) == EXPECTED
    finally:
        context.detach(token)
    assert traced.spans() == []
    assert [message.headers() for message in log.read(4)] == [None] * 4


def test_what_is_patched_can_be_put_back(log: Log, recorder: Recorder) -> None:
    """A consumer that is used before, while and after the library is patched works, and is traced meanwhile."""
    log.write(b"a", b"b", b"c", b"d")
    consumer = log.consumer()
    values = [next(consumer).value]
    recorder.patch("kafka")
    values += [next(consumer).value]
    iterator = iter(consumer)
    values += [next(iterator).value]
    recorder.undo()
    values += [next(iterator).value]
    assert values == [b"a", b"b", b"c", b"d"]
    del iterator
    consumer.__dict__.pop("_tracing_agent_consumption")
    assert trace.get_current_span() is trace.INVALID_SPAN
    # An iterator goes on as it began.
    assert len(recorder.spans()) == 3
