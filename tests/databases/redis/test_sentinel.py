"""Clients that ask a sentinel where their server is."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from databases.redis.kinds import Store, close, done, peer, roots, scenario
from services import Redis
from services.daemon import Daemon, free_port
from support.recorder import Recorder


@pytest.fixture(scope="module")
def sentinel(redis_server: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a sentinel that watches the server, by the name of "main"."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("not run: a sentinel is redis-server, which was not found")
    folder: Path = tmp_path_factory.mktemp("sentinel")
    port = free_port()
    settings = folder / "sentinel.conf"
    settings.write_text(
        f'port {port}\nbind 127.0.0.1\ndir "{folder}"\n'
        f"sentinel monitor main {redis_server.host} {redis_server.port} 1\n"
    )
    daemon = Daemon("sentinel", [program, str(settings), "--sentinel"], folder, ready=b"+monitor master main")
    daemon.start()
    yield port
    daemon.stop()


@scenario
async def test_where_the_sentinel_says(store: Store, recorder: Recorder, sentinel: int) -> None:
    """A command says which server it went to; asking the sentinel is a command to the sentinel."""
    store.patch(recorder)
    sentinels = importlib.import_module(f"{store.package}.sentinel").Sentinel([("127.0.0.1", sentinel)])
    client = sentinels.master_for("main", db=4)
    assert await done(client.set("key", "secret")) is True
    queue = client.pipeline()
    queue.delete("key")
    queue.delete("key")
    assert await done(queue.execute()) == [1, 0]
    await close(client)
    for asked in sentinels.sentinels:
        await close(asked)
    found = peer(store.server.host, store.server.port, 4)
    *questions, command, pipeline = roots(recorder)
    assert questions != []
    for question in questions:
        assert question == store.span("SENTINEL MASTERS", "SENTINEL MASTERS", peer=peer("127.0.0.1", sentinel))
    assert command == store.span("SET", "SET key ?", peer=found)
    assert pipeline == store.span("MULTI DEL", "DEL key", peer=found, db__operation__batch__size=2)
