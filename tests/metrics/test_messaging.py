"""Messaging: durations of sends, polls and processing, and messages counted once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import sampling

from metrics.conftest import Make
from services import Kafka

if TYPE_CHECKING:
    from messaging.log import Log

DURATION, PROCESS = "messaging_client_operation_duration_seconds_count", "messaging_process_duration_seconds_count"
SENT, CONSUMED = "messaging_client_sent_messages_total", "messaging_client_consumed_messages_total"
SAMPLERS = [sampling.DEFAULT_ON, sampling.ALWAYS_OFF]


@pytest.fixture
def log(kafka: Kafka) -> Iterator[Log]:
    """A topic with one partition."""
    from messaging.log import Log

    log = Log(kafka)
    yield log
    log.close()


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.get_description())
def test_sends(measured: Make, log: Log, sampler: sampling.Sampler) -> None:
    """Each message sent is counted and measured, when the broker has answered."""
    recorder, metrics = measured(sampler)
    recorder.patch("kafka")
    producer = log.producer()
    for number in range(3):
        producer.send(log.topic, b"%d" % number).get(30)
    found = metrics.scraped()
    what = {"messaging_system": "kafka", "messaging_operation_name": "send", "messaging_destination_name": log.topic}
    assert found.value(SENT, **what, messaging_destination_partition_id="0") == 3
    assert found.value(DURATION, **what, messaging_operation_type="send", server_address=log.host) == 3
    assert found.value("otel_trace_context_propagated_total", direction="out", status="success") == 3


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.get_description())
def test_loops(measured: Make, log: Log, sampler: sampling.Sampler) -> None:
    """A message of a loop over the consumer is consumed once, and its processing measured."""
    recorder, metrics = measured(sampler)
    recorder.patch("kafka")
    log.write(b"a", b"b", b"c")
    for number, _ in enumerate(log.consumer(group_id=log.group)):
        if number == 2:
            break
    found = metrics.scraped()
    what = {"messaging_operation_name": "process", "messaging_consumer_group_name": log.group}
    assert found.value(PROCESS, **what) == found.value(CONSUMED) == 3
    assert found.value(CONSUMED, **what, messaging_destination_name=log.topic) == 3


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.get_description())
def test_polls(measured: Make, log: Log, sampler: sampling.Sampler) -> None:
    """The messages of a batch are consumed with the batch, and not again when they are processed."""
    from messaging.log import poll

    recorder, metrics = measured(sampler)
    recorder.patch("kafka")
    log.write(b"a", b"b", b"c")
    consumer: Any = log.consumer()
    seen = polls = 0
    while seen < 3:
        polls += 1
        for messages in poll(consumer).values():
            for _ in messages:
                seen += 1
    consumer.close()
    found = metrics.scraped()
    assert found.value(CONSUMED, messaging_operation_name="poll") == found.value(CONSUMED) == 3
    assert found.value(PROCESS, messaging_operation_name="process") == 3
    assert found.value(DURATION, messaging_operation_name="poll", messaging_operation_type="receive") == polls


GOOD = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
BAD = ("traceparent", b"00-nonsense")


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.get_description())
@pytest.mark.parametrize("way", ["loop", "next", "poll"])
def test_contexts_that_come_with_messages(
    measured: Make, log: Log, sampler: sampling.Sampler, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The context of a message counts as read or as unreadable once, in whatever way it is consumed, and nothing else
    counts; one that goes out counts as written.
    """
    from messaging.log import poll

    recorder, metrics = measured(sampler)
    headers: list[list[Any]] = [
        [GOOD],
        [BAD, ("other", b"x")],
        [],
        [("baggage", b"a=b")],
        [GOOD, ("tracestate", b"x=y")],
    ]
    for given in headers:
        log.write(b"m", headers=given)
    recorder.patch("kafka")
    consumer: Any = log.consumer(group_id=log.group)
    seen = 0
    while seen < len(headers):
        if way == "poll":
            for messages in poll(consumer).values():
                seen += sum(1 for _ in messages)
        elif way == "next":
            next(consumer)
            seen += 1
        else:
            for _ in consumer:
                seen += 1
                if seen == len(headers):
                    break
    consumer.close()
    log.producer().send(log.topic, b"answer").get(30)
    counts = {
        (labels["direction"], labels["status"]): value
        for labels, value in metrics.scraped().samples["otel_trace_context_propagated_total"]
    }
    assert counts == {("in", "success"): 2, ("in", "failure"): 1, ("out", "success"): 1, ("out", "failure"): 0}
