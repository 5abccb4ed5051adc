"""Sending: every form of the call, what travels, and how the span ends."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer  # type: ignore[import-untyped]
from kafka.errors import InvalidTimestampError, KafkaError  # type: ignore[import-untyped]
from kafka.serializer import Serializer  # type: ignore[import-untyped]
from opentelemetry import baggage, context
from opentelemetry.sdk.trace import sampling

from messaging.log import PATIENCE, VERSION, Log, traceparent
from services import Kafka
from support.recorder import Recorder

HEADERS = [("a", b"b")]


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((b"v", b"k", HEADERS, 0, 1700000000000), {}),
        ((b"v", b"k", None, None), {}),
        ((b"v", b"k", None, 0, None), {}),
        ((b"v", b"k"), {"headers": []}),
        ((b"v",), {"partition": 0, "headers": HEADERS, "key": b"k", "timestamp_ms": 1700000000000}),
        ((), {"value": b"v", "key": b"k"}),
    ],
)
def test_every_form_of_the_call(log: Log, traced: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """user-pain row 8: all six arguments of `send` work in any form; one PRODUCER span, its context in the headers."""
    producer = log.producer()
    metadata = producer.send(log.topic, *args, **kwargs).get(PATIENCE)
    (span,) = traced.spans()
    assert isinstance(span["attributes"].pop("messaging.kafka.cluster.id", ""), str)
    assert span == {
        "name": f"send {log.topic}",
        "kind": "PRODUCER",
        "trace": 1,
        "id": 1,
        "parent": None,
        "scope": "tracing_instrumentations.kafka",
        "attributes": {
            "messaging.system": "kafka",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.client.id": "test-producer",
            "server.address": log.host,
            "server.port": log.port,
            "messaging.destination.name": log.topic,
            "messaging.destination.partition.id": "0",
            "messaging.kafka.offset": metadata.offset,
            "messaging.kafka.message.key": "k",
        },
        "status": "UNSET",
    }
    (message,) = log.read(1)
    given = kwargs.get("headers") or (args[2] if len(args) > 2 else None) or []
    assert message.headers() == [*given, ("traceparent", traceparent(1, 1))]
    assert (message.key(), message.value()) == (b"k", b"v")
    if 1700000000000 in (*args, *kwargs.values()):
        assert message.timestamp()[1] == 1700000000000


def test_a_reused_list_of_headers_stays_as_it_was(log: Log, traced: Recorder) -> None:
    """A caller's list sent twice is not touched, and each message carries the context of its own span only."""
    producer, headers = log.producer(), [("a", b"b")]
    for _ in range(2):
        producer.send(log.topic, b"v", headers=headers).get(PATIENCE)
    assert headers == [("a", b"b")]
    assert [message.headers() for message in log.read(2)] == [
        [("a", b"b"), ("traceparent", traceparent(1, 1))],
        [("a", b"b"), ("traceparent", traceparent(2, 2))],
    ]


def test_a_context_that_the_program_put_there_is_kept_and_linked(log: Log, traced: Recorder) -> None:
    """A message that carries a creation context goes out as it is; its span is a CLIENT span with a link to it."""
    headers = [("traceparent", traceparent(0xA, 0xB)), ("tracestate", b"k=v")]
    log.producer().send(log.topic, b"v", headers=headers).get(PATIENCE)
    (span,) = traced.spans()
    assert (span["kind"], span["links"]) == ("CLIENT", [(0xA, 0xB, {})])
    assert span["attributes"]["messaging.destination.name"] == log.topic
    assert log.read(1)[0].headers() == headers


def test_a_context_that_nobody_can_read_gives_way(log: Log, traced: Recorder) -> None:
    """Malformed context headers are replaced on the wire, so that the message carries one context; others stay."""
    headers = [("traceparent", b"\xff\xfe"), ("x", b"y"), ("traceparent", b""), ("tracestate", b"k=v")]
    log.producer().send(log.topic, b"v", headers=headers).get(PATIENCE)
    assert log.read(1)[0].headers() == [("x", b"y"), ("traceparent", traceparent(1, 1))]
    assert len(headers) == 4


