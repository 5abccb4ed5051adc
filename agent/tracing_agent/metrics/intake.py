"""The way of ended spans into the instruments: a bounded queue that the program appends to, and a thread of our own.

The SDK's instruments take locks, and a span may end anywhere: in a finaliser or a signal handler that interrupts a
thread which holds such a lock. So nothing of the program's measures; what does holds the one token, and never waits
for it.
"""

from __future__ import annotations

import os
from _queue import Empty, SimpleQueue
from _thread import get_native_id
from collections import deque
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Protocol

from tracing_agent.export.pace import Command
from tracing_agent.export.thread import ENDS_FOR_FORK, silence, spawn, wait_until_gone
from tracing_agent.faults import WARN, fault, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracing_agent.drivers.lent import Timing
    from tracing_agent.trace.span import Span

    Item = Span | Timing

#: Spans that wait at most, from how many on the thread is woken, and for how many seconds fewer may wait.
LIMIT, BATCH, LONGEST = 8192, 512, 5.0
# Seconds that a fork waits at most while the thread sends; and while it does not, but may be short of processor time.
_SENDING_WAIT, _IDLE_WAIT = 0.1, 2.0


class Work(Protocol):
    """What is done with measured spans, by whoever holds the token."""

    def prepare(self) -> None:
        """Import and make what measuring needs, once."""

    def measure(self, spans: Sequence[Item]) -> None:
        """Put the items into the instruments."""

    def begin(self) -> None:
        """The thread has started."""

    def wait(self) -> float:
        """Seconds until there is something to send."""

    def send(self, now: bool, closing: bool) -> None:
        """Send what is due, or all ``now``; not under the token, as it may take long. Runs in the thread."""


