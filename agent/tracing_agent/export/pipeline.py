"""The way out of the process: a bounded queue that the application appends to, and one thread that empties it."""

from __future__ import annotations

import os
import sys
from collections import deque
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Protocol

from tracing_agent.export.health import Health
from tracing_agent.export.limits import Limits
from tracing_agent.export.notices import Losses
from tracing_agent.export.pace import Command, Pace
from tracing_agent.export.thread import Gate, silence, spawn
from tracing_agent.faults import WARN, fault, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.resources import Resource

    from tracing_agent.trace.span import Span


class Exporter(Protocol):
    """Takes batches on the export thread."""

    def prepare(self) -> None:
        """Import and make what sending needs; no fork happens meanwhile."""

    def export(self, spans: Sequence[Span], resource: Resource, pace: Pace) -> None:
        """Send one batch while ``pace.left()``; every span is counted on ``pace.health`` as exported or failed."""

    def flush(self, closing: bool) -> None:
        """Put out what was held back; ``closing`` if nothing comes after it."""

    def forget(self) -> None:
        """Drop connections without using them: they belong to the process that this one was forked from."""


class Pipeline:
    """Queue, thread and exporters of one process.

    ``limit`` spans wait at most (and one more for each thread that ends a span at the same moment); a batch is sent
    when ``batch`` wait, or ``delay`` seconds after the last one; ``timeout`` seconds (0: no limit) are given to one
    batch, retries included.
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
        # The queue length from which a span wakes the thread; without a delay every span does.
        self._wake_at = batch - 1 if delay > 0 else 0
        self._limits: Limits | None = None
        #: Called in a forked child that nobody told of the fork.
        self.on_fork: Callable[[], None] = self.forked
        self.reset()

    def reset(self) -> None:
        """Start from nothing: in a new process, and in a forked child, where the parent's spans are the parent's."""
        self.pid = os.getpid()
        self.closed = False
        self.queue: deque[Span] = deque()
        self.health = Health()
        self.pace = Pace(self.health)
        self.losses = Losses(self.health, self.limit)
        self.started = False
        # Popped by the one thread that starts the export thread.
        self._may_start = [True]
        self.forked_at = 0
        self._prepared = False
        self.gate = Gate()
        # The queue length at which `offer` has more to do than to append: start the thread, wake it, drop.
        self.act_at = 0

    # -- the application's side -------------------------------------------------------------------------------------

    def offer(self, span: Span) -> None:
        """Take an ended span. Called by every thread of the application: an append, and nothing else as a rule."""
        queue = self.queue
        length = len(queue)
        if length >= self.act_at:
            self._admit(span, length)
        else:
            queue.append(span)

    def _admit(self, span: Span, length: int) -> None:
        if self.pid != os.getpid():
            # Forked by something that does not tell Python, as uWSGI does.
            self.on_fork()
            length = 0
        health = self.health
        if self.closed:
            health.late += 1
            return
        if length >= self.limit:
            health.overflowed += 1
            return
        self.queue.append(span)
        if not self.started:
            self._start()
        if length < self._wake_at:
            self.act_at = self._wake_at
        elif self.act_at != self.limit:
            # Once is enough until the thread has come round.
            self.act_at = self.limit
            self.pace.wake()
        if self.closed:
            self.act_at = 0

    def _start(self) -> None:
        try:
            self._may_start.pop()
        except IndexError:
            return
        try:
            spawn(self._run)
            self.started = True
        except Exception as error:
            # No thread can be had (a limit, the interpreter is shutting down): the exit flush sends what is queued.
            self._may_start.append(True)
            if not self.pace.hurried and not sys.is_finalizing():
                say(
                    WARN,
                    f"the export thread cannot be started ({error}); spans are sent at exit only",
                    key="no thread",
                )

    def flush(self, timeout: float, closing: bool = False) -> bool:
        """Send what is queued; whether it was all handed to the exporters within ``timeout`` seconds."""
        if not self.started:
            if self.queue:
                self._drain_here(timeout)
            return not self.queue
        command = Command(closing)
        self.pace.wake(command)
        return command.wait(timeout)

    def close(self, timeout: float) -> bool:
        """Send what is queued and accept nothing more; retries are given up, as the process is about to end."""
        if self.closed:
            return True
        self.pace.hurry(timeout)
        sent = self.flush(timeout, closing=True)
        self.closed = True
        self.act_at = 0
        return sent

    def pending(self) -> int:
        """Spans of which it is not known whether they arrived."""
        return len(self.queue) + self.health.sending()

    # -- the export thread's side -----------------------------------------------------------------------------------

    def _run(self) -> None:
        pace = self.pace
        try:
            silence()
            due = monotonic() + self.delay
            while pace is self.pace and not self.closed:
                self.act_at = self._wake_at
                if self.closed:
                    self.act_at = 0
                wait = due - monotonic() if self.delay > 0 else 1.0
                command = pace.next(max(0.0, wait)) if pace.waiting or len(self.queue) <= self._wake_at else None
                everything = command is not None or self.delay <= 0 or monotonic() >= due
                if self._drain(everything) or everything:
                    due = monotonic() + self.delay
                if command is not None:
                    self._flush_exporters(command.closing)
                    command.done()
        except BaseException as error:
            self.started = False
            self._may_start.append(True)
            fault("the export thread", error)

    def _drain_here(self, timeout: float) -> None:
        """Empty the queue on the calling thread: where there is no export thread, at the end of a process."""
        from contextvars import copy_context

        copy_context().run(self._drain_silently, timeout)

    def _drain_silently(self, timeout: float) -> None:
        silence()
        self._drain(True, timeout)
        self._flush_exporters(self.pace.hurried)

    def _drain(self, everything: bool, timeout: float = 0.0) -> bool:
        """Export what is queued (full batches only, unless ``everything``); whether there was anything."""
        queue, pace, found = self.queue, self.pace, False
        while len(queue) >= (1 if everything else self.batch):
            found = True
            if not self._prepared:
                self._prepare()
            spans = self._take()
            pace.begin(min(timeout, self.timeout or timeout) if timeout else self.timeout)
            self._export(spans)
            self.losses.tell()
        return found

    def _export(self, spans: Sequence[Span]) -> None:
        failure = "no exporter took them"
        for exporter in self.exporters:
            try:
                exporter.export(spans, self.resource(), self.pace)
            except Exception as error:
                failure = repr(error)
                fault(f"exporter {type(exporter).__name__}", error)
        unknown = self.health.sending()
        if unknown > 0:
            self.health.fail(unknown, "exporter fault", failure)

    def _prepare(self) -> None:
        self._prepared = True
        for exporter in self.exporters:
            try:
                self.gate.run(exporter.prepare)
            except Exception as error:
                fault(f"exporter {type(exporter).__name__}", error)

    def _take(self) -> Sequence[Span]:
        health, pop = self.health, self.queue.popleft
        spans = []
        health.version += 1
        try:
            for _ in range(self.batch):
                spans.append(pop())
        except IndexError:
            pass
        count = len(spans)
        health.taken += count
        if self.forked_at:
            # Begun by the parent process, which exports them itself.
            since = self.forked_at
            spans = [span for span in spans if span.__dict__.get("begun", span._start_time) >= since]
            health.inherited += count - len(spans)
        health.version += 1
        if spans:
            self._limit(spans)
        return spans

    def _limit(self, spans: Sequence[Span]) -> None:
        limits = spans[0].origin.engine.limits
        if self._limits is None or self._limits.limits is not limits:
            self._limits = Limits(limits)
        try:
            self._limits.apply(spans)
        except Exception as error:
            fault("the limits of attributes", error)

    def _flush_exporters(self, closing: bool) -> None:
        for exporter in self.exporters:
            try:
                exporter.flush(closing)
            except Exception as error:
                fault(f"exporter {type(exporter).__name__}", error)

    # -- fork -------------------------------------------------------------------------------------------------------

    def forking(self) -> None:
        """Before a fork."""
        self.gate.before_fork()

    def forked_parent(self) -> None:
        """After a fork, in the parent."""
        self.gate.after_fork()

    def forked(self) -> None:
        """In a forked child: nothing is shared with the parent."""
        self.reset()
        self.forked_at = time_ns()
        for exporter in self.exporters:
            exporter.forget()


__all__ = ["Exporter", "Pace", "Pipeline"]
