"""Fills the topic that `kafka_consume.py` reads; run once, untraced."""

from kafka import KafkaProducer  # type: ignore[import-untyped]

from kafka_consume import BOOTSTRAP, MESSAGES, TOPIC

if __name__ == "__main__":
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, linger_ms=20)
    context = [("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
    for _ in range(MESSAGES):
        producer.send(TOPIC, b'{"order": 7}', key=b"7", headers=context, partition=0)
    producer.flush()
    producer.close()
