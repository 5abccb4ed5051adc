"""Logging as the agent changes it, and as it was once the test is over."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from support.recorder import Recorder
from tracing_agent.logs import correlation
from tracing_agent.trace import sdk


@pytest.fixture
def correlated(recorder: Recorder) -> Iterator[Recorder]:
    """A recorder with `logging` correlated; the service is called ``shop``."""
    record: Any = logging.LogRecord
    before = record.__init__, logging.Logger.makeRecord
    correlation.correlate(logging)
    correlation.begin(sdk.current, sdk.SPAN_KEY, "shop")
    yield recorder
    record.__init__, logging.Logger.makeRecord = before  # type: ignore[method-assign]
    correlation._State.current = None
