"""The server, through redis-py's one kind and the other."""

from __future__ import annotations

import pytest

from databases.redis.kinds import Store
from services import Redis, RedisCluster


def _kind(request: pytest.FixtureRequest, module: str) -> bool:
    if request.param == "async":
        pytest.importorskip(module, reason="this version of redis-py has no asynchronous one")
    return bool(request.param == "async")


@pytest.fixture(params=["sync", "async"])
def store(request: pytest.FixtureRequest, redis_server: Redis) -> Store:
    """A real server, and the sync or the async classes of redis-py."""
    return Store(_kind(request, "redis.asyncio"), redis_server)


@pytest.fixture(params=["sync", "async"])
def nodes(request: pytest.FixtureRequest, redis_cluster: RedisCluster) -> Store:
    """A real cluster, and the sync or the async classes of redis-py."""
    return Store(_kind(request, "redis.asyncio.cluster"), redis_cluster)
