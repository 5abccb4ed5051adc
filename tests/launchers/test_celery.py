"""Celery's workers, with a Redis broker: every task's span arrives, from the process or thread that ran it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from launchers.launched import launched, needs, one_service
from services.redis import Redis
from support.program import run
from support.sink import Sink

pytestmark = pytest.mark.process

JOBS = """
import os
from celery import Celery
from opentelemetry.trace import get_tracer

app = Celery("jobs", broker="BROKER", backend="BROKER")
app.conf.task_default_queue = "QUEUE"
app.conf.broker_connection_retry_on_startup = True

@app.task
def work(number):
    with get_tracer("own").start_as_current_span(f"work {number}"):
        return os.getpid()
"""

SEND = """
import json
from jobs import work
results = [work.delay(number) for number in range(8)]
print(json.dumps([result.get(timeout=60) for result in results]))
"""

POOLS = {
    "prefork": ["-P", "prefork", "-c", "2"],
    "prefork, recycled": ["-P", "prefork", "-c", "2", "--max-tasks-per-child", "3"],
    "threads": ["-P", "threads", "-c", "2"],
}


@pytest.mark.parametrize("pool", POOLS)
def test_tasks(pool: str, redis_server: Redis, sink: Sink, tmp_path: Path) -> None:
    """User-pain rows 4 and 11: each task's span arrives once, from who ran it, also where children end by os._exit."""
    needs("celery")
    broker = f"redis://127.0.0.1:{redis_server.port}/5"
    (tmp_path / "jobs.py").write_text(JOBS.replace("BROKER", broker).replace("QUEUE", tmp_path.name))
    (tmp_path / "send.py").write_text(SEND)
    command = ["celery", "-A", "jobs", "worker", *POOLS[pool], "--without-gossip", "--without-mingle"]
    with launched(*command, cwd=tmp_path, sink=sink) as running:
        sent = run(sys.executable, "send.py", cwd=tmp_path, traced=False)
        assert sent.returncode == 0, sent.stderr
        pids = json.loads(sent.stdout)
        assert running.stop() == 0
        assert not running.ours, running.ours
        parent = running.process.pid
    own = [span for span in sink.spans if span["scope"] == "own"]
    assert {span["name"]: span.pid for span in own} == {f"work {number}": pid for number, pid in enumerate(pids)}
    assert len(own) == len(pids)
    assert (parent in pids) == (pool == "threads")
    if pool == "prefork, recycled":
        assert len(set(pids)) >= 3
    one_service(sink.spans, "jobs")
