"""What messaging spans say: sending, polling, processing and committing, with what is particular to Apache Kafka.

Message bodies are never recorded. Source: semantic conventions 1.44, "Messaging" and "Kafka" (development).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Link
from opentelemetry.trace.status import Status, StatusCode

from tracing_agent.semconv.errors import error_type, interrupted, message
from tracing_agent.trace.identity import Trace, span_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.trace import SpanKind

    from tracing_agent.propagation.remote import Remote
    from tracing_agent.trace.identity import Origin
    from tracing_agent.trace.span import Span

#: A longer key is not recorded: half a key would name another message.
LONGEST_KEY = 1024


def constants(name: str, type: str) -> dict[str, Any]:
    """What all spans of one operation say: its name as the library calls it, and its type."""
    return {"messaging.system": "kafka", "messaging.operation.name": name, "messaging.operation.type": type}


class Client:
    """One producer or consumer: what its spans share, held and encoded once.

    ``attributes`` are theirs in common; ``address`` names the server in a span's name where no destination does.
    ``cluster`` is an object whose ``cluster_id`` is, or will be, the id of the cluster; None if there is none.
    """

    __slots__ = ("_cluster", "_origins", "address", "attributes")

    def __init__(self, client: Any, group: Any, servers: Any, cluster: Any = None) -> None:
        host, port = _first(servers)
        self._cluster = cluster if hasattr(cluster, "cluster_id") else None
        self.address = f"{host}:{port}" if host else ""
        self.attributes: dict[str, Any] = {}
        if client:
            self.attributes["messaging.client.id"] = str(client)
        if group:
            self.attributes["messaging.consumer.group.name"] = str(group)
        if host:
            self.attributes["server.address"] = host
            self.attributes["server.port"] = port
        self._origins: dict[tuple[Origin, SpanKind | None], Origin] = {}

    def stamp(self, span: Span, kind: SpanKind | None = None) -> None:
        """Let ``span`` have the attributes of this client, and be of another kind if one is given."""
        if self._cluster is not None and self._cluster.cluster_id:
            self.attributes["messaging.kafka.cluster.id"] = str(self._cluster.cluster_id)
            self._cluster = None
            self._origins = {}
        base = span.origin
        origin = self._origins.get((base, kind))
        if origin is None:
            attributes = {**base.attributes, **self.attributes}
            origin = base.engine.origin(base.scope, kind or base.kind, attributes, base.suppresses)
            self._origins[base, kind] = origin
        span.origin = origin


def _first(servers: Any) -> tuple[str, int]:
    """The first of some bootstrap servers (a list, or text with commas) as host and port; ("", 0) for none."""
    if not isinstance(servers, str):
        servers = next(iter(servers or ()), "")
    server = str(servers).partition(",")[0].rpartition("://")[2].strip()
    host, colon, port = server.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, port = server, ""
    return host.strip("[]"), int(port) if port.isdigit() else 9092


def key_text(key: Any) -> str | None:
    """A message's key as text; None where it is none: no key, another type, bytes that are not printable UTF-8."""
    if type(key) is bytes and len(key) <= LONGEST_KEY:
        try:
            key = key.decode()
        except UnicodeDecodeError:
            return None
    return key if type(key) is str and len(key) <= LONGEST_KEY and key.isprintable() else None


def sending(span: Span, topic: Any, partition: Any, key: Any, value: Any) -> None:
    """One message goes to a topic; the partition is None while it is not chosen."""
    values = span.values
    if type(topic) is str:
        span._name = f"send {topic}"
        values["messaging.destination.name"] = topic
    if partition is not None:
        values["messaging.destination.partition.id"] = str(partition)
    _content(values, key, value)


def unacknowledged(span: Span) -> None:
    """The producer does not wait for the broker: where the message was stored, nobody will know."""
    span.__dict__["unacknowledged"] = True


def acknowledged(span: Span, partition: int, offset: int | None) -> None:
    """The message is sent, and as a rule stored at an offset; that is None or negative where it is not known."""
    values = span.values
    values["messaging.destination.partition.id"] = str(partition)
    if offset is not None and offset >= 0 and not getattr(span, "unacknowledged", False):
        values["messaging.kafka.offset"] = offset


def processing(span: Span, topic: str, partition: int, offset: int, key: Any, value: Any) -> None:
    """One message is handed to the program."""
    span._name = f"process {topic}"
    values = span.values
    values["messaging.destination.name"] = topic
    values["messaging.destination.partition.id"] = str(partition)
    values["messaging.kafka.offset"] = offset
    _content(values, key, value)


def _content(values: dict[str, Any], key: Any, value: Any) -> None:
    if key is not None:
        text = key_text(key)
        if text is not None:
            values["messaging.kafka.message.key"] = text
    if value is None:
        values["messaging.kafka.message.tombstone"] = True


def several(span: Span, verb: str, partitions: Iterable[tuple[str, int]], client: Client) -> None:
    """An operation on some partitions, (topic, number) each: what they have in common is told, and names the span."""
    topics, numbers = set(), set()
    for topic, number in partitions:
        topics.add(topic)
        numbers.add(number)
    if len(topics) != 1:
        span._name = f"{verb} {client.address}" if client.address else verb
        return
    topic = topics.pop()
    span._name = f"{verb} {topic}"
    span.values["messaging.destination.name"] = topic
    if len(numbers) == 1:
        span.values["messaging.destination.partition.id"] = str(numbers.pop())


def linked(span: Span, remote: Remote | None, attributes: Mapping[str, Any] | None = None) -> None:
    """Link the context in which a message was made; nothing for a sender's decision that came without ids."""
    if remote is not None and remote.trace_id:
        trace = Trace(remote.trace_id, remote.flags, remote.state, True)
        span._add_link(Link(span_context(trace, remote.span_id, is_remote=True), attributes))


def failed(span: Span, error: BaseException, name: str | None = None) -> None:
    """The operation failed; ``name`` is what the protocol calls the error. One told to stop has no error."""
    if interrupted(error):
        return
    span.values["error.type"] = name or error_type(error)
    span._status = Status(StatusCode.ERROR, message(error) or None)


def unsettled(span: Span, reason: str) -> None:
    """Nobody will ever know how the operation ended."""
    span.values["error.type"] = "unsettled"
    span._status = Status(StatusCode.ERROR, reason)


__all__ = [
    "LONGEST_KEY",
    "Client",
    "acknowledged",
    "constants",
    "failed",
    "key_text",
    "linked",
    "processing",
    "sending",
    "several",
    "unacknowledged",
    "unsettled",
]
