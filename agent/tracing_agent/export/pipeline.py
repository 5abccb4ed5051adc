"""The way out of the process: a bounded queue that the application appends to, and one thread that empties it."""

from __future__ import annotations

import _thread
from _queue import Empty, SimpleQueue
from collections import deque
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any, Protocol

from tracing_agent.export.health import Health
from tracing_agent.faults import WARN, fault, say
from tracing_agent.trace.sdk import SPAN_KEY, SUPPRESS_KEY, Context, attach, current

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.resources import Resource

    from tracing_agent.trace.span import Span


class Exporter(Protocol):
    """Takes batches on the export thread."""

    def export(self, spans: Sequence[Span], resource: Resource, pace: Pace) -> None:
        """Send one batch, by ``pace.deadline``; every span is counted on ``pace.health`` as exported or failed."""

    def flush(self) -> None:
        """Put out what was held back (the console exporter's unfinished traces)."""

    def forget(self) -> None:
        """Drop connections without using them: they belong to the process that this one was forked from."""


class Pace:
    """How long an exporter may take: ``deadline`` on the monotonic clock, shortened when the process ends."""

    def __init__(self, health: Health) -> None:
        self.health = health
        self.deadline = 0.0
        self.hurried = False
        self._wake: SimpleQueue[Any] = SimpleQueue()
        self.waiting: list[Any] = []

    def left(self) -> float:
        """Seconds until the deadline; never negative."""
        return max(0.0, self.deadline - monotonic())

    def pause(self, seconds: float) -> bool:
        """Wait before another try; false if there is no time for one, because the process ends or the deadline comes.

        A flush that is asked for meanwhile cuts the wait short.
        """
        if self.hurried or seconds >= self.left():
            return False
        command = self.next(seconds)
        if command is not None:
            self.waiting.append(command)
        return not self.hurried

    def next(self, seconds: float) -> Any:
        """What `wake` was given, or None after ``seconds``."""
        try:
            return self._wake.get(True, seconds)
        except Empty:
            return None

    def wake(self, command: Any) -> None:
        """Wake the thread. Reentrant, so that a signal handler may call it anywhere."""
        self._wake.put(command)