def test_baggage_travels_unless_the_program_sends_its_own(log: Log, traced: Recorder) -> None:
    """The current baggage goes along; a baggage header that the program gave is kept in its place."""
    producer = log.producer()
    token = context.attach(baggage.set_baggage("who", "me"))
    try:
        producer.send(log.topic, b"v").get(PATIENCE)
        producer.send(log.topic, b"v", headers=[("baggage", b"a=b")]).get(PATIENCE)
    finally:
        context.detach(token)
    first, second = (message.headers() for message in log.read(2))
    assert first == [("traceparent", traceparent(1, 1)), ("baggage", b"who=me")]
    assert second == [("baggage", b"a=b"), ("traceparent", traceparent(2, 2))]


@pytest.mark.parametrize(("propagators", "names"), [(("b3",), ["b3"]), (("b3multi", "baggage"), None), ((), [])])
def test_other_formats(log: Log, propagators: tuple[str, ...], names: list[str] | None) -> None:
    """The formats that OTEL_PROPAGATORS chose go out and come in; without any the message goes as it was given."""
    recorder = Recorder(propagators=propagators)
    recorder.patch("kafka")
    try:
        log.producer().send(log.topic, b"v").get(PATIENCE)
        headers = log.read(1)[0].headers() or []
        assert [name for name, _ in headers] == (
            ["x-b3-traceid", "x-b3-spanid", "x-b3-sampled"] if names is None else names
        )
        for _ in log.consumer():
            break
    finally:
        recorder.undo()
    sent, processed = recorder.spans()
    assert (processed["trace"], processed["parent"]) == ((sent["trace"], sent["id"]) if propagators else (2, None))


def test_a_message_that_is_not_recorded_carries_context_all_the_same(log: Log) -> None:
    """Without a sampled trace there is no span, but the message says so to whoever reads it."""
    recorder = Recorder(sampler=sampling.ALWAYS_OFF)
    recorder.patch("kafka")
    try:
        log.producer().send(log.topic, b"v").get(PATIENCE)
    finally:
        recorder.undo()
    assert recorder.spans() == []
    ((name, value),) = log.read(1)[0].headers()
    assert (name, value[-3:]) == ("traceparent", b"-00")


class NotSerialisable(Exception):
    """What the program's serialiser raises."""


class Text(Serializer):  # type: ignore[misc]
    """The program's serialiser: of anything as text."""

    def serialize(self, topic: str, *headers_and_data: Any) -> bytes:
        data = headers_and_data[-1]
        if data == "refuse":
            raise NotSerialisable("no")
        return data if isinstance(data, bytes) else str(data).encode()


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("order-7", "order-7"),
        (b"order-7", "order-7"),
        ("käse".encode(), "käse"),
        (b"\xff\x00", None),
        (b"\x00\x00\x00\x07", None),
        (7, None),
        (b"k" * 1025, None),
    ],
)
def test_a_key_is_recorded_where_it_is_text(log: Log, traced: Recorder, key: Any, text: str | None) -> None:
    """The key is told as text; bytes that are not printable text, other types and very long keys are left out."""
    log.producer(key_serializer=Text()).send(log.topic, b"v", key=key).get(PATIENCE)
    (span,) = traced.spans()
    assert span["attributes"].get("messaging.kafka.message.key") == text


def test_a_tombstone_is_told(log: Log, traced: Recorder) -> None:
    """A message without a value is a tombstone; others say nothing of it."""
    producer = log.producer()
    producer.send(log.topic, None, b"k").get(PATIENCE)
    producer.send(log.topic, b"", b"k").get(PATIENCE)
    first, second = traced.spans()
    assert first["attributes"]["messaging.kafka.message.tombstone"] is True
    assert "messaging.kafka.message.tombstone" not in second["attributes"]


def test_a_send_that_raises_is_an_error_and_raises_the_same(log: Log, traced: Recorder) -> None:
    """An exception of the program's serialiser reaches the program as it is, and the span says which it was."""
    with pytest.raises(NotSerialisable, match="no") as raised:
        log.producer(value_serializer=Text()).send(log.topic, "refuse")
    assert raised.value.__context__ is None
    (span,) = traced.spans()
    assert span["status"] == ("ERROR", "no")
    assert span["attributes"]["error.type"] == f"{__name__}.NotSerialisable"


