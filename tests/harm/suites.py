"""The suites: where each comes from, what it needs, and which of its tests can run on one machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Suite:
    """One library's own suite.

    ``distribution`` is its name on PyPI and ``installed`` what is installed of it, with extras. ``requires`` are
    requirements of the tests alone. ``options`` and ``paths`` go to pytest; ``{NAME}`` in the options and in
    ``variables`` is a variable of the services. ``added`` are files that the tests import and the source distribution
    lacks: where they belong, and our stand-in. ``spans`` says whether the suite drives calls that we trace, so that
    none received is a failure.
    """

    name: str
    distribution: str
    installed: str
    requires: tuple[str, ...]
    options: tuple[str, ...] = ()
    paths: tuple[str, ...] = ("tests",)
    services: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, str] = field(default_factory=dict)
    spans: bool = True


#: redis-py's tests that want replicas, TLS, Redis Stack or Redis Enterprise.
OUT_OF_REACH = (
    "not redismod and not ssl and not replica and not cp_integration and not multidb_integration and not experimental"
)
REDIS = (
    "pytest-asyncio",
    "pytest-forked",
    "ujson",
    "uvloop",
    "numpy",
    "redis-entraid",
    "pybreaker",
    "aiohttp",
    "xxhash",
    "opentelemetry-sdk",
    "opentelemetry-exporter-otlp-proto-http",
    "cryptography",
    "PyJWT",
)

SUITES = (
    Suite(
        name="requests",
        distribution="requests",
        installed="requests[socks]",
        requires=("pytest-httpbin==2.1.0", "httpbin~=0.10.0", "pytest-mock", "trustme"),
    ),
    Suite(
        name="uvicorn",
        distribution="uvicorn",
        installed="uvicorn[standard]",
        requires=(
            "pytest-mock",
            "pytest-xdist",
            "pytest-codspeed",
            "trustme",
            "cryptography",
            "httpx2",
            "a2wsgi",
            "wsproto",
            "zttp",
        ),
        # Its own setting is eight processes.
        options=("-n", "0"),
        # Its applications are bare functions, which nothing here describes.
        spans=False,
    ),
    Suite(
        name="flask",
        distribution="flask",
        installed="flask[async]",
        # Its tests use a name of pytest's own that 9 no longer has.
        requires=("asgiref", "greenlet", "python-dotenv", "pytest<9"),
    ),
    Suite(
        name="starlette",
        distribution="starlette",
        installed="starlette[full]",
        requires=("httpx2[zstd]", "blockbuster", "importlib-metadata", "opentelemetry-sdk", "trio", "pytest-codspeed"),
    ),
    Suite(
        name="redis",
        distribution="redis",
        installed="redis",
        requires=REDIS,
        options=(
            "--redis-url={TEST_REDIS_URL}",
            "-m",
            f"not onlycluster and {OUT_OF_REACH}",
            "--ignore=tests/test_scenario",
            "--ignore=tests/test_asyncio/test_scenario",
        ),
        services=("redis",),
    ),
    # Not the asynchronous copy of the first file: for each of its tests it waits for the cluster, ten minutes in all.
    Suite(
        name="redis-cluster",
        distribution="redis",
        installed="redis",
        requires=REDIS,
        options=(
            "--redis-url={TEST_REDIS_CLUSTER_URL}/0",
            "--redis-cluster-nodes=3",
            "-m",
            f"not onlynoncluster and {OUT_OF_REACH}",
        ),
        paths=(
            "tests/test_cluster.py",
            "tests/test_cluster_transaction.py",
            "tests/test_command_policies.py",
            "tests/test_asyncio/test_cluster_transaction.py",
        ),
        services=("redis-cluster",),
    ),
    Suite(
        name="psycopg",
        distribution="psycopg",
        # What its tests require is an extra of its own.
        installed="psycopg[binary,pool,test]",
        requires=(),
        options=("-m", "not slow"),
        services=("postgres",),
        variables={"PSYCOPG_TEST_DSN": "{TEST_POSTGRES_DSN}"},
    ),
    Suite(
        name="kafka-python",
        distribution="kafka-python",
        installed="kafka-python",
        requires=("py", "pytest-mock", "lz4", "zstandard", "python-snappy"),
        # These two want `test/mock_broker.py`, which the source distribution lacks.
        options=("--ignore=test/test_mock_broker.py", "--ignore=test/net/test_sasl_reauthentication.py"),
        paths=("test",),
        services=("kafka",),
        # A folder that is there is all that the last one has to be with a broker that runs already.
        variables={"KAFKA_URI": "kafka://{TEST_KAFKA_BOOTSTRAP}", "KAFKA_VERSION": "4.1.0", "KAFKA_ROOT": "."},
        added={
            "test/__init__.py": "kafka_test.py",
            "test/conftest.py": "kafka_conftest.py",
            "test/service.py": "kafka_service.py",
        },
    ),
    Suite(
        name="fastapi",
        distribution="fastapi",
        installed="fastapi[all]",
        requires=(
            "opentelemetry-instrumentation-fastapi",
            "logfire",
            "sentry-sdk",
            "httpx",
            "httpx2",
            "python-slugify",
            "anyio[trio]",
            "coverage",
            "dirty-equals",
            "flask",
            "inline-snapshot",
            "pwdlib[argon2]",
            "pyjwt",
            "pytest-codspeed",
            "pytest-xdist",
            "pyyaml",
            "sqlmodel",
            "strawberry-graphql",
            "typer",
            "a2wsgi",
        ),
    ),
)
