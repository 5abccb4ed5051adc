"""One message consumed from Kafka by iteration, from a topic filled before by `kafka_fill.py`."""

import os

from kafka import KafkaConsumer, TopicPartition  # type: ignore[import-untyped]

BOOTSTRAP = os.environ["BENCH_KAFKA"]
TOPIC = "benchmark-consume"
MESSAGES = 20_000

if __name__ == "__main__":
    from measure import sync

    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(TOPIC, 0)])
    consumer.seek_to_beginning()
    read = 0

    def unit() -> None:
        """Take the next message, and begin again at the topic's end."""
        global read
        next(consumer)
        read += 1
        if read % MESSAGES == 0:
            consumer.seek_to_beginning()

    sync(unit)
    consumer.close()