def test_a_call_that_does_not_fit_is_the_librarys_to_refuse(log: Log, traced: Recorder) -> None:
    """Wrong arguments give the library's own TypeError, no span, and no fault of the agent."""
    producer = log.producer()
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'topic'"):
        producer.send()
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        producer.send(log.topic, b"v", colour="red")
    for headers in ("text", [("a", "b")], [("a",)], [1], [([], b"")]):
        with pytest.raises((TypeError, AssertionError, ValueError)):
            producer.send(log.topic, b"v", headers=headers)
    assert {span["name"] for span in traced.spans()} == {f"send {log.topic}"}


def outcome(producer: Any, topic: str, value: bytes) -> str:
    """The error that a send ends with, raised or in its future."""
    with pytest.raises(KafkaError) as raised:
        producer.send(topic, value).get(PATIENCE)
    return type(raised.value).__name__


def test_a_message_that_is_too_large_has_the_protocols_error_name(log: Log, traced: Recorder) -> None:
    """What the client refuses as too large is an error, named as the protocol names it."""
    assert outcome(log.producer(max_request_size=2000), log.topic, b"v" * 3000) == "MessageSizeTooLargeError"
    (span,) = traced.spans()
    assert span["attributes"]["error.type"] == "MESSAGE_SIZE_TOO_LARGE"
    assert span["status"][0] == "ERROR"


def test_context_never_makes_a_message_too_large(log: Log, traced: Recorder) -> None:
    """A message that fits only without our header is sent without it, as the untraced program would have."""
    producer = log.producer(max_request_size=1000)
    for size in range(820, 910, 4):
        producer.send(log.topic, b"v" * size)
    producer.flush(PATIENCE)
    spans = traced.spans()
    assert {span["status"] for span in spans} == {"UNSET"}
    carried = [message.headers() is not None for message in log.read(len(spans))]
    assert carried[0] and not carried[-1]


def test_no_headers_where_the_client_takes_the_broker_for_old(log: Log, traced: Recorder) -> None:
    """A program that pins a broker's version from before headers fails as untraced, and not because of ours."""
    producer = KafkaProducer(
        bootstrap_servers=log.bootstrap, api_version=(0, 10, 1), request_timeout_ms=2000, max_block_ms=2000, **plain()
    )
    try:
        with pytest.raises(KafkaError):
            # Today's broker does not understand it; the client refuses headers before it asks.
            producer.send(log.topic, b"v").get(3)
    finally:
        try:
            producer.close(timeout=1)
        except KafkaError:
            producer._sender.force_close()


def test_what_the_broker_refuses_is_an_error_by_its_name(kafka: Kafka, traced: Recorder) -> None:
    """A refusal by the broker ends the span with the name of the Kafka error."""
    log = Log(kafka, **{"message.timestamp.before.max.ms": "1000"})
    try:
        with pytest.raises(InvalidTimestampError):
            log.producer().send(log.topic, b"v", timestamp_ms=1).get(PATIENCE)
    finally:
        log.close()
    (span,) = traced.spans()
    assert span["attributes"]["error.type"] == "INVALID_TIMESTAMP"
    assert span["status"][0] == "ERROR"
    assert span["attributes"]["messaging.destination.name"] == log.topic
    assert "messaging.kafka.offset" not in span["attributes"]


def plain() -> dict[str, Any]:
    """Settings of a producer that does not try again by itself."""
    return {"enable_idempotence": False} if VERSION >= (2, 1) else {}


def test_no_answer_asked_for(log: Log, traced: Recorder) -> None:
    """With acks=0 the span ends when the message is gone; the offset is not known, and not told."""
    log.producer(acks=0, **plain()).send(log.topic, b"v").get(PATIENCE)
    (span,) = traced.spans()
    assert span["attributes"]["messaging.destination.partition.id"] == "0"
    assert "messaging.kafka.offset" not in span["attributes"]
    assert span["status"] == "UNSET"


