"""The broker goes away and comes back: spans end with errors, and the program goes on as untraced."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kafka.errors import KafkaError  # type: ignore[import-untyped]
from opentelemetry import trace

from messaging.log import PATIENCE, VERSION, Log
from services import Kafka
from support.recorder import Recorder

pytestmark = pytest.mark.process


def sockets() -> set[socket.socket]:
    """All that there are."""
    return {item for item in gc.get_objects() if type(item) is socket.socket}


@pytest.fixture
def broker(kafka: Kafka) -> Iterator[Kafka]:
    """The broker, which the test may stop; it runs again afterwards."""
    if not kafka.ours:
        pytest.skip("not run: Kafka restart tests, because the broker was given; unset TEST_KAFKA_BOOTSTRAP")
    before = sockets()
    yield kafka
    kafka.start()
    # The library drops sockets that it could not connect, without closing them.
    for left in sockets() - before:
        left.close()


def patience(milliseconds: int) -> dict[str, Any]:
    """Settings of a producer that waits so long for an answer, and does not ask again."""
    settings: dict[str, Any] = {"request_timeout_ms": milliseconds, "retries": 0, "max_block_ms": 2000}
    if VERSION >= (2, 1):
        settings |= {"delivery_timeout_ms": milliseconds + 1000, "enable_idempotence": False}
    return settings


def test_a_producer_outlives_a_restart(broker: Kafka, log: Log, traced: Recorder) -> None:
    """What is sent while the broker is away ends with an error; what is sent before and after does not."""
    producer = log.producer(**patience(2000))
    producer.send(log.topic, b"before").get(PATIENCE)
    broker.stop()
    with pytest.raises(KafkaError) as raised:
        producer.send(log.topic, b"meanwhile").get(PATIENCE)
    broker.start()
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            producer.send(log.topic, b"after").get(PATIENCE)
            break
        except KafkaError:
            assert time.monotonic() < deadline
    before, meanwhile, *more, after = traced.spans()
    assert (before["status"], after["status"]) == ("UNSET", "UNSET")
    assert meanwhile["status"][0] == "ERROR"
    message = getattr(raised.value, "message", None)
    assert meanwhile["attributes"]["error.type"] in (f"kafka.errors.{type(raised.value).__name__}", message)
    assert all(span["status"][0] == "ERROR" for span in more)


def test_a_producer_that_is_closed_while_the_broker_is_away(broker: Kafka, log: Log, traced: Recorder) -> None:
    """What the broker has not answered when the producer is closed ends as an error that says so."""
    producer = log.producer(**patience(30_000))
    producer.send(log.topic, b"before").get(PATIENCE)
    traced.spans()
    broker.stop()
    producer.send(log.topic, b"meanwhile")
    assert traced.spans() == []
    try:
        producer.close(timeout=0.2)
    except KafkaError:
        # Versions that could not flush in time are not closed then: the message waits on.
        assert traced.spans() == []
        producer._closed = True
        producer._sender.force_close()
        producer._sender.join(PATIENCE)
    (span,) = traced.spans()
    assert span["status"][0] == "ERROR"
    assert span["attributes"]["error.type"]


def test_a_consumer_outlives_a_restart(broker: Kafka, log: Log, traced: Recorder) -> None:
    """A loop over a consumer goes on when the broker is back: each message is processed under its own span."""
    consumer = log.consumer()
    seen: list[tuple[bytes, bool]] = []
    first, all_three = threading.Event(), threading.Event()

    def work() -> None:
        for record in consumer:
            seen.append((record.value, trace.get_current_span().is_recording()))
            first.set()
            if len(seen) == 3:
                break
        all_three.set()

    worker = threading.Thread(target=work)
    worker.start()
    log.write(b"before")
    assert first.wait(PATIENCE)
    broker.restart()
    log.write(b"after", b"last")
    assert all_three.wait(PATIENCE)
    worker.join()
    assert seen == [(b"before", True), (b"after", True), (b"last", True)]
    assert [(span["attributes"]["messaging.kafka.offset"], span["status"]) for span in traced.spans()] == [
        (0, "UNSET"),
        (1, "UNSET"),
        (2, "UNSET"),
    ]


def test_a_group_outlives_a_restart(broker: Kafka, log: Log, traced: Recorder) -> None:
    """A consumer that polls and commits goes on when the broker is back; a commit that failed has an error span."""
    log.write(b"before")
    consumer = log.consumer(group_id=log.group, enable_auto_commit=False)
    seen: list[bytes] = []
    deadline = time.monotonic() + 2 * PATIENCE
    while len(seen) < 2 and time.monotonic() < deadline:
        for records in consumer.poll(500).values():
            seen += [record.value for record in records]
            if len(seen) == 1:
                broker.restart()
                log.write(b"after")
            try:
                consumer.commit()
            except KafkaError:
                seen.append(b"failed")
    assert [value for value in seen if value != b"failed"][:2] == [b"before", b"after"]
    commits = [span for span in traced.spans() if span["name"].startswith("commit ")]
    assert [span["status"][0] == "ERROR" for span in commits if span["status"] != "UNSET"] == [
        True for value in seen if value == b"failed"
    ]
