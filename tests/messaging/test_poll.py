"""`poll()`: one span for a batch with links to its messages' producers, and the messages current in a loop over it."""

from __future__ import annotations

import copy
import itertools
import pickle
from typing import Any

import pytest
from kafka import TopicPartition  # type: ignore[import-untyped]
from kafka.errors import KafkaError  # type: ignore[import-untyped]
from opentelemetry import trace

from messaging.log import PATIENCE, Log, poll, traceparent
from services import Kafka
from support.recorder import Recorder
from tracing_agent.semconv.messaging_settings import MessagingSettings


def contexts(log: Log, count: int, partition: int = 0) -> None:
    """Write messages, each with a context of its own: trace 1 + number, span 100 + number."""
    for number in range(count):
        header = ("traceparent", traceparent(1 + number, 100 + number))
        log.write(b"%d" % number, partition=partition, headers=[header])


def whole(log: Log, consumer: Any, count: int) -> dict[Any, Any]:
    """A batch of exactly so many messages."""
    for _ in range(int(PATIENCE)):
        batch = poll(consumer)
        if sum(map(len, batch.values())) == count:
            return batch
        for place in batch:
            consumer.seek(place, 0)
    raise AssertionError("the messages did not come together")


def test_a_batch_has_one_span_that_links_its_messages(log: Log, traced: Recorder) -> None:
    """user-pain row 8: `poll()` gives one CLIENT span with a link for each message's creation context."""
    contexts(log, 3)
    consumer = log.consumer(group_id=log.group)
    batch = whole(log, consumer, 3)
    *_, span = traced.spans()
    span["attributes"].pop("messaging.kafka.cluster.id", None)
    assert span == {
        "name": f"poll {log.topic}",
        "kind": "CLIENT",
        "trace": span["trace"],
        "id": span["id"],
        "parent": None,
        "scope": "tracing_instrumentations.kafka",
        "attributes": {
            "messaging.system": "kafka",
            "messaging.operation.name": "poll",
            "messaging.operation.type": "receive",
            "messaging.client.id": "test-consumer",
            "messaging.consumer.group.name": log.group,
            "server.address": log.host,
            "server.port": log.port,
            "messaging.destination.name": log.topic,
            "messaging.destination.partition.id": "0",
            "messaging.batch.message_count": 3,
        },
        "status": "UNSET",
        "links": [(1 + number, 100 + number, {"messaging.kafka.offset": number}) for number in range(3)],
    }
    assert [record.value for record in batch[TopicPartition(log.topic, 0)]] == [b"0", b"1", b"2"]


def test_a_batch_of_one_has_its_offset(log: Log, traced: Recorder) -> None:
    """A batch of one message tells its offset on the span."""
    log.write(b"a")
    poll(log.consumer())
    (span,) = traced.spans()
    assert span["attributes"]["messaging.batch.message_count"] == 1
    assert span["attributes"]["messaging.kafka.offset"] == 0
    assert "links" not in span


def test_an_empty_poll_says_nothing(log: Log, traced: Recorder) -> None:
    """A poll that gives no message has no span, however often a worker asks."""
    consumer = log.consumer()
    for _ in range(20):
        assert consumer.poll(1) == {}
    assert traced.spans() == []


def test_iteration_polls_without_spans_of_its_own(log: Log, traced: Recorder) -> None:
    """What iteration asks the broker for has no span: there are those of the messages only."""
    log.write(b"a", b"b")
    for record in log.consumer():
        if record.offset == 1:
            break
    assert [span["name"] for span in traced.spans()] == [f"process {log.topic}"] * 2


def test_links_are_bounded_and_counted(log: Log, traced: Recorder) -> None:
    """A large batch links as many messages as a span may have links, and says how many messages there were."""
    log.write(*[b"%d" % number for number in range(200)], headers=[("traceparent", traceparent(0xA, 0xB))])
    whole(log, log.consumer(max_poll_records=500), 200)
    *_, span = traced.spans()
    assert span["attributes"]["messaging.batch.message_count"] == 200
    assert len(span["links"]) == 128


def test_a_batch_from_several_partitions(kafka: Kafka, traced: Recorder) -> None:
    """What the messages do not have in common stands on their links."""
    log = Log(kafka, partitions=2)
    try:
        contexts(log, 1, partition=0)
        contexts(log, 1, partition=1)
        consumer = log.consumer()
        consumer.assign([TopicPartition(log.topic, 0), TopicPartition(log.topic, 1)])
        whole(log, consumer, 2)
    finally:
        log.close()
    *_, span = traced.spans()
    assert span["name"] == f"poll {log.topic}"
    assert "messaging.destination.partition.id" not in span["attributes"]
    assert sorted(link[2]["messaging.destination.partition.id"] for link in span["links"]) == ["0", "1"]


def test_a_batch_from_several_topics(kafka: Kafka, traced: Recorder) -> None:
    """A batch of several topics is named after the server, and the topics stand on the links."""
    one, two = Log(kafka), Log(kafka)
    try:
        contexts(one, 1)
        contexts(two, 1)
        consumer = one.consumer()
        consumer.assign([TopicPartition(one.topic, 0), TopicPartition(two.topic, 0)])
        whole(one, consumer, 2)
    finally:
        one.close()
        two.close()
    *_, span = traced.spans()
    assert span["name"] == f"poll {one.host}:{one.port}"
    assert "messaging.destination.name" not in span["attributes"]
    assert {link[2]["messaging.destination.name"] for link in span["links"]} == {one.topic, two.topic}


