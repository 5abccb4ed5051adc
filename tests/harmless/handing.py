"""A program that hands work to threads, and to pools of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from threading import Thread, Timer
from typing import Any

from opentelemetry.trace import NonRecordingSpan, SpanContext, use_span

from harmless.program import Program, outcome


def with_threads() -> list[Any]:
    """Threads of every kind, and work that fails in them, below a span of the program's own."""
    seen: list[Any] = []
    with use_span(NonRecordingSpan(SpanContext(7, 8, is_remote=False))):
        for thread in (Thread(target=seen.append, args=("thread",)), Timer(0.0, seen.append, ("timer",)), _Own(seen)):
            thread.start()
            thread.join()
        with ThreadPoolExecutor(1) as executor:
            seen += executor.map(abs, (-1, -2))
            seen.append(outcome(executor.submit(int, "none").result))
        with ThreadPool(1) as pool:
            seen += pool.map(abs, (-3, -4))
            seen.append(outcome(pool.apply, int, ("none",)))
            seen.append(outcome(lambda: list(pool.imap(abs, (1 // number for number in (-1, 0))))))
    return seen


class _Own(Thread):
    def __init__(self, seen: list[Any]) -> None:
        super().__init__()
        self.seen = seen

    def run(self) -> None:
        self.seen.append("own")


_PARTS = ("threading", "concurrent.futures.thread", "multiprocessing.pool")

PROGRAMS = (Program("threads", with_threads, tuple(("threading", part) for part in _PARTS)),)