class Intake:
    """Queue and thread of one process. ``lost`` counts spans that were not measured, because the queue was full."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.since = 0
        #: Called in a forked child that nobody told of the fork.
        self.on_fork: Callable[[], None] = self.forked
        self.reset()

    def reset(self) -> None:
        """Start from nothing."""
        self.pid = os.getpid()
        self.queue: deque[Item] = deque()
        self.lost = 0
        self.closed = self.started = self.prepared = self._sending = False
        self._may_start = [True]
        self._thread = 0
        self._parked: list[Command] = []
        self._wake: SimpleQueue[Command | None] = SimpleQueue()
        self._token: SimpleQueue[None] = SimpleQueue()
        self._token.put(None)
        # The length of the queue at which `offer` has more to do than to append.
        self.act_at = 0

    # -- the program's side -----------------------------------------------------------------------------------------

    def offer(self, span: Item) -> None:
        """Take an ended span, or what else was timed."""
        queue = self.queue
        length = len(queue)
        if length >= self.act_at:
            self._admit(span, length)
        else:
            queue.append(span)

    def _admit(self, span: Item, length: int) -> None:
        if self.pid != os.getpid():
            self.on_fork()
            length = 0
        if self.closed:
            return
        if length >= LIMIT and not (self.prepared and self.drain()):
            self.lost += 1
            say(WARN, f"more than {LIMIT} operations wait to be measured; some are missing in the metrics", key="lost")
            return
        self.queue.append(span)
        if not self.started:
            self.start()
        if length < BATCH - 1:
            self.act_at = BATCH - 1
        elif self.act_at != LIMIT:
            self.act_at = LIMIT
            self._wake.put(None)

    def start(self) -> None:
        """Start the thread, unless somebody did."""
        try:
            self._may_start.pop()
        except IndexError:
            return
        self.started = True
        try:
            spawn(self._run)
        except Exception as error:
            self._ended()
            if "shutdown" not in str(error):
                say(WARN, f"the thread of the metrics cannot be started ({error}); there are none", key="no thread")

    # -- with the token ---------------------------------------------------------------------------------------------

    def drain(self, seconds: float = 0.0) -> bool:
        """Measure what is queued; false if another thread holds the token for longer than ``seconds``."""
        try:
            if seconds:
                self._token.get(True, seconds)
            else:
                self._token.get(False)
        except Empty:
            return False
        try:
            if not self.prepared:
                self.work.prepare()
                self.prepared = True
            self._measure()
        finally:
            self._token.put(None)
        return True

    def with_token(self, function: Callable[[], None], seconds: float) -> bool:
        """Measure what is queued and call ``function`` before anybody else measures; false if that cannot be had."""
        if not self.drain(seconds):
            return False
        try:
            self._token.get(True, seconds)
        except Empty:
            return False
        try:
            self._measure()
            function()
        finally:
            self._token.put(None)
        return True

    def _measure(self) -> None:
        pop, since, spans = self.queue.popleft, self.since, []
        try:
            for _ in range(LIMIT):
                spans.append(pop())
        except IndexError:
            pass
        if since:
            # What began before the fork is the parent's to measure.
            spans = [span for span in spans if span.__dict__.get("begun", span._start_time) >= since]
        if spans:
            self.work.measure(spans)

    # -- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._thread = get_native_id()
            silence()
            self._serve(self._wake)
        except BaseException as error:
            self._ended()
            fault("the thread of the metrics", error)

    def _serve(self, wake: SimpleQueue[Command | None]) -> None:
        self.work.begin()
        self.drain(LONGEST)
        while wake is self._wake:
            if not self.closed:
                self.act_at = BATCH - 1
            command: Command | None = None
            if len(self.queue) < BATCH:
                try:
                    command = wake.get(True, max(0.0, min(LONGEST, self.work.wait())))
                except Empty:
                    pass
            if command is not None and command.parking:
                if self._park(command):
                    return
                continue
            self.drain(LONGEST)
            self._sending = True
            self.work.send(command is not None, command is not None and command.closing)
            self._sending = False
            if command is not None:
                command.done()

    def _park(self, command: Command) -> bool:
        if command.withdrawn:
            return False
        if not ENDS_FOR_FORK:
            command.done()
            command.keep_still()
            return False
        self.started = False
        command.done()
        return True

    def _ended(self) -> None:
        self.started = False
        self._may_start[:] = [True]
        self.act_at = 0

    # -- fork, and the end ------------------------------------------------------------------------------------------

    def forking(self) -> None:
        """Before a fork: have the thread be in the middle of nothing."""
        if self.started:
            command = Command(parking=True)
            self._parked.append(command)
            self._wake.put(command)
            if command.wait(_SENDING_WAIT if self._sending else _IDLE_WAIT) and ENDS_FOR_FORK:
                wait_until_gone(self._thread)

    def forked_parent(self) -> None:
        """After a fork, in the parent."""
        while self._parked:
            self._parked.pop().go_on()
            if not self.started:
                # The next operation starts it: Python counts the threads after this, and warns of more than one.
                self._ended()
                if not self._wake.empty():
                    self.start()  # somebody waits for an answer

    def forked(self) -> None:
        """In a forked child."""
        self.reset()
        self.since = time_ns()

    def flush(self, timeout: float, closing: bool = False) -> bool:
        """Send everything, for at most ``timeout`` seconds; whether that was time enough."""
        if not self.started:
            if not (self.queue or self.prepared):
                return True
            self.start()
            if not self.started:
                from contextvars import copy_context

                return copy_context().run(self._flush_here, timeout, closing)
        until = monotonic() + timeout
        command = Command(closing=closing)
        self._wake.put(command)
        if closing:
            self.closed = True
            self.act_at = 0
        return command.wait(until - monotonic())

    def _flush_here(self, timeout: float, closing: bool) -> bool:
        """Without the thread: at the end of the process Python 3.12 and later may start none."""
        silence()
        self.work.begin()
        drained = self.drain(timeout)
        self.work.send(True, closing)
        self.closed = self.closed or closing
        return drained
