"""Pools of processes whose collector is down, or hangs: they end as untraced, and side by side."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from export.servers import black_hole, closed_port
from support.program import run

pytestmark = pytest.mark.process

CHILDREN = 8
#: Seconds: far more than the two that each process may take at its end, the children at the same time and then their
#: parent; and fewer than it would take if one waited for the other.
ONE_BY_ONE = 2.0 * (CHILDREN + 1)

PRELUDE = f"""
import multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor

CHILDREN = {CHILDREN}

def work(number):
    from opentelemetry.trace import get_tracer
    get_tracer("own").start_span("work").end()
    # Each child gets one: it has to wait for the others.
    barrier.wait(60)
    return number

def initialise(given):
    global barrier
    barrier = given
"""
POOLS = {
    "Pool, joined": """
    with context.Pool(CHILDREN, initialise, (barrier,)) as pool:
        print(pool.map(work, range(CHILDREN), chunksize=1))
        children = list(pool._pool)
        pool.close()
        pool.join()
""",
    "Pool, terminated": """
    with context.Pool(CHILDREN, initialise, (barrier,)) as pool:
        print(pool.map(work, range(CHILDREN), chunksize=1))
        terminated = list(pool._pool)
    # Some end by themselves before the signal comes, untraced, too.
    print({child.exitcode for child in terminated} <= {0, -15})
    children = []
""",
    "ProcessPoolExecutor": """
    with ProcessPoolExecutor(CHILDREN, mp_context=context, initializer=initialise, initargs=(barrier,)) as pool:
        print(list(pool.map(work, range(CHILDREN))))
        children = list(pool._processes.values())
""",
    "Process, exiting": """
    def run(number):
        initialise(barrier)
        sys.exit(work(number))
    children = [context.Process(target=run, args=(number,)) for number in range(CHILDREN)]
    [child.start() for child in children]
    [child.join() for child in children]
""",
}
MAIN = """
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(CHILDREN)
{pool}
    print(sorted(child.exitcode for child in children))
    initialise(context.Barrier(1))
    sys.exit(work(3))
"""


@pytest.mark.parametrize("dead", ["refused", "black hole"])
@pytest.mark.parametrize("pool", POOLS)
def test_pools(pool: str, dead: str, tmp_path: Path) -> None:
    """User-pain row 11: each process of a pool gives up for itself; results and exit statuses are as untraced."""
    (tmp_path / "program.py").write_text(PRELUDE + MAIN.format(pool=POOLS[pool]))
    command = (sys.executable, tmp_path / "program.py")
    # Python 3.12 and later warn of forks in a process with threads, which pools have of their own.
    quiet = {"PYTHONWARNINGS": "ignore::DeprecationWarning"}
    bare = run(*command, traced=False, **quiet)
    assert (bare.returncode, bare.stderr) == (3, "")
    with black_hole() as hole:
        port = hole if dead == "black hole" else closed_port()
        began = time.monotonic()
        done = run(*command, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", **quiet)
        took = time.monotonic() - began
    assert (done.returncode, done.stdout) == (bare.returncode, bare.stdout)
    assert took < ONE_BY_ONE
    lines = done.stderr.splitlines()
    assert all(line.startswith("tracing-agent: warning: ") for line in lines), lines
    lost = [line for line in lines if "1 span not exported (" in line]
    if pool != "Pool, terminated":
        # Every child, and the parent.
        assert len(lost) == CHILDREN + 1, lines
