"""kafka-python: a span for each message sent, polled or processed, with context in the messages' headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from tracing_agent.drivers.batches import polled
from tracing_agent.drivers.call import call
from tracing_agent.drivers.consuming import Consumers
from tracing_agent.drivers.deferred import Deferred
from tracing_agent.operation import Operation
from tracing_agent.patching.targets import Target
from tracing_agent.semconv import messaging
from tracing_agent.trace.headers import Headers, with_context

if TYPE_CHECKING:
    from types import ModuleType

    from tracing_agent.semconv.messaging import Client
    from tracing_agent.trace.carrier import Carrier
    from tracing_agent.trace.span import Dropped, Span

SEND = Operation("kafka", "send", SpanKind.PRODUCER, messaging.constants("send", "send"))
POLL = Operation("kafka", "poll", SpanKind.CLIENT, messaging.constants("poll", "receive"))
PROCESS = Operation("kafka", "process", SpanKind.CONSUMER, messaging.constants("process", "process"))
COMMIT = Operation("kafka", "commit", SpanKind.CLIENT, messaging.constants("commit", "settle"))

CLIENT = "_tracing_agent_client"
# Messages had no headers before, and old clients refuse to write them for older brokers.
_HEADERS_SINCE = (0, 11)
# Milliseconds that a consumer may stay away from its broker, as kafka-python has it where it is not told.
_MAX_POLL_INTERVAL = 300_000
_MOST_LINKS = 128


def client_of(client: Any) -> Client:
    """What the spans of a producer or consumer share, computed once."""
    found: Client | None = client.__dict__.get(CLIENT)
    if found is None:
        config = client.config
        # The cluster's id is no part of the public interface; it is read where there is one.
        cluster = getattr(client, "_metadata", None) or getattr(getattr(client, "_client", None), "cluster", None)
        found = client.__dict__[CLIENT] = messaging.Client(
            config.get("client_id"), config.get("group_id"), config.get("bootstrap_servers"), cluster
        )
    return found


# -- producers ------------------------------------------------------------------------------------------------------


def send(
    span: Span,
    producer: Any,
    topic: str,
    value: Any = None,
    key: Any = None,
    headers: Any = None,
    partition: int | None = None,
    *args: Any,
    **kwargs: Any,
) -> None:
    """A message is given to a producer."""
    client_of(producer).stamp(span)
    messaging.sending(span, topic, partition, key, value)
    if producer.config.get("acks") == 0:
        messaging.unacknowledged(span)


def carry(
    carrier: Carrier,
    identity: Span | Dropped,
    producer: Any,
    topic: str,
    value: Any = None,
    key: Any = None,
    headers: Any = None,
    *args: Any,
    **kwargs: Any,
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """The arguments with context in a copy of the headers; None where the program has put context there itself."""
    version = producer.config.get("api_version")
    if (version is not None and version < _HEADERS_SINCE) or not (headers is None or isinstance(headers, list)):
        return None
    if headers:
        remote = Headers(headers).remote(carrier)
        if remote is not None:
            if identity.recording:
                messaging.linked(identity, remote)  # type: ignore[arg-type]
                # It is the program's own context that travels, and not this span's.
                client_of(producer).stamp(identity, SpanKind.CLIENT)  # type: ignore[arg-type]
            return None
    carried = with_context(carrier, identity, headers)
    return None if carried is None else ((producer, topic, value, key, carried, *args), kwargs)


def acknowledged(span: Span, metadata: Any) -> None:
    """The broker has the message, or was sent it without being asked."""
    messaging.acknowledged(span, metadata.partition, metadata.offset)


# -- consumers ------------------------------------------------------------------------------------------------------


def process(span: Span, record: Any) -> None:
    """A message is handed to the program."""
    messaging.processing(span, record.topic, record.partition, record.offset, record.key, record.value)


def known(consumer: Any) -> tuple[Client, float]:
    """What the spans of a consumer share, and the seconds that it may take over one message."""
    return client_of(consumer), consumer.config.get("max_poll_interval_ms", _MAX_POLL_INTERVAL) / 1000


def poll(span: Span, batch: dict[Any, list[Any]], client: Client, carrier: Carrier) -> None:
    """A batch of messages came: a dictionary of lists by (topic, partition)."""
    messaging.several(span, "poll", batch, client)
    values = span.values
    count = values["messaging.batch.message_count"] = sum(map(len, batch.values()))
    if count == 1:
        values["messaging.kafka.offset"] = next(records[0].offset for records in batch.values() if records)
    most = span.origin.engine.limits.max_links
    left = _MOST_LINKS if most is None else most
    for (topic, partition), records in batch.items():
        where = {}
        if "messaging.destination.name" not in values:
            where["messaging.destination.name"] = topic
        if "messaging.destination.partition.id" not in values:
            where["messaging.destination.partition.id"] = str(partition)
        for record in records[:left]:
            if record.headers:
                remote = Headers(record.headers).remote(carrier)
                messaging.linked(span, remote, {**where, "messaging.kafka.offset": record.offset})
        left = max(0, left - len(records))


def commit(span: Span, consumer: Any, offsets: Any = None, *args: Any, **kwargs: Any) -> None:
    """Offsets, by (topic, partition), are committed by the program; None stands for all that was consumed."""
    client = client_of(consumer)
    client.stamp(span)
    messaging.several(span, "commit", offsets or consumer.assignment(), client)
    if offsets and len(offsets) == 1:
        (committed,) = offsets.values()
        span.values["messaging.kafka.offset"] = committed.offset


def committed(span: Span, value: Any) -> None:
    """The broker has the offsets."""


def targets(kafka: ModuleType) -> dict[str, tuple[Target, ...]]:
    """Where kafka-python is cut: the public methods of producer and consumer, and nothing below them."""
    refused: type[BaseException] = kafka.errors.BrokerResponseError
    too_large: type[BaseException] = kafka.errors.MessageSizeTooLargeError

    def failed(span: Span, error: BaseException) -> None:
        name = getattr(error, "message", None) if isinstance(error, refused) else None
        messaging.failed(span, error, name)

    def unfit(error: BaseException) -> bool:
        return isinstance(error, too_large)

    sends = Deferred(SEND, send, acknowledged, failed, carry, unfit)
    commits = Deferred(COMMIT, commit, committed, failed)
    consumers = Consumers(PROCESS, process, lambda record: record.headers, known)

    def close(original: Any, engine: Any) -> Any:
        return consumers.close(commits.close(original, engine), engine)

    producer, consumer = "kafka.producer.kafka", "kafka.consumer.group"
    return {
        "kafka": (
            Target(producer, "KafkaProducer.send", sends.call),
            Target(producer, "KafkaProducer.close", sends.close),
            Target(consumer, "KafkaConsumer.__iter__", consumers.loop),
            Target(consumer, "KafkaConsumer.__next__", consumers.next),
            Target(consumer, "KafkaConsumer.poll", polled(POLL, consumers, poll, failed)),
            Target(consumer, "KafkaConsumer.commit", call(COMMIT, commit, failed=failed)),
            Target(consumer, "KafkaConsumer.commit_async", commits.call),
            Target(consumer, "KafkaConsumer.close", close),
        )
    }
