"""Fixtures of the metrics' tests: recorders whose operations are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.trace import sampling

from metrics.exposed import Measured
from support.recorder import Recorder

Make = Callable[..., tuple[Recorder, Measured]]


@pytest.fixture
def measured() -> Iterator[Make]:
    """Makes a recorder with a sampler, all of whose operations are measured."""
    made = []

    def make(sampler: sampling.Sampler = sampling.DEFAULT_ON, **variables: str) -> tuple[Recorder, Measured]:
        recorder = Recorder(sampler)
        made.append(recorder)
        return recorder, Measured(recorder.provider, **variables)

    yield make
    for recorder in made:
        recorder.undo()
