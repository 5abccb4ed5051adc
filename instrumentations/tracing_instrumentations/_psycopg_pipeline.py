"""psycopg's pipeline mode: one span for what is sent together, from its first statement to its last answer.

The rule: statements in a pipeline have no span of their own, as nobody knows when the server ran which; they belong to
a batch. A batch begins with the first statement after the one before it, and ends when every answer has been read: at
a ``sync()``, at a fetch that had to wait, at the latest at the end of the block. A batch of one statement is that
statement. Its error is the first one that the server sent; the statements skipped after it are no errors of their own.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.call import TAKEN
from tracing_agent.semconv.db import batch, query
from tracing_agent.semconv.sql import LIMIT, analysed
from tracing_agent.trace.begin import admit
from tracing_instrumentations._postgresql import failed

if TYPE_CHECKING:
    from psycopg import Pipeline

    from tracing_agent.semconv.db import Peer

_KEY = "_tracing_agent_batch"


class Batch:
    """Statements that were sent and not yet all answered.

    ``expected`` counts the answers to statements that are to come, ``answered`` those that came; commands that psycopg
    sends by itself or for the connection's methods are in ``size`` only. ``uncounted`` says that parameter sets come
    from an iterator: then there are more answers, and it is over at a synchronisation after the first of those.
    """

    __slots__ = ("answered", "expected", "failed", "size", "span", "summaries", "texts", "uncounted")

    def __init__(self, span: Any) -> None:
        self.span = span
        self.size = self.expected = self.answered = 0
        self.failed = self.uncounted = False
        self.texts: dict[str, None] = {}
        self.summaries: set[str] = set()

    def add(self, text: str, sanitise: bool, size: int, answers: int) -> None:
        """One more statement goes out, ``size`` times."""
        self.size += size
        self.expected += answers
        text, summary = analysed(text, sanitise)
        self.summaries.add(summary)
        if sum(map(len, self.texts)) < LIMIT:
            self.texts[text] = None

    def complete(self, synchronised: bool) -> bool:
        """Whether all answers are there."""
        if self.uncounted:
            return synchronised and self.answered > self.expected
        return self.answered >= self.expected

    def close(self, error: BaseException | None) -> None:
        """All is answered, or no answer will come any more."""
        span = self.span
        if not span.recording:
            return
        if error is not None and not self.failed:
            failed(span, error)
        same = self.summaries.pop() if len(self.summaries) == 1 else ""
        values = span.values
        values["db.query.text"] = "; ".join(self.texts)[:LIMIT]
        # How many times an iterator of parameter sets was asked is known by the answers alone.
        name = batch(span, self.size + max(self.answered - self.expected, 0), same)
        if name:
            values["db.query.summary"] = name
        span.origin.finish(span)


def joined(span: Any, pipeline: Any, peer: Peer, text: str, sanitise: bool, size: int | None, answers: int) -> Any:
    """A statement is run in a pipeline: it joins the batch, which keeps the span of its first one."""
    found = pipeline.__dict__.get(_KEY)
    if found is None:
        query(span, peer, text, sanitise)
        engine = span.origin.engine
        found = pipeline.__dict__[_KEY] = Batch(admit(engine, span) if engine.deferred else span)
        # As the call itself has no span.
        engine.started += 1
        engine.unsampled += not span.trace.recorded
        if engine.metrics is not None:
            engine.metrics.started.begun(span)
    found.add(text, sanitise, size or 0, answers)
    if size is None:
        found.uncounted = True
    return TAKEN


def processed(error: BaseException | None, pipeline: Pipeline, queued: Any = None, results: Any = None) -> None:
    """An answer was read; ``queued`` is None where it answers a command and not a statement."""
    found = pipeline.__dict__.get(_KEY)
    if found is None:
        return
    if queued is not None:
        found.answered += 1
    if error is not None and not found.failed and found.span.recording:
        failed(found.span, error)
        found.failed = True
    if not pipeline.result_queue and found.complete(queued is None):
        del pipeline.__dict__[_KEY]
        found.close(None)


def exited(error: BaseException | None, pipeline: Pipeline, *more: Any) -> None:
    """A block was left; the outermost one ends the pipeline."""
    if pipeline.level > 0:
        return
    found = pipeline.__dict__.pop(_KEY, None)
    if found is not None:
        # Answers that never came: by the exception that the block is being left with.
        found.close(error or (None if found.complete(True) else sys.exc_info()[1]))
