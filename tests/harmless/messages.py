"""A program that sends, polls, processes and commits messages with kafka-python."""

from __future__ import annotations

from typing import Any

from harmless.program import Program, outcome
from services import Kafka
from tracing_agent.drivers.deferred import _exit


def with_kafka(server: Kafka) -> list[Any]:
    """Everything once, and some of it wrong."""
    # Not before warnings of its import are tolerated.
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition  # type: ignore[import-untyped]
    from kafka.structs import OffsetAndMetadata  # type: ignore[import-untyped]

    from messaging.log import PATIENCE, Log, poll

    log = Log(server)
    place = TopicPartition(log.topic, 0)
    seen: list[Any] = []
    parent = ("traceparent", b"00-%032x-%016x-01" % (7, 8))
    try:
        producer = log.producer()
        for key, headers in ((b"key", None), (None, [("own", b"1")]), (b"\xff", [parent]), (None, [("own", b"")])):
            seen.append(producer.send(log.topic, b"value", key, headers).get(PATIENCE).offset)
        seen.append(outcome(producer.send, log.topic, "text"))
        seen.append(outcome(producer.send))
        seen.append(outcome(lambda: producer.send(log.topic, b"x" * 2_000_000).get(PATIENCE))[0])
        consumer = log.consumer(group_id=None)
        for record in consumer:
            seen.append((record.offset, record.value, [name for name, _ in record.headers if name == "own"]))
            if record.offset == 2:
                break
        seen.append(next(consumer).offset)
        consumer.seek(place, 0)
        polled: list[int] = []
        while len(polled) < 4:
            for records in poll(consumer).values():
                polled += [record.offset for record in records]
        seen.append(sorted(polled)[:4])
        consumer.close()
        member = KafkaConsumer(bootstrap_servers=log.bootstrap, group_id=log.group, enable_auto_commit=False)
        member.assign([place])
        rest = (None,) if len(OffsetAndMetadata._fields) == 2 else (None, -1)
        member.commit({place: OffsetAndMetadata(2, "", *rest[1:])})
        seen.append(member.committed(place))
        future = member.commit_async({place: OffsetAndMetadata(3, "", *rest[1:])})
        while not future.is_done:
            member.poll(100, update_offsets=False)
        seen.append(future.succeeded())
        member.close()
        unsettled = KafkaProducer(bootstrap_servers=log.bootstrap, linger_ms=60_000, acks=0)
        unsettled.send(log.topic, None, b"unanswered")
        _exit()
        unsettled.close(timeout=PATIENCE)
    finally:
        log.close()
    return [repr(one).replace(log.topic, "TOPIC") for one in seen]


_OURS = ("tracing_instrumentations.kafka", "tracing_agent.semconv.messaging")

PROGRAMS = (Program("kafka", with_kafka, (("kafka", "kafka"),), "kafka", only=_OURS),)