def test_a_producer_that_nobody_closes_is_told_of(log: Log, traced: Recorder) -> None:
    """What waits for an answer when the process ends says that it will have none."""
    from tracing_agent.drivers import deferred

    producer = log.producer(linger_ms=60_000)
    producer.send(log.topic, b"v")
    assert traced.spans() == []
    deferred._exit()
    (span,) = traced.spans()
    assert span["status"] == ("ERROR", "the process ended before the broker answered")
    assert span["attributes"]["error.type"] == "unsettled"
    producer.flush(PATIENCE)
    assert traced.spans() == []


def test_nothing_is_held_past_delivery(log: Log, traced: Recorder) -> None:
    """A program that keeps the futures of its sends keeps no span with them."""
    producer = log.producer()
    futures = [producer.send(log.topic, b"v") for _ in range(50)]
    producer.flush(PATIENCE)
    assert all(future.succeeded() for future in futures)
    spans = [weakref.ref(span) for span in traced.finished]
    assert len(spans) == 50
    traced.finished.clear()
    gc.collect()
    assert [span() for span in spans] == [None] * 50


def test_the_programs_callbacks_work(log: Log, traced: Recorder) -> None:
    """Callbacks of the program get what they got untraced, after the span has ended."""
    got: list[Any] = []
    future = log.producer().send(log.topic, b"v")
    future.add_callback(lambda number, metadata: got.append((number, metadata.offset, len(traced.finished))), 7)
    future.get(PATIENCE)
    assert got == [(7, 0, 1)]


@pytest.mark.skipif(VERSION < (2, 1), reason="transactions came with kafka-python 2.1")
def test_transactions(log: Log, traced: Recorder) -> None:
    """A transactional producer commits and aborts as untraced; every message has its span and its context."""
    producer = log.producer(transactional_id=log.group)
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(log.topic, b"kept").get(PATIENCE)
    producer.commit_transaction()
    producer.begin_transaction()
    producer.send(log.topic, b"dropped").get(PATIENCE)
    producer.abort_transaction()
    producer.begin_transaction()
    producer.send(log.topic, b"kept too")
    producer.commit_transaction()
    assert [span["status"] for span in traced.spans()] == ["UNSET"] * 3
    consumer: KafkaConsumer = log.consumer(isolation_level="read_committed")
    seen = []
    for record in consumer:
        seen.append((record.value, record.headers[0][0]))
        if len(seen) == 2:
            break
    assert seen == [(b"kept", "traceparent"), (b"kept too", "traceparent")]


@pytest.mark.skipif(VERSION < (2, 1), reason="offsets in transactions came with kafka-python 2.1")
def test_offsets_in_a_transaction(log: Log, traced: Recorder) -> None:
    """Reading, writing and committing offsets in one transaction works as untraced."""
    from kafka import OffsetAndMetadata, TopicPartition

    log.write(b"in")
    consumer = log.consumer(group_id=log.group, enable_auto_commit=False)
    producer = log.producer(transactional_id=log.group)
    producer.init_transactions()
    record = next(consumer)
    place = TopicPartition(record.topic, record.partition)
    producer.begin_transaction()
    producer.send(log.topic, b"out").get(PATIENCE)
    group = consumer.group_metadata() if VERSION >= (3, 0) else log.group
    producer.send_offsets_to_transaction({place: OffsetAndMetadata(record.offset + 1, "", -1)}, group)
    producer.commit_transaction()
    while consumer.committed(place) is None:  # the broker's marker follows the answer
        pass
    assert consumer.committed(place) == 1
    consumer.close()
    sent, processed = traced.spans()
    assert (sent["name"], sent["parent"]) == (f"send {log.topic}", processed["id"])


def test_a_manual_span_is_the_parent(log: Log, traced: Recorder) -> None:
    """A message sent in a span is sent by it, and sending is over for that span when the broker has answered."""
    producer = log.producer()
    with traced.tracer.start_as_current_span("work"):
        producer.send(log.topic, b"v").get(PATIENCE)
    sent, work = traced.spans()
    assert (sent["trace"], sent["parent"]) == (work["trace"], work["id"])
