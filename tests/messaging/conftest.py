"""A topic for each test, and the library patched for its recorder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from services import Kafka
from support.recorder import Recorder

if TYPE_CHECKING:
    from messaging.log import Log


@pytest.fixture
def log(kafka: Kafka) -> Iterator[Log]:
    """A topic with one partition."""
    # Not before warnings of its import are tolerated.
    from messaging.log import Log

    log = Log(kafka)
    yield log
    log.close()


@pytest.fixture
def traced(recorder: Recorder) -> Recorder:
    """A recorder of everything that kafka-python does."""
    recorder.patch("kafka")
    return recorder