def test_a_poll_that_fails_is_an_error(log: Log, traced: Recorder) -> None:
    """An exception of `poll()` reaches the program and has a span."""
    consumer = log.consumer()
    consumer.close()
    with pytest.raises((KafkaError, AssertionError)) as raised:
        consumer.poll(1)
    (span,) = traced.spans()
    assert span["name"] == "poll"
    assert span["status"][0] == "ERROR"
    assert span["attributes"]["error.type"].endswith(type(raised.value).__name__)


def processed(recorder: Recorder) -> list[tuple[int, int]]:
    """(trace, parent) of the spans of processed messages so far."""
    return [(span["trace"], span["parent"]) for span in recorder.spans() if span["name"].startswith("process ")]


def by_loop(records: Any) -> Any:
    for record in records:
        yield record.value


def by_enumerate(records: Any) -> Any:
    for _, record in enumerate(records):
        yield record.value


def by_chain(records: Any) -> Any:
    for record in itertools.chain.from_iterable([records]):
        yield record.value


def by_delegation(records: Any) -> Any:
    def inner() -> Any:
        yield from records

    for record in inner():
        yield record.value


@pytest.mark.parametrize("loop", [by_loop, by_enumerate, by_chain, by_delegation])
def test_messages_are_current_one_after_the_other(log: Log, traced: Recorder, loop: Any) -> None:
    """user-pain row 8: in a loop over a polled list each message is processed in the trace of its producer."""
    contexts(log, 3)
    (records,) = whole(log, log.consumer(), 3).values()
    traced.spans()
    values, traces = [], []
    for value in loop(records):
        values.append(value)
        traces.append(trace.get_current_span().get_span_context().trace_id)
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert (values, traces) == ([b"0", b"1", b"2"], [1, 2, 3])
    assert processed(traced) == [(1, 100), (2, 101), (3, 102)]


def test_a_loop_over_a_batch_that_is_left(log: Log, traced: Recorder) -> None:
    """A loop over a polled list that is left by break or by an exception ends the message's span, with the error."""
    contexts(log, 3)
    (records,) = whole(log, log.consumer(), 3).values()
    traced.spans()
    for _ in records:
        break
    assert processed(traced) == [(1, 100)]
    with pytest.raises(ValueError, match="bad"):
        for _ in records:
            raise ValueError("bad")
    (span,) = traced.spans()
    assert span["status"] == ("ERROR", "bad")
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_what_copies_a_batch_processes_nothing(log: Log, traced: Recorder) -> None:
    """Going through a polled list without a loop of the program, as `list()` does, makes no message current."""
    contexts(log, 3)
    (records,) = whole(log, log.consumer(), 3).values()
    traced.spans()
    everything: list[Any] = []
    everything.extend(records)
    assert everything == list(records) == sorted(records, key=lambda record: record.offset) == [*records]
    first, *rest = records
    assert [first, *rest] == everything
    assert traced.spans() == []


def test_a_polled_list_is_a_list(log: Log, traced: Recorder) -> None:
    """A polled list does what lists do; copies and pickles of it are plain lists."""
    contexts(log, 3)
    batch = whole(log, log.consumer(), 3)
    assert type(batch) is dict
    (records,) = batch.values()
    plain = list(records)
    assert isinstance(records, list)
    assert records == plain
    assert repr(records) == repr(plain)
    assert (len(records), records[0], records[-1], records[1:]) == (3, plain[0], plain[-1], plain[1:])
    assert type(records[1:]) is type(records + plain) is type(records.copy()) is list
    assert (type(copy.copy(records)), copy.copy(records)) == (list, plain)
    again = pickle.loads(pickle.dumps(records))
    assert (type(again), again) == (list, plain)
    assert list(reversed(records)) == plain[::-1]
    records.append(records.pop(0))
    assert records != plain


def test_the_owner_may_want_plain_lists(log: Log, recorder: Recorder) -> None:
    """With OTEL_PYTHON_KAFKA_PROCESS_POLLED=false `poll()` gives what the library gave, and batches have their span."""
    recorder.engine.messaging = MessagingSettings(polled=False)
    recorder.patch("kafka")
    contexts(log, 2)
    (records,) = whole(log, log.consumer(), 2).values()
    assert type(records) is list
    for _ in records:
        assert trace.get_current_span() is trace.INVALID_SPAN
    assert {span["name"] for span in recorder.spans()} == {f"poll {log.topic}"}


def test_polling_in_the_middle_of_a_message(log: Log, traced: Recorder) -> None:
    """A poll that keeps the membership alive during long work, and gives nothing, leaves the message in process."""
    log.write(b"a")
    consumer = log.consumer()
    next(consumer)
    before = trace.get_current_span()
    consumer.pause(*consumer.assignment())
    assert consumer.poll(1) == {}
    assert trace.get_current_span() is before
    assert before.is_recording()
