"""Fixtures of the metrics' tests: recorders whose operations are measured."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.trace import sampling

from metrics.exposed import Measured
from support.recorder import Recorder

Make = Callable[..., tuple[Recorder, Measured]]


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus' own checker; where it is missing the test is not run, which is said, and in CI a failure."""
    found = os.environ.get("TEST_PROMTOOL") or shutil.which("promtool")
    if found is None:
        reason = (
            "promtool is missing; install Debian's package prometheus (scripts/install-services does, where root) "
            "or set TEST_PROMTOOL"
        )
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        warn(reason)
        pytest.skip(f"not run: {reason}")
    return found


def warn(reason: str) -> None:
    """Say it where nobody can overlook it: skips are one letter each."""
    sys.__stderr__.write(f"\nnot run: {reason}\n")  # type: ignore[union-attr]


@pytest.fixture
def measured() -> Iterator[Make]:
    """Makes a recorder with a sampler, all of whose operations are measured."""
    made = []

    def make(sampler: sampling.Sampler = sampling.DEFAULT_ON, **variables: str) -> tuple[Recorder, Measured]:
        recorder = Recorder(sampler)
        metrics = Measured(recorder.provider, **variables)
        made.append((recorder, metrics))
        return recorder, metrics

    yield make
    for recorder, metrics in made:
        recorder.undo()
        # Wherever a span begins, or comes to nothing: both counts are told of it.
        assert sum(metrics.metrics.started._counts) == recorder.provider.begun()[0]
