"""The services by the names that the command line and the fixtures use."""

from collections.abc import Callable

from services.kafka import open_kafka
from services.postgresql import open_postgresql
from services.redis import open_redis, open_redis_cluster
from services.service import Service

OPENERS: dict[str, Callable[[], Service]] = {
    "postgres": open_postgresql,
    "redis": open_redis,
    "redis-cluster": open_redis_cluster,
    "kafka": open_kafka,
}
NAMES = tuple(OPENERS)


def open_service(name: str) -> Service:
    """Start the service called `name` (one of `NAMES`), or take the one given from outside.

    Raises `Missing` where it cannot be had on this machine, `ServerFailed` where it did not become ready.
    """
    return OPENERS[name]()
