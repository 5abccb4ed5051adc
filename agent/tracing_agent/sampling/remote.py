"""Sampling as a Jaeger endpoint says: asked again and again, by a thread that lives no longer than one question.

Source: OpenTelemetry specification, "JaegerRemoteSampler".
"""

from __future__ import annotations

import os
from _queue import Empty, SimpleQueue
from _thread import get_native_id
from time import monotonic
from typing import TYPE_CHECKING, Any

from tracing_agent.export.thread import ENDS_FOR_FORK, silence, spawn, wait_until_gone
from tracing_agent.faults import INFO, WARN, describe, say
from tracing_agent.sampling.strategy import Malformed, rule_of
from tracing_agent.trace.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.trace.identity import Trace

# Seconds after which a failed question is asked again, at most; and that a fork waits for the answer to one.
_AGAIN, _FORK_WAIT = 10.0, 2.0


class Unreachable(Exception):
    """There is no usable answer; the text says why."""


class Source:
    """The strategy of one service: at first ``initial``, then what ``ask`` gives every ``interval`` seconds.

    ``where`` names the endpoint for people. Nothing is asked before the first decision, nor while none is needed: a
    decision that finds the last answer too old starts a thread that asks, and does not wait for it.
    """

    def __init__(self, ask: Callable[[], Any], where: str, interval: float, initial: Rule) -> None:
        self.rule = initial
        #: Answers taken, and questions that failed.
        self.answered = self.failed = 0
        self._ask = ask
        self._where = where
        self._interval = interval
        self._due = 0.0
        self._last: Any = None
        self._down = False
        self._thread = 0
        self._token()

    def _token(self) -> None:
        self._pid = os.getpid()
        # Whoever has the token asks; while a process forks it is the fork that has it.
        self._turn: SimpleQueue[None] = SimpleQueue()
        self._turn.put(None)
        self._held = False

    def current(self) -> Rule:
        """The strategy, as far as it is known."""
        if monotonic() >= self._due:
            self._refresh()
        return self.rule

    def _refresh(self) -> None:
        try:
            self._turn.get(False)
        except Empty:
            if self._pid != os.getpid():
                self.forked()  # by something that does not tell Python, while somebody asked
            return
        self._due = monotonic() + self._interval
        try:
            spawn(self._run)
        except Exception as error:
            self._turn.put(None)
            self._failed(f"no thread can be started: {describe(error)}")

    def _run(self) -> None:
        turn = self._turn
        try:
            silence()
            self._thread = get_native_id()
            self.poll()
        finally:
            turn.put(None)

    def poll(self) -> None:
        """Ask once, here and now."""
        try:
            answer = self._ask()
            if answer != self._last:
                # An answer that says nothing new must not begin its windows again.
                self.rule = rule_of(answer)
                self._last = answer
        except (Unreachable, Malformed) as error:
            self._failed(str(error))
        except Exception as error:
            self._failed(describe(error))
        else:
            self.answered += 1
            if self._down:
                self._down = False
                say(INFO, f"remote sampling: {self._where} answers again", key="remote sampling is back")

    def _failed(self, reason: str) -> None:
        self.failed += 1
        self._down = True
        self._due = monotonic() + min(self._interval, _AGAIN)
        state = "the last strategy stays" if self.answered else "the initial rate stays"
        say(
            WARN,
            f"remote sampling: no strategy from {self._where} ({reason}); {state}",
            key=f"remote {self.answered > 0}",
        )

    def forking(self) -> None:
        """Before a fork: let a question come to its end, for a while; none is asked meanwhile."""
        try:
            self._turn.get(True, _FORK_WAIT)
        except Empty:
            return
        self._held = True
        if self._thread and ENDS_FOR_FORK:
            wait_until_gone(self._thread)
            self._thread = 0

    def forked_parent(self) -> None:
        """After a fork, in the parent."""
        if self._held:
            self._held = False
            self._turn.put(None)

    def forked(self) -> None:
        """In a forked child: the strategy is known, and asked for anew."""
        self._token()
        self._due = 0.0


class Remote(Rule):
    """What the source says at the moment. A parent in this process decides in any case."""

    within = late = True

    def __init__(self, source: Source) -> None:
        self.source = source

    def trace(self, id: int, random: int, state: str) -> Trace:
        return self.source.current().trace(id, random, state)

    def below(self, parent: Trace, up: Any) -> Trace:
        return super().below(parent, up) if up.is_remote else parent
