"""Follow the topic of placed orders until a SIGTERM: `python -m fulfilment`."""

import json
import logging
import os
import signal
import sys
from contextlib import closing

import psycopg
import redis
from kafka import KafkaConsumer  # type: ignore[import-untyped]

from fulfilment.packing import Packing

logger = logging.getLogger("fulfilment")


def main() -> None:
    """Pack orders as they come."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    dsn, url = os.environ.get("SHOP_POSTGRES_DSN"), os.environ.get("SHOP_REDIS_URL")
    packing = Packing(
        psycopg.connect(dsn, autocommit=True) if dsn else None,
        redis.Redis.from_url(url) if url else None,
    )
    consumer = KafkaConsumer(
        os.environ.get("SHOP_ORDERS_TOPIC", "shop.orders"),
        bootstrap_servers=os.environ["SHOP_KAFKA_BOOTSTRAP"].split(","),
        group_id="fulfilment",
        auto_offset_reset="earliest",
    )
    with closing(consumer):
        for message in consumer:
            event = json.loads(message.value)
            packing.pack(event["order"], event["lines"])
            logger.info("packed order %s of %s", event["order"], event["customer"])


if __name__ == "__main__":
    main()