class Pipeline:
    """Queue, thread and exporters of one process.

    ``limit`` spans wait at most; a batch is sent when ``batch`` wait, or ``delay`` seconds after the last one;
    ``timeout`` seconds are given to one batch, retries included.
    """

    def __init__(
        self,
        exporters: Sequence[Exporter],
        resource: Callable[[], Resource],
        *,
        limit: int = 2048,
        batch: int = 512,
        delay: float = 5.0,
        timeout: float = 30.0,
    ) -> None:
        self.exporters = exporters
        self.resource = resource
        self.limit = limit
        self.batch = batch
        self.delay = delay
        self.timeout = timeout
        self.closed = False
        self.reset()

    def reset(self) -> None:
        """Start from nothing: in a new process, and in a forked child, where the parent's spans are the parent's."""
        self.queue: deque[Span] = deque()
        self.health = Health()
        self.pace = Pace(self.health)
        self.thread: int | None = None
        self.forked_at = 0
        # The queue length at which `offer` has more to do than to append: start the thread, wake it, drop.
        self.act_at = 0

    # -- the application's side -------------------------------------------------------------------------------------

    def offer(self, span: Span) -> None:
        """Take an ended span. Called by every thread of the application: an append, and nothing else as a rule."""
        queue = self.queue
        length = len(queue)
        if length >= self.act_at and not self._admit(length):
            return
        queue.append(span)

    def _admit(self, length: int) -> bool:
        if length >= self.limit or self.closed:
            reason = "queue full" if not self.closed else "after shutdown"
            dropped = self.health.dropped
            dropped[reason] = dropped.get(reason, 0) + 1
            if not self.closed:
                say(
                    WARN,
                    f"span queue full ({self.limit} spans): new spans are dropped until there is room; "
                    "OTEL_BSP_MAX_QUEUE_SIZE sets the size",
                    key="queue full",
                )
            return False
        if self.thread is None:
            self._start()
        if length >= self.batch - 1:
            self.act_at = self.limit
            self.pace.wake(None)
        else:
            self.act_at = self.batch - 1
        return True

    def _start(self) -> None:
        # Set first: starting a thread can run other code that ends spans.
        self.thread = 0
        try:
            self.thread = self._spawn()
        except Exception as error:
            # No thread can be had (a limit, the interpreter is shutting down): the exit flush sends what is queued.
            say(
                WARN,
                f"the export thread cannot be started ({error}); spans are sent at exit only",
                key="no thread",
            )

    def _spawn(self) -> int:
        from threading import Thread

        thread = Thread(target=self._run, name="tracing-agent-export", daemon=True)
        thread.start()
        return thread.ident or 0

    def flush(self, timeout: float) -> bool:
        """Send what is queued; whether it was all handed to the exporters within ``timeout`` seconds."""
        if not self.queue and not self._busy():
            return True
        if not self.thread or self.thread == _thread.get_ident():
            self._drain_here(timeout)
            return not self.queue
        done = _thread.allocate_lock()
        done.acquire()
        self.pace.wake(done)
        return done.acquire(timeout=max(0.0, timeout))

    def close(self, timeout: float) -> bool:
        """Send what is queued and accept nothing more; retries are given up, as the process is about to end."""
        if self.closed:
            return True
        self.pace.hurried = True
        self.pace.deadline = min(self.pace.deadline, monotonic() + timeout)
        sent = self.flush(timeout)
        self.closed = True
        self.act_at = 0
        return sent

    def _busy(self) -> bool:
        health = self.health
        return health.taken > health.exported + health.inherited + sum(health.failed.values())

    # -- the export thread's side -----------------------------------------------------------------------------------

    def _run(self) -> None:
        pace = self.pace
        self._silence()
        while pace is self.pace:
            command = pace.waiting.pop(0) if pace.waiting else pace.next(self.delay)
            self._drain()
            if command is not None:
                self._flush_exporters()
                command.release()

    def _silence(self) -> None:
        """Make this thread's context one in which nothing is traced, by us or by other instrumentations."""
        context = Context(current())
        dict.__setitem__(context, SUPPRESS_KEY, True)
        dict.pop(context, SPAN_KEY, None)
        attach(context)

    def _drain_here(self, timeout: float) -> None:
        """Empty the queue on the calling thread: where there is no export thread, at the end of a process."""
        self.pace.deadline = monotonic() + timeout
        from contextvars import copy_context

        copy_context().run(self._drain_silently, timeout)

    def _drain_silently(self, timeout: float) -> None:
        self._silence()
        self._drain(timeout)
        self._flush_exporters()

    def _drain(self, timeout: float | None = None) -> None:
        queue, pace = self.queue, self.pace
        while queue:
            spans = self._take()
            if not self.closed:
                self.act_at = self.batch - 1
            if not pace.hurried or timeout is None:
                pace.deadline = monotonic() + min(self.timeout, 2.0 if pace.hurried else self.timeout)
            for exporter in self.exporters:
                try:
                    exporter.export(spans, self.resource(), pace)
                except Exception as error:
                    self.health.fail(len(spans), "exporter fault", repr(error))
                    fault(f"exporter {type(exporter).__name__}", error)
            spans.clear()

    def _take(self) -> list[Span]:
        pop = self.queue.popleft
        spans = []
        try:
            for _ in range(self.batch):
                spans.append(pop())
        except IndexError:
            pass
        self.health.taken += len(spans)
        if self.forked_at:
            # Begun by the parent process, which exports them itself.
            since = self.forked_at
            own = [span for span in spans if span.__dict__.get("begun", span._start_time) >= since]
            self.health.inherited += len(spans) - len(own)
            spans = own
        return spans

    def _flush_exporters(self) -> None:
        for exporter in self.exporters:
            try:
                exporter.flush()
            except Exception as error:
                fault(f"exporter {type(exporter).__name__}", error)

    # -- fork -------------------------------------------------------------------------------------------------------

    def forked(self) -> None:
        """In a forked child: nothing is shared with the parent."""
        self.closed = False
        self.reset()
        self.forked_at = time_ns()
        for exporter in self.exporters:
            exporter.forget()
