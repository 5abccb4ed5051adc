"""The announcement of placed orders to the rest of the company."""

import json
import logging
from typing import Protocol

from kafka import KafkaProducer  # type: ignore[import-untyped]

logger = logging.getLogger(__name__)


class Events(Protocol):
    """Where placed orders are announced."""

    def placed(self, order: str, customer: str, lines: dict[str, int]) -> None:
        """Announce an order; never fails the checkout that placed it."""


class NoEvents:
    """Nobody listens."""

    def placed(self, order: str, customer: str, lines: dict[str, int]) -> None:
        """Announce nothing."""


class OrderEvents:
    """A Kafka topic: one record an order, keyed by customer, so that a customer's orders stay in sequence."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._topic = topic
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap.split(","),
            key_serializer=str.encode,
            value_serializer=lambda event: json.dumps(event).encode(),
        )

    def placed(self, order: str, customer: str, lines: dict[str, int]) -> None:
        """Announce an order; never fails the checkout that placed it."""
        event = {"order": order, "customer": customer, "lines": lines}
        self._producer.send(self._topic, key=customer, value=event).add_errback(_lost, order)


def _lost(order: str, error: Exception) -> None:
    logger.error("order %s was not announced: %s", order, error)
