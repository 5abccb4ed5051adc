"""The differences that are known and meant: which tests, and why."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Explained:
    """Tests of ``suite`` whose id fits ``tests`` may differ because of ``reason``; ``*`` stands for any text."""

    suite: str
    tests: str
    reason: str

    def fits(self, suite: str, test: str) -> bool:
        """Whether this is the explanation of that test's difference."""
        return self.suite == suite and re.fullmatch(".*".join(map(re.escape, self.tests.split("*"))), test) is not None


#: FastAPI traces by itself as soon as there is a global provider; unless it was asked to, the agent keeps that silent.
SILENT = "asserts spans of FastAPI's own, for which the program did not ask by any of FastAPI's switches"
LOGFIRE = (
    "asserts that Logfire gets FastAPI's own spans, for which the program did not ask by any of FastAPI's switches;"
    " Logfire's provider takes no spans of others, so the agent's go to its own exporter alone"
)
CORRELATED = "asserts that a log record has no trace id; the request is traced, so it has the one of the agent's span"

EXPLAINED = (
    Explained(
        "requests",
        "tests/test_requests.py::TestRequests::test_response_iter_lines_reentrant",
        "the server echoes the request's headers, so that with a traceparent the lines are longer, and the block of 512"
        " bytes that the test loses on purpose ends in another line",
    ),
    Explained(
        "kafka-python",
        "test/integration/test_producer_integration.py::test_kafka_producer_proper_record_metadata[*]",
        "asserts the size of a record's headers; it is carried with a traceparent",
    ),
    Explained("fastapi", "tests/test_telemetry/test_tracer.py::test_cached_tracer_follows_provider_changes", SILENT),
    Explained("fastapi", "tests/test_telemetry/test_tracer.py::test_tracer_lookup_*[*-True]", SILENT),
    Explained("fastapi", "tests/test_telemetry/test_background.py::*[native_logfire]", LOGFIRE),
    Explained("fastapi", "tests/test_telemetry/test_environment_integrations.py::*[logfire-opt-out]", LOGFIRE),
    Explained("fastapi", "tests/test_telemetry/test_integrations.py::test_logfire_global_provider_*", LOGFIRE),
    Explained("fastapi", "tests/test_telemetry/test_native_integrations.py::test_logfire_native_*", LOGFIRE),
    Explained("fastapi", "tests/test_telemetry/test_exceptions.py::*[logs_only]", CORRELATED),
    Explained("fastapi", "tests/test_telemetry/test_websockets.py::*-logs_only]", CORRELATED),
    Explained(
        "fastapi",
        "tests/test_telemetry/test_runtime.py::test_concurrent_provider_owner_wins[*]",
        "asserts that FastAPI's configuration makes a tracer provider; the agent's is there already, and is kept",
    ),
)


def reason(suite: str, test: str, known: tuple[Explained, ...] = EXPLAINED) -> str | None:
    """Why this test may differ; None if nobody has said."""
    return next((entry.reason for entry in known if entry.fits(suite, test)), None)


def unneeded(suite: str, different: Collection[str], known: tuple[Explained, ...] = EXPLAINED) -> list[str]:
    """The patterns for ``suite`` that fit none of the tests that were different: to be taken out."""
    ours = [entry for entry in known if entry.suite == suite]
    return [entry.tests for entry in ours if not any(entry.fits(suite, test) for test in different)]
