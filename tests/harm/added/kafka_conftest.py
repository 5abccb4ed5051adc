"""Stands in for the `test/conftest.py` of kafka-python, which its source distribution lacks: fixtures of its tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kafka.cluster import ClusterMetadata  # type: ignore[import-untyped]
from kafka.metrics import DictReporter, MetricConfig, Metrics  # type: ignore[import-untyped]
from kafka.net.manager import KafkaConnectionManager  # type: ignore[import-untyped]


@pytest.fixture
def cluster() -> Any:
    """What is known of a cluster before it has answered: nothing."""
    return ClusterMetadata()


@pytest.fixture
def manager(net: Any) -> Any:
    """The connections of a client, over the network that each module makes for itself."""
    return KafkaConnectionManager(net)


@pytest.fixture
def metrics() -> Iterator[Any]:
    """Metrics that report to a dictionary."""
    metrics = Metrics(MetricConfig(), [DictReporter()], enable_expiration=True)
    yield metrics
    metrics.close()
