"""Real PostgreSQL, Redis and Apache Kafka for tests and benchmarks, on free ports of the loopback."""

from services.catalogue import NAMES as NAMES
from services.catalogue import open_service as open_service
from services.kafka import Kafka as Kafka
from services.postgresql import PostgreSQL as PostgreSQL
from services.redis import Redis as Redis
from services.redis import RedisCluster as RedisCluster
from services.service import Missing as Missing
from services.service import NotOurs as NotOurs
from services.service import Service as Service
