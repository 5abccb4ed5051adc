"""One topic on the broker, with producers and consumers of it that end with the test."""

from __future__ import annotations

import gc
import socket
import sys
import uuid
import warnings
from contextlib import ExitStack
from typing import Any
from weakref import WeakSet

import kafka as library  # type: ignore[import-untyped]
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic  # type: ignore[import-untyped]

from services import Kafka

try:
    from confluent_kafka import Consumer as ConfluentConsumer
    from confluent_kafka import Producer as ConfluentProducer
    from confluent_kafka import TopicPartition as ConfluentPlace
except ImportError:
    if sys.version_info < (3, 15):
        raise
    pytest.skip("confluent-kafka 2.16 has no wheels for Python 3.15", allow_module_level=True)

#: The installed version, as a tuple of two numbers.
VERSION = tuple(int(part) for part in library.__version__.split(".")[:2])
# Longer than any answer of a broker on a busy machine takes.
PATIENCE = 30.0


_sockets: WeakSet[socket.socket] = WeakSet()


def remember_sockets() -> None:
    """Know the sockets that kafka-python makes, from version 3 on.

    One that is being connected while its client is closed it leaves to the collector, which in another test, where a
    warning is an error, would come as that one's failure.
    """
    try:
        from kafka.net.inet import KafkaNetSocket  # type: ignore[import-untyped]
    except ImportError:
        return
    original = KafkaNetSocket.socket

    def made(*args: Any) -> socket.socket:
        found: socket.socket = original(*args)
        _sockets.add(found)
        return found

    KafkaNetSocket.socket = made


def collect_sockets() -> None:
    """Collect the sockets that were left, here and now."""
    if any(left.fileno() >= 0 for left in list(_sockets)):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"unclosed <socket\.socket ", ResourceWarning)
            gc.collect()


remember_sockets()


class Log:
    """A topic of its own for one test. ``topic`` is its name, ``bootstrap`` the broker's HOST:PORT."""

    def __init__(self, kafka: Kafka, partitions: int = 1, **settings: str) -> None:
        self.bootstrap = kafka.bootstrap
        self.host, self.port = kafka.host, kafka.port
        self.topic = f"test-{uuid.uuid4().hex[:12]}"
        self.group = f"group-{uuid.uuid4().hex[:12]}"
        self._stack = ExitStack()
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            admin.create_topics([NewTopic(self.topic, partitions, 1, topic_configs=settings)])
        finally:
            admin.close()

    def producer(self, **config: Any) -> Any:
        """A producer."""
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, client_id="test-producer", **config)
        self._stack.callback(producer.close, timeout=PATIENCE)
        return producer

    def consumer(self, **config: Any) -> Any:
        """A consumer of partition 0 that begins at its beginning, or a member of the group that ``group_id`` names."""
        config = {"client_id": "test-consumer", "auto_offset_reset": "earliest", **config}
        topics = [self.topic] if config.get("group_id") else []
        consumer = KafkaConsumer(
            *topics, bootstrap_servers=self.bootstrap, consumer_timeout_ms=PATIENCE * 1000, **config
        )
        self._stack.callback(consumer.close)
        if not topics:
            consumer.assign([TopicPartition(self.topic, 0)])
        return consumer

    def write(self, *values: bytes | None, partition: int = 0, headers: Any = None) -> None:
        """Write messages with a client that is not traced: its headers are as given, None values included."""
        producer = ConfluentProducer({"bootstrap.servers": self.bootstrap})
        for value in values:
            producer.produce(self.topic, value, key=b"key", partition=partition, headers=headers)
        assert producer.flush(PATIENCE) == 0

    def read(self, count: int, partition: int = 0) -> list[Any]:
        """The first messages of a partition, read by a client that is not traced; in the shape of `confluent_kafka`."""
        consumer = ConfluentConsumer({"bootstrap.servers": self.bootstrap, "group.id": self.group})
        try:
            consumer.assign([ConfluentPlace(self.topic, partition, 0)])
            messages: list[Any] = consumer.consume(count, PATIENCE)
            assert len(messages) == count
            return messages
        finally:
            consumer.close()

    def close(self) -> None:
        """Close what was opened."""
        self._stack.close()
        collect_sockets()


def poll(consumer: Any) -> dict[Any, Any]:
    """The next batch that is not empty."""
    for _ in range(int(PATIENCE)):
        batch: dict[Any, Any] = consumer.poll(1000)
        if batch:
            return batch
    raise AssertionError("no message came")


def traceparent(trace: int, span: int) -> bytes:
    """The header of a sampled span."""
    return f"00-{trace:032x}-{span:016x}-01".encode()
