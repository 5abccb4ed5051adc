"""Errors of redis-py, of every version's form, and what is left of their messages."""

from __future__ import annotations

import pytest
import redis

from databases.redis.kinds import VERSION
from support.recorder import Recorder
from tracing_agent.trace.span import Span
from tracing_instrumentations._redis_errors import bare, failed

PIPELINE = "Command # 1 (SET key s3cret) of pipeline caused error: "


def described(recorder: Recorder, error: BaseException) -> tuple[str | None, str | None]:
    """Status code and description of a span that ``error`` ended."""
    span = recorder.tracer.start_span("command")
    assert type(span) is Span
    failed(span, error)
    attributes = dict(span.attributes or {})
    code = attributes.pop("db.response.status_code", None)
    assert attributes in ({"error.type": code}, {"error.type": f"redis.exceptions.{type(error).__name__}"})
    return (None if code is None else str(code)), span.status.description


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (redis.exceptions.NoScriptError("No matching script."), "NOSCRIPT", "No matching script."),
        (redis.exceptions.ReadOnlyError("You can't write."), "READONLY", "You can't write."),
        (redis.exceptions.ExecAbortError("Transaction discarded."), "EXECABORT", "Transaction discarded."),
        (redis.ResponseError("WRONGTYPE Operation"), "WRONGTYPE", "WRONGTYPE Operation"),
        (redis.ResponseError(PIPELINE + "WRONGTYPE Operation"), "WRONGTYPE", "WRONGTYPE Operation"),
        (redis.ResponseError(PIPELINE + "('WRONGTYPE Operation',)"), "WRONGTYPE", "WRONGTYPE Operation"),
        (redis.ResponseError(PIPELINE + PIPELINE + "WRONGTYPE it"), "WRONGTYPE", "WRONGTYPE it"),
        (redis.ResponseError("Command # 1 (SET key s3cret) of pipe"), None, None),
        (redis.ResponseError(""), None, None),
        (redis.ConnectionError("Connection closed by server."), None, "Connection closed by server."),
        (redis.DataError("Invalid input of type: 'dict' for s3cret"), None, "Invalid input of type …"),
    ],
)
def test_codes(recorder: Recorder, error: BaseException, code: str | None, text: str | None) -> None:
    """The prefix is told where redis-py has kept it, or its class says it; the message without the command."""
    assert described(recorder, error) == (code, text)


def test_cut_prefix(recorder: Recorder) -> None:
    """Where redis-py has cut the general prefix, a command's name at the start of the message is not taken for one."""
    error = redis.ResponseError("EXEC without MULTI")
    if VERSION >= (7, 1):
        error.status_code = "ERR"
    assert described(recorder, error) == ("ERR", "EXEC without MULTI")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("You can't do that", "You can't do that"),
        ("unknown command 'FOO', with args beginning with: 's3cret'", "unknown command …"),
        ("Error in ACL SETUSER modifier '>s3cret': Syntax error", "Error in ACL SETUSER modifier …"),
        ("Missing key.\nCommand: s3cret", "Missing key."),
        ('"s3cret" is wrong', " …"),
        ("", ""),
    ],
)
def test_bare(text: str, left: str) -> None:
    """user-pain row 14: nothing that a message quotes is told."""
    assert bare(text) == left
