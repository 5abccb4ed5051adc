"""Commits: a span for those that the program makes, none for those that the library makes by itself."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition  # type: ignore[import-untyped]
from kafka.errors import KafkaError  # type: ignore[import-untyped]

from messaging.log import PATIENCE, Log, poll
from support.recorder import Recorder


def offsets(log: Log, offset: int) -> dict[Any, Any]:
    """An offset of partition 0, as the installed version wants it."""
    rest = ("", -1)[: len(OffsetAndMetadata._fields) - 1]
    return {TopicPartition(log.topic, 0): OffsetAndMetadata(offset, *rest)}


def commits(recorder: Recorder) -> list[dict[str, Any]]:
    """The spans of commits so far."""
    return [span for span in recorder.spans() if span["attributes"]["messaging.operation.type"] == "settle"]


def test_a_commit_has_a_span_below_the_message(log: Log, traced: Recorder) -> None:
    """`commit()` in the middle of a message is a CLIENT span below it, with what is committed."""
    log.write(b"a")
    consumer = log.consumer(group_id=log.group, enable_auto_commit=False)
    for record in consumer:
        consumer.commit(offsets(log, record.offset + 1))
        break
    span, processed = traced.spans()
    span["attributes"].pop("messaging.kafka.cluster.id", None)
    assert span == {
        "name": f"commit {log.topic}",
        "kind": "CLIENT",
        "trace": processed["trace"],
        "id": span["id"],
        "parent": processed["id"],
        "scope": "tracing_instrumentations.kafka",
        "attributes": {
            "messaging.system": "kafka",
            "messaging.operation.name": "commit",
            "messaging.operation.type": "settle",
            "messaging.client.id": "test-consumer",
            "messaging.consumer.group.name": log.group,
            "server.address": log.host,
            "server.port": log.port,
            "messaging.destination.name": log.topic,
            "messaging.destination.partition.id": "0",
            "messaging.kafka.offset": 1,
        },
        "status": "UNSET",
    }
    assert consumer.committed(TopicPartition(log.topic, 0)) == 1


def test_a_commit_of_everything_names_what_is_assigned(log: Log, traced: Recorder) -> None:
    """`commit()` without offsets tells the topic and partition that the consumer has."""
    log.write(b"a")
    consumer = log.consumer(group_id=log.group, enable_auto_commit=False)
    poll(consumer)
    consumer.commit()
    (span,) = commits(traced)
    assert span["name"] == f"commit {log.topic}"
    assert span["attributes"]["messaging.destination.partition.id"] == "0"
    assert "messaging.kafka.offset" not in span["attributes"]


def test_an_asynchronous_commit_ends_with_its_answer(log: Log, traced: Recorder) -> None:
    """`commit_async()` has a span that ends when the broker has answered; the program's callback works."""
    log.write(b"a")
    consumer = log.consumer(group_id=log.group, enable_auto_commit=False)
    poll(consumer)
    answers: list[Any] = []
    future = consumer.commit_async(offsets(log, 1), callback=lambda given, answer: answers.append((given, answer)))
    for _ in range(int(PATIENCE * 10)):
        consumer.poll(100)
        if future.is_done and answers:
            break
    assert future.succeeded()
    ((given, answer),) = answers
    assert (given, isinstance(answer, Exception)) == (offsets(log, 1), False)
    (span,) = commits(traced)
    assert (span["name"], span["status"]) == (f"commit {log.topic}", "UNSET")
    assert span["attributes"]["messaging.kafka.offset"] == 1


def test_a_commit_that_is_refused_is_an_error(log: Log, traced: Recorder) -> None:
    """A commit that raises has an error span, and the program its exception."""
    consumer = log.consumer()
    with pytest.raises((KafkaError, AssertionError)) as raised:
        consumer.commit()
    (span,) = commits(traced)
    assert span["status"][0] == "ERROR"
    assert span["attributes"]["error.type"].endswith(type(raised.value).__name__)


def test_automatic_commits_have_no_span(log: Log, traced: Recorder) -> None:
    """What the library commits by itself, in time and when it is closed, has no span."""
    log.write(b"a", b"b")
    consumer = KafkaConsumer(
        log.topic,
        bootstrap_servers=log.bootstrap,
        group_id=log.group,
        auto_offset_reset="earliest",
        auto_commit_interval_ms=10,
        consumer_timeout_ms=PATIENCE * 1000,
    )
    for record in consumer:
        if record.offset == 1:
            break
    for _ in range(5):
        consumer.poll(20)
    consumer.close()
    assert commits(traced) == []
    other = log.consumer(group_id=log.group)
    assert other.committed(TopicPartition(log.topic, 0)) == 2
