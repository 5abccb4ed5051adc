"""What errors of redis-py tell: the prefix that the server gave, and the message without values of the program."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracing_agent.semconv.db import failed as db_failed
from tracing_agent.semconv.errors import interrupted, message

if TYPE_CHECKING:
    from tracing_agent.trace.span import Span

# Classes of errors from which redis-py has cut the prefix; before redis-py 7 it is kept nowhere.
_CLASSES = {
    "AskError": "ASK",
    "BusyLoadingError": "LOADING",
    "ClusterCrossSlotError": "CROSSSLOT",
    "ClusterDownError": "CLUSTERDOWN",
    "ExecAbortError": "EXECABORT",
    "MasterDownError": "MASTERDOWN",
    "ModuleError": "ERR",
    "MovedError": "MOVED",
    "NoPermissionError": "NOPERM",
    "NoScriptError": "NOSCRIPT",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "TryAgainError": "TRYAGAIN",
}
_PREFIXES = frozenset(
    (
        "BUSY",
        "BUSYGROUP",
        "BUSYKEY",
        "CROSSSLOT",
        "DENIED",
        "ERR",
        "INPROG",
        "INVALIDOBJ",
        "IOERR",
        "MASTERDOWN",
        "MISCONF",
        "NOAUTH",
        "NOGOODSLAVE",
        "NOGROUP",
        "NOMASTERLINK",
        "NOPROTO",
        "NOQUORUM",
        "NOREPLICAS",
        "NOTBUSY",
        "NOTREADY",
        "OOM",
        "UNBLOCKED",
        "UNKILLABLE",
        "UNSTABLE",
        "WRONGPASS",
        "WRONGTYPE",
    )
)
_WORD = re.compile(r"-?([A-Z][A-Z0-9_]+)(?: |$)")
# redis-py puts the whole command before the message of an error in a pipeline, which is a tuple in asynchronous ones.
_PIPELINE = re.compile(r"Command # \d+ \(.*\) of pipeline caused error: (?:\(['\"])?|['\"],\)$", re.DOTALL)
# What redis-py 6 and 7.0 say instead of it: an f-string that is none.
_LOST = "{exception.args}"
_QUOTE = re.compile(r"(?<!\w)['\"`]")


def failed(span: Span, error: BaseException) -> None:
    """The command raised. A watched key that changed is no error: the program asked to be told."""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    if "WatchError" in kinds or interrupted(error):
        return
    text = message(error)
    if text.startswith("Command # "):
        # Long commands may fill the text: then the message is not in it.
        text, count = _PIPELINE.subn("", str(error))
        text = text[:1024] if count and text != _LOST else ""
    db_failed(span, error, _code(error, kinds[0], text, "ResponseError" in kinds), bare(text))


def _code(error: BaseException, kind: str, text: str, answered: bool) -> str | None:
    code = getattr(error, "status_code", None) or _CLASSES.get(kind)
    if code is not None:
        return str(code)
    if kind == "AuthenticationError":
        return "WRONGPASS" if "username-password" in text else "NOAUTH" if "required" in text else None
    if not answered or not text:
        return None
    word = _WORD.match(text)
    if hasattr(error, "status_code"):
        return word[1] if word else None
    return word[1] if word and word[1] in _PREFIXES else "ERR"


def bare(text: str) -> str:
    """A message's first line up to the first quotation, which holds what the program has sent."""
    text = text.partition("\n")[0]
    quoted = _QUOTE.search(text)
    return text if quoted is None else text[: quoted.start()].rstrip(" ,:(") + " …"
