"""Calls that run SQL, in the shape of PEP 249: what the modules of SQL libraries share.

A library's module says by an `Interface` where a call goes and what its text is; `execute` and `executemany` wrap its
functions of that shape, whatever kind of function they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.semconv.db import described, settings_of
from tracing_agent.semconv.sql import LIMIT
from tracing_agent.semconv.sqlcommenter import append_comment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.drivers.call import Failed
    from tracing_agent.drivers.sketched import Note
    from tracing_agent.operation import Operation
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.carrier import Carrier
    from tracing_agent.trace.engine import Engine

    #: ``(span, holder, text, sanitise, size)``; ``size`` is the number of parameter sets, None where it is not known.
    Describe = Callable[[Any, Any, str, bool, "int | None"], Any]
    #: Of statement: its text, and whether its values are in the text.
    Read = Callable[[Any], "tuple[str, bool]"]

_COMMON = frozenset((tuple, list, dict))
# W3C, OpenTracing, Jaeger.
_BAGGAGE = ("baggage", "ot-baggage-", "uberctx-")


class Interface:
    """How one library's calls that run SQL tell of themselves.

    ``describe`` sends text to `semconv.db` and may give `TAKEN`; ``read`` gives the text of a statement that is no str;
    ``holder(holder)`` gives what holds the peer of a call that can be told in a few words, None for any other;
    ``rows(span, result)`` records how many rows came; ``comment`` rewrites the arguments so that the statement ends in
    a comment (see `drivers.rewritten`). ``keywords`` are the library's names of statement, parameter sets, parameters.
    """

    __slots__ = ("comment", "describe", "failed", "holder", "keywords", "operation", "read", "rows")

    def __init__(
        self,
        operation: Operation,
        describe: Describe,
        failed: Failed,
        read: Read,
        rows: Callable[[Any, Any], None] | None = None,
        comment: Callable[..., tuple[Any, ...]] | None = None,
        keywords: tuple[str, str, str] = ("query", "params_seq", "params"),
        holder: Callable[[Any], Any] | None = None,
    ) -> None:
        self.operation = operation
        self.describe = describe
        self.failed = failed
        self.read = read
        self.rows = rows
        self.comment = comment
        self.keywords = keywords
        self.holder = holder


def execute(interface: Interface, plain: Any, rewriting: Any = None, sketching: Any = None) -> Wrap:
    """``execute(holder, statement, params)``, and what has that shape.

    ``plain`` is the driver for that kind of function, ``rewriting`` the one that can change its arguments,
    ``sketching`` the one for those that can be told in a few words.
    """

    def wrap(original: Any, engine: Engine) -> Any:
        settings = settings_of(engine)
        describe, read, sanitise = interface.describe, interface.read, settings.sanitise
        keyword = interface.keywords[0]

        def start(span: Any, holder: Any, statement: Any = "", params: Any = None, *more: Any, **options: Any) -> Any:
            if options and not statement:
                statement = options.get(keyword, "")
            text, bare = (statement, True) if type(statement) is str else read(statement)
            bare = bare and (params is None or (type(params) in _COMMON and not params))
            return describe(span, holder, text, sanitise and bare, 1)

        end = interface.rows if settings.returned_rows else None
        if settings.comments and interface.comment is not None:
            driver = rewriting(interface.operation, start, end, interface.failed, carry=interface.comment)
        else:
            driver = plain(interface.operation, start, end, interface.failed)
            if sketching is not None and end is None:
                note = noting(interface, sanitise)
                driver = sketching(interface.operation, note, described, _failed(interface), driver)
        return driver(original, engine)

    return wrap


def noting(interface: Interface, sanitise: bool) -> Note:
    """The function that gives a call's holder of a peer and, as `semconv.db.described` takes them, its text."""
    holder_of, read, keyword = interface.holder, interface.read, interface.keywords[2]
    assert holder_of is not None

    def note(args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, Any] | None:
        count = len(args)
        if not 1 < count < 4 or (options and keyword in options):
            return None
        holder = holder_of(args[0])
        if holder is None:
            return None
        text, bare = args[1], sanitise
        if type(text) is not str:
            text, values = read(text)
            bare = sanitise and values
        if bare and count == 3:
            params = args[2]
            bare = params is None or (type(params) in _COMMON and not params)
        return holder, (text if len(text) <= LIMIT else text[:LIMIT], bare, holder._tracing_agent_peer.target)

    return note


def _failed(interface: Interface) -> Callable[[Any, Any, BaseException], None]:
    return lambda span, args, error: interface.failed(span, error)


def comment_of(carrier: Carrier, identity: Any) -> dict[str, str]:
    """What a comment says: the identity in the formats of ``OTEL_PROPAGATORS``; baggage is not for logs."""
    pairs: dict[str, str] = {}
    carrier.inject(identity, pairs.__setitem__)
    return {name: value for name, value in pairs.items() if not name.lower().startswith(_BAGGAGE)}


def commented(statement: Any, pairs: dict[str, str], percent_doubled: bool) -> Any:
    """``statement``, text or bytes, with a comment; anything else as it is."""
    if isinstance(statement, str):
        return append_comment(statement, pairs, percent_doubled=percent_doubled)
    if isinstance(statement, bytes):
        # Every byte is a character and back: what is looked for is ASCII in all encodings of clients.
        text = append_comment(statement.decode("latin-1"), pairs, percent_doubled=percent_doubled)
        return text.encode("latin-1")
    return statement
