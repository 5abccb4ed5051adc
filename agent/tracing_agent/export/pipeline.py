"""The way out of the process: a bounded queue that the application appends to, and one thread that empties it."""

from __future__ import annotations

import os
from _thread import get_native_id
from collections import deque
from time import monotonic, time_ns
from typing import TYPE_CHECKING

from tracing_agent.export.drain import Drain, Exporter
from tracing_agent.export.health import Health
from tracing_agent.export.notices import Losses
from tracing_agent.export.pace import Command, Pace
from tracing_agent.export.thread import ENDS_FOR_FORK, ENDS_WITH_INTERPRETER, silence, spawn, wait_until_gone
from tracing_agent.faults import WARN, fault, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.resources import Resource

    from tracing_agent.export.old_names import OldNames
    from tracing_agent.trace.sketch import Sketch
    from tracing_agent.trace.span import Span

# Seconds that a fork waits at most while the export thread sends; and while it imports what it needs (once) or has
# nothing to do, but may be short of processor time.
_SENDING_WAIT, _IDLE_WAIT = 0.1, 2.0
# Seconds for a batch, retries included, while somebody waits for it: a program that flushes by itself would else stand
# for as long as a dead collector is retried.
_ASKED_MAX = 10.0


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
        self._old_names: OldNames | None = None
        # The queue length from which a span wakes the thread; without a delay every span does.
        self._wake_at = batch - 1 if delay > 0 else 0
        #: Called in a forked child that nobody told of the fork.
        self.on_fork: Callable[[], None] = self.forked
        self.reset()

    @property
    def old_names(self) -> OldNames | None:
        """What adds the old names of attributes to spans on their way out, if anything."""
        return self._old_names

    @old_names.setter
    def old_names(self, old_names: OldNames | None) -> None:
        self._old_names = self.drain.old_names = old_names

    def reset(self) -> None:
        """Start from nothing: in a new process, and in a forked child, where the parent's spans are the parent's."""
        self.pid = os.getpid()
        self.closed = False
        self.queue: deque[Span | Sketch] = deque()
        self.health = Health()
        self.pace = Pace(self.health)
        losses = Losses(self.health, self.limit)
        self.drain = Drain(self.queue, self.exporters, self.resource, self.pace, losses, self.batch, self.timeout)
        self.drain.old_names = self._old_names
        self.started = False
        # The export thread's number in the system.
        self._thread = 0
        # Popped by the one thread that starts the export thread.
        self._may_start = [True]
        # Asked to keep still for a fork that is not over.
        self._parked: list[Command] = []
        # The queue length at which `offer` has more to do than to append: start the thread, wake it, drop.
        self.act_at = 0

    # -- the application's side -------------------------------------------------------------------------------------

    def offer(self, span: Span | Sketch) -> None:
        """Take an ended span, or a sketch of one. Called by every thread of the application: as a rule, an append."""
        queue = self.queue
        length = len(queue)
        if length >= self.act_at:
            self.admit(span, length)
        else:
            queue.append(span)

    def admit(self, span: Span | Sketch, length: int) -> None:
        """Take an ended span where more is to be done than to append it: the queue had reached ``act_at``."""
        if self.pid != os.getpid():
            # Forked by something that does not tell Python, as uWSGI does; when, nobody knows.
            self.on_fork()
            self.drain.since = length = 0
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
        self.started = True
        try:
            spawn(self._run)
        except Exception as error:
            # No thread can be had (a limit, the interpreter is shutting down): the exit flush sends what is queued.
            self._ended()
            if not self.pace.hurried and "shutdown" not in str(error):
                say(
                    WARN,
                    f"the export thread cannot be started ({error}); spans are sent at exit only",
                    key="no thread",
                )

    def flush(self, timeout: float, closing: bool = False) -> bool:
        """Send what is queued; whether it was all handed to the exporters within ``timeout`` seconds."""
        if self.started:
            command = Command(closing=closing)
            self.pace.wake(command)
            if not self.started:
                self._start()  # it went away for a fork just now
            return command.wait(timeout)
        if self.queue or self.drain.prepared:
            from contextvars import copy_context

            return copy_context().run(self._flush_here, timeout, closing)
        return True

    def _flush_here(self, timeout: float, closing: bool) -> bool:
        """Without an export thread: none can be had, or none was needed since a fork."""
        silence()
        self.drain.prepare()
        sent = self.drain.run(True, timeout)
        self.drain.flush(closing)
        return sent is not None

    def close(self, timeout: float) -> bool:
        """Send what is queued and accept nothing more; retries are given up, as the process is about to end."""
        if self.closed:
            return True
        until = monotonic() + timeout
        self.pace.hurry(timeout)
        self.flush(timeout)
        self.closed = True
        self.act_at = 0
        # And what threads that go on recording have queued meanwhile.
        sent = self.flush(until - monotonic(), closing=True)
        if self.started and ENDS_WITH_INTERPRETER:
            wait_until_gone(self._thread)
        return sent

    def pending(self) -> int:
        """Spans of which it is not known whether they arrived."""
        return len(self.queue) + self.health.sending()

    # -- the export thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._thread = get_native_id()
        try:
            silence()
            # Now and not with the first batch, which may come when the process ends: imports then are late or fail.
            self.drain.prepare()
            self._serve(self.pace, self.drain)
        except BaseException as error:
            self._ended()
            fault("the export thread", error)

    def _serve(self, pace: Pace, drain: Drain) -> None:
        due = monotonic() + self.delay
        # Not until it is closed: a thread that ends by itself may do so in the middle of a fork.
        while pace is self.pace:
            self.act_at = self._wake_at
            if self.closed:
                self.act_at = 0
            wait = due - monotonic() if self.delay > 0 else 1.0
            command = pace.next(max(0.0, wait)) if pace.waiting or len(self.queue) <= self._wake_at else None
            if command is not None and command.parking:
                if self._park(command):
                    return
                command = None
            everything = command is not None or self.delay <= 0 or monotonic() >= due
            if drain.run(everything, _ASKED_MAX if command is not None else 0.0) or everything:
                due = monotonic() + self.delay
            if command is not None:
                drain.flush(command.closing)
                command.done()
                if command.closing and ENDS_WITH_INTERPRETER:
                    return

    def _park(self, command: Command) -> bool:
        """Be out of the way of a fork; whether the thread has to end for it."""
        if command.withdrawn:
            return False
        if not ENDS_FOR_FORK:
            command.done()
            command.keep_still()
            return False
        # Another is started after the fork, and not by what other threads record meanwhile.
        self.started = False
        self.act_at = 0
        command.done()
        if command.withdrawn:
            self._restart()  # just too late
        return True

    def _ended(self) -> None:
        """There is no thread any more: the next span starts another."""
        self.started = False
        self._may_start[:] = [True]
        self.act_at = 0

    def _restart(self) -> None:
        self._ended()
        if self.queue or self.pace.collect():
            self._start()
            self.pace.wake()  # one that was started meanwhile does not know what was collected

    # -- fork -------------------------------------------------------------------------------------------------------

    def forking(self) -> None:
        """Before a fork: have the export thread keep still, in the middle of nothing.

        A child that is forked while it imports a module can never import that one, while it looks up a name may never
        look up another; and Python warns of every fork in a process with threads. It is not waited for long.
        """
        if self.started:
            command = Command(parking=True)
            self._parked.append(command)
            self.pace.wake(command)
            parked = command.wait(_SENDING_WAIT if self.drain.sending() else _IDLE_WAIT)
            if parked and ENDS_FOR_FORK:
                wait_until_gone(self._thread)

    def forked_parent(self) -> None:
        """After a fork, in the parent."""
        while self._parked:
            self._parked.pop().go_on()
            if not self.started:
                # What waits is sent with the next span, or at the end: Python counts the threads after this.
                self._ended()
                if self.pace.collect():
                    self._restart()  # somebody waits for an answer

    def forked(self) -> None:
        """In a forked child: nothing is shared with the parent."""
        self.reset()
        self.drain.since = time_ns()
        for exporter in self.exporters:
            exporter.forget()


__all__ = ["Exporter", "Pace", "Pipeline"]
