"""The queues of redis-py's pipelines, wherever a version keeps them, and what a batch of commands says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.semconv import db
from tracing_agent.semconv.redis_text import TEXT_LIMIT, operation_name, redis_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracing_agent.trace.span import Span


class Queue:
    """What a pipeline is about to send: ``commands`` as redis-py queued them."""

    __slots__ = ("commands", "transaction", "watching")

    def __init__(self, commands: Sequence[Any], transaction: bool, watching: bool) -> None:
        self.commands = commands
        self.transaction = transaction
        self.watching = watching

    @property
    def empty(self) -> bool:
        """Whether nothing will be sent. A transaction that watches keys is sent without commands too."""
        return not self.commands and not (self.transaction and self.watching)

    def args(self, index: int) -> Sequence[Any]:
        """Name and arguments of a command: the first of a pair, or held by an object."""
        command = self.commands[index]
        args: Sequence[Any] = command[0] if type(command) is tuple else command.args
        return args


def queue_of(pipeline: Any) -> Queue:
    """The queue of a pipeline of one server."""
    # An asynchronous pipeline's `transaction` is the method that it has of the client.
    transaction = pipeline.__dict__.get("is_transaction", pipeline.transaction)
    return Queue(pipeline.command_stack, bool(transaction or pipeline.explicit_transaction), pipeline.watching)


def routed_queue_of(pipeline: Any) -> Queue:
    """The queue of a pipeline of a cluster, which its strategy holds since redis-py 6, or of a `MultiDBClient`."""
    strategy = getattr(pipeline, "_execution_strategy", None)
    if strategy is not None:
        transaction = hasattr(strategy, "_explicit_transaction")
        return Queue(strategy._command_queue, transaction, getattr(strategy, "_watching", False))
    commands = getattr(pipeline, "_command_stack", None)
    active = active_client(pipeline)
    # It fills a pipeline of the active client, which is a transaction unless the client is a cluster's.
    return Queue(pipeline.command_stack if commands is None else commands, hasattr(active, "connection_pool"), False)


def active_client(client: Any) -> Any:
    """The client of the active database of a `MultiDBClient`, or of its pipeline; None where there is none."""
    executor = getattr(getattr(client, "_client", client), "command_executor", None)
    active = None if executor is None else executor.active_database
    return None if active is None else active.client


def batch(span: Span, queue: Queue) -> None:
    """Several commands, or none, in one message. Source: semantic conventions 1.44, "Batches"."""
    size, values = len(queue.commands), span.values
    same = operation_name(queue.args(0)) if size else ""
    for index in range(1, size):
        if operation_name(queue.args(index)) != same:
            same = ""
            break
    values["db.operation.name"] = db.batch(span, size, same, "MULTI" if queue.transaction else "PIPELINE")
    pieces, length = [], 0
    for index in range(size):
        piece = redis_text(queue.args(index))
        length += len(piece) + 2
        if length > TEXT_LIMIT:
            pieces.append("…")
            break
        pieces.append(piece)
    if pieces:
        values["db.query.text"] = pieces[0] if len(set(pieces)) == 1 else "; ".join(pieces)
