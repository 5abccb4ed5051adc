"""One command of redis-py: its text and name, the procedure that it runs, and whether it may come to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.drivers.exchange import Perhaps
from tracing_agent.semconv.redis_text import one_key, operation_name, redis_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROCEDURES = ("EVALSHA", "EVALSHA_RO", "FCALL", "FCALL_RO")
_WAITING = (
    *("BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP"),
    *("XREAD", "XREADGROUP"),
)
_SPECIAL = frozenset((*_PROCEDURES, *_WAITING))


def said(span: Any, given: Any, args: Sequence[Any]) -> Any:
    """One command; gives what is to be known at its end."""
    return given if one_key(span, args) else described(span, given, args)


def described(span: Any, given: Any, args: Sequence[Any]) -> Any:
    """As `said`, of a command that `one_key` did not take."""
    values = span.values
    values["db.query.text"] = redis_text(args)
    values["db.operation.name"] = span._name = name = operation_name(args)
    word = name.upper()
    if word in _SPECIAL:
        if word in _PROCEDURES:
            if len(args) > 1:
                values["db.stored_procedure.name"] = _text(args[1])
        elif span.up is None and (word != "XREAD" or _blocks(args)):
            return Perhaps(given)
    return given


def _blocks(args: Sequence[Any]) -> bool:
    return any(_text(arg).upper() == "BLOCK" for arg in args[1:5])


def _text(arg: Any) -> str:
    return arg[:256].decode("utf-8", "replace") if type(arg) is bytes else arg[:256] if type(arg) is str else ""
