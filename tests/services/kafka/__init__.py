"""Apache Kafka, one node, its jars resolved by Maven from the pom beside this file."""

from services.kafka.broker import Kafka as Kafka
from services.kafka.broker import open_kafka as open_kafka
from services.kafka.jars import fetch as fetch
