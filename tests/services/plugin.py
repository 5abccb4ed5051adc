"""The services as session fixtures, and a loud line at the session's end for every service that was missing.

With CI=true a missing service fails the tests that ask for it; elsewhere it skips them and says so.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

import pytest

from services.kafka import Kafka, open_kafka
from services.postgresql import PostgreSQL, open_postgresql
from services.redis import Redis, RedisCluster, open_redis, open_redis_cluster
from services.service import Missing, Service

ServiceType = TypeVar("ServiceType", bound=Service)
MARK = "not run: "
TOLERATED = (
    # When it is imported, kafka-python 3 reads its schemas in a way that Python 3.11 and 3.12 deprecate.
    "ignore:(read|open)_text is deprecated:DeprecationWarning",
    # kafka-python 2.0.2 leaves an importer behind whose way Python 3.10 and 3.11 deprecate.
    "ignore:_SixMetaPathImporter:ImportWarning",
)


def pytest_configure(config: pytest.Config) -> None:
    """Let the service's client libraries be imported where warnings are errors."""
    for line in TOLERATED:
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    """A PostgreSQL server for the whole session; leave its `postgres` database as you found it."""
    yield from _during_session(open_postgresql)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A Redis server for the whole session."""
    yield from _during_session(open_redis)


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    """A Redis Cluster of three masters for the whole session."""
    yield from _during_session(open_redis_cluster)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """A Kafka broker for the whole session; topics are made on first use."""
    yield from _during_session(open_kafka)


def _during_session(opener: Callable[[], ServiceType]) -> Iterator[ServiceType]:
    try:
        service = opener()
    except Missing as missing:
        do_without(str(missing))
    with service:
        yield service


def do_without(line: str) -> NoReturn:
    """Leave a test out, saying so; with CI=true fail it instead."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{line} (CI=true: nothing may be left out)", pytrace=False)
    pytest.skip(line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say for each missing service how many tests were not run, and why."""
    lines: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple):
            reason = str(report.longrepr[2]).removeprefix("Skipped: ")
            if reason.startswith(MARK):
                lines[reason.removeprefix(MARK)] += 1
    if lines:
        terminalreporter.write_sep("!", "tests left out for want of a server", yellow=True, bold=True)
    for line, count in sorted(lines.items()):
        terminalreporter.write_line(f"{MARK}{count} {line}", yellow=True, bold=True)
