"""One command of redis-py: its text and name, the procedure that it runs, and whether it may come to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.exchange import Perhaps
from tracing_agent.semconv.db import PEER
from tracing_agent.semconv.redis_text import NAME_LIMIT, SHORT, in_full, operation_name, redis_text, short
from tracing_instrumentations._redis_peer import peer_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROCEDURES = ("EVALSHA", "EVALSHA_RO", "FCALL", "FCALL_RO")
_WAITING = (
    *("BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP"),
    *("XREAD", "XREADGROUP"),
)
_SPECIAL = frozenset((*_PROCEDURES, *_WAITING))
# By the number of arguments, the client counted.
_SHORT: tuple[Any, ...] = ({}, *SHORT)


def said(span: Any, given: Any, args: Sequence[Any]) -> Any:
    """One command; gives what is to be known at its end."""
    values = span.values
    span._name, words = described(short(args) or (operation_name(args), redis_text(args)))
    values.update(words)
    word = span._name.upper()
    if word in _SPECIAL:
        if word in _PROCEDURES:
            if len(args) > 1:
                values["db.stored_procedure.name"] = _text(args[1])
        elif span.up is None and (word != "XREAD" or _blocks(args)):
            return Perhaps(given)
    return given


def note(args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, Any] | None:
    """The pool of a client, and what its command says as `described` takes it; None if `said` has more to tell."""
    try:
        # As `short`, without its call.
        name, behind = _SHORT[len(args)][args[1]]
        key, pool = args[2], args[0].connection_pool
        if type(key) is str and pool._tracing_agent_peer is not None:
            return pool, (name, key if len(key) <= NAME_LIMIT else key[: NAME_LIMIT + 1], behind)
    except (LookupError, TypeError, AttributeError):
        pass
    return _noted(args)


def _noted(args: tuple[Any, ...]) -> tuple[Any, Any] | None:
    """As `note`, of the first command of a pool, and of those that show more than a key."""
    if not args:
        return None
    pool, command = args[0].connection_pool, args[1:]
    if getattr(pool, PEER, None) is None:
        peer_of(pool)
        if not hasattr(pool, PEER):
            return None
    name = operation_name(command)
    if name.upper() in _SPECIAL:
        return None
    return pool, short(command) or (name, redis_text(command))


def described(told: Any) -> tuple[str, dict[str, str]]:
    """Name and attributes of a command that was noted."""
    text = in_full(*told) if len(told) == 3 else told[1]
    return told[0], {"db.query.text": text, "db.operation.name": told[0]}


def _blocks(args: Sequence[Any]) -> bool:
    return any(_text(arg).upper() == "BLOCK" for arg in args[1:5])


def _text(arg: Any) -> str:
    return arg[:256].decode("utf-8", "replace") if type(arg) is bytes else arg[:256] if type(arg) is str else ""
