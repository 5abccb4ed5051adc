"""A trace that crosses from kafka-python to another client library and back, by code that is not ours on that side.

The other side is confluent-kafka with OpenTelemetry's own SDK and propagator, as its manual says to use them.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from messaging.log import PATIENCE, ConfluentConsumer, ConfluentPlace, ConfluentProducer, Log
from support.recorder import Recorder


def test_there_and_back_again(log: Log, traced: Recorder) -> None:
    """Sent by kafka-python, relayed by confluent-kafka, consumed by kafka-python: one trace, each below the last."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer, propagator = provider.get_tracer("relay"), TraceContextTextMapPropagator()

    log.producer().send(log.topic, b"there", headers=[("kept", b"yes")]).get(PATIENCE)
    (sent,) = traced.spans()

    source = ConfluentConsumer({"bootstrap.servers": log.bootstrap, "group.id": log.group})
    source.assign([ConfluentPlace(log.topic, 0, 0)])
    message = source.poll(PATIENCE)
    assert message is not None
    headers = {name: value.decode() for name, value in message.headers()}
    assert headers["kept"] == "yes"
    outgoing: dict[str, str] = {}
    with tracer.start_as_current_span("relay", propagator.extract(headers), SpanKind.CONSUMER):
        propagator.inject(outgoing)
        relay = ConfluentProducer({"bootstrap.servers": log.bootstrap})
        relay.produce(log.topic, b"back", partition=0, headers=[(k, v.encode()) for k, v in outgoing.items()])
        assert relay.flush(PATIENCE) == 0
    source.close()
    (relayed,) = exporter.get_finished_spans()

    seen: list[Any] = []
    for record in log.consumer():
        seen.append(record.value)
        if record.value == b"back":
            break
    assert seen == [b"there", b"back"]
    there, back = traced.spans()
    assert relayed.context is not None and relayed.parent is not None
    assert relayed.context.trace_id == sent["trace"] == there["trace"] == back["trace"]
    assert relayed.parent.span_id == sent["id"] == there["parent"]
    assert back["parent"] == relayed.context.span_id
