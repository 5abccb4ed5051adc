"""One message sent to Kafka; all are flushed at the end of the timed part."""

import os
import uuid

from kafka import KafkaProducer  # type: ignore[import-untyped]

from measure import sync

producer = KafkaProducer(bootstrap_servers=os.environ["BENCH_KAFKA"], linger_ms=5)
topic = f"benchmark-{uuid.uuid4().hex[:8]}"
sent = 0


def unit() -> None:
    """Send; wait now and then, as the buffer would otherwise set the pace."""
    global sent
    producer.send(topic, b'{"order": 7}', key=b"7")
    sent += 1
    if sent % 500 == 0:
        producer.flush()


sync(unit)
producer.close()
