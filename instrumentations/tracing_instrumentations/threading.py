"""Threads and thread pools: what runs in them belongs to the span that was current where it was handed to them.

Makes no spans. Covers `Thread.start`, `Timer`, `ThreadPoolExecutor.submit` and with it `loop.run_in_executor`, and
`multiprocessing.pool.ThreadPool` with its callbacks; what asyncio hands over itself (`create_task`, `to_thread`) goes
with all context variables without our doing.
"""

from __future__ import annotations

from sys import modules
from threading import Thread, Timer
from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.handed import beginning, functions, handing, starting, taking
from tracing_agent.operation import breaker_of
from tracing_agent.patching.targets import Target

if TYPE_CHECKING:
    from types import ModuleType

#: Packages whose threads serve everybody, whoever came first and made them start: connections, pools, servers.
_SHARED = frozenset(
    {
        "anyio",
        "apscheduler",
        "asgiref",
        "celery",
        "concurrent",
        "ddtrace",
        "eventlet",
        "gevent",
        "grpc",
        "gunicorn",
        "kafka",
        "kombu",
        "logging",
        "multiprocessing",
        "opentelemetry",
        "psycopg_pool",
        "pymongo",
        "redis",
        "sentry_sdk",
        "socketserver",
        "sqlalchemy",
        "urllib3",
        "uvicorn",
        "watchdog",
        "werkzeug",
    }
)


def _own(thread: Any) -> bool:
    """Whether the thread does what it was started for, and not what others will ask of it."""
    described = type(thread)
    if described is Thread or described.__module__ == "multiprocessing.dummy":
        described = thread._target
    elif described is Timer:
        described = thread.function
    module = getattr(described, "__module__", None)
    return not isinstance(module, str) or module.partition(".")[0] not in _SHARED


def _of_threads(pool: Any) -> bool:
    """Whether a pool is one of threads."""
    return isinstance(pool, modules["multiprocessing.pool"].ThreadPool)


def targets(module: ModuleType) -> dict[str, tuple[Target, ...]]:
    """Where threads and pools are cut: where the work is handed over, and where it is taken up."""
    breaker = breaker_of("threading")
    lazily = functions(breaker, {"func": 0, "iterable": 1}, "iterable", _of_threads)
    return {
        "threading": (
            Target("threading", "Thread.start", starting(breaker, _own)),
            Target("threading", "Thread._bootstrap", beginning(breaker)),
        ),
        "concurrent.futures.thread": (
            Target("concurrent.futures.thread", "_WorkItem.__init__", handing(breaker)),
            Target("concurrent.futures.thread", "_WorkItem.run", taking(breaker)),
        ),
        # Of other pools only the callbacks are called in a thread here: what those are given is pickled.
        "multiprocessing.pool": (
            Target("multiprocessing.pool", "Pool.apply_async", functions(breaker, {"func": 0}, "", _of_threads)),
            Target("multiprocessing.pool", "Pool._map_async", functions(breaker, {"func": 0}, "", _of_threads)),
            Target("multiprocessing.pool", "Pool.imap", lazily),
            Target("multiprocessing.pool", "Pool.imap_unordered", lazily),
            Target(
                "multiprocessing.pool",
                "ApplyResult.__init__",
                functions(breaker, {"callback": 1, "error_callback": 2}),
            ),
        ),
    }
