"""The ids of the current span on every log record, of `logging`, structlog and loguru.

Loaded when one of them is imported, so it imports nothing. It touches no handler, level, format or factory: what a
program configures, before or after, is as without it. Until the agent starts there is no span, and the ids are empty.
"""

from __future__ import annotations

import sys

from tracing_agent.faults import fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    Ids = dict[str, Any]

#: Whatever a format names can be formatted outside of a span, too. The first four are contrib's, and their values.
_NOTHING: Ids = {
    "otelTraceID": "0",
    "otelSpanID": "0",
    "otelTraceSampled": False,
    "otelServiceName": "",
    "trace_id": "",
    "span_id": "",
}
#: The modules of which `correlate` knows what to do.
MODULES = ("logging", "structlog._base", "loguru._logger")


class _State:
    """``current`` gives the current context, once there can be spans, and ``key`` is where a context has its span.

    ``last`` is the span that was asked for last (trace id, span id) with its ids: a request logs more than one line.
    """

    current: Callable[[], Any] | None = None
    key = ""
    nothing = _NOTHING
    last: tuple[int, int, Ids] = (0, 0, _NOTHING)


def begin(current: Callable[[], Any], key: str, service: object) -> None:
    """From now on there are spans; ``service`` is the name of this one."""
    _State.nothing = {**_NOTHING, "otelServiceName": str(service or "")}
    _State.last = (0, 0, _State.nothing)
    _State.key = key
    _State.current = current


def ids() -> Ids:
    """The ids of the current span under the names of record attributes; shared, so not to be changed."""
    current = _State.current
    if current is None:
        return _NOTHING
    span = current().get(_State.key)
    if span is None:
        return _State.nothing
    try:
        trace, span_id = span.trace, span.span_id
        trace_id, flags = trace.id, trace.flags
    except AttributeError:
        # Another make's span.
        context = span.get_span_context()
        trace_id, span_id, flags = context.trace_id, context.span_id, context.trace_flags
    last = _State.last
    if last[1] == span_id and last[0] == trace_id:
        return last[2]
    if not trace_id:
        return _State.nothing
    trace_text, span_text = f"{trace_id:032x}", f"{span_id:016x}"
    found = {
        "otelTraceID": trace_text,
        "otelSpanID": span_text,
        "otelTraceSampled": bool(flags & 1),
        "otelServiceName": _State.nothing["otelServiceName"],
        "trace_id": trace_text,
        "span_id": span_text,
    }
    _State.last = (trace_id, span_id, found)
    return found


def correlate(module: ModuleType) -> None:
    """Put ids on the records of the logging library that ``module`` is part of."""
    {"logging": _logging, "structlog._base": _structlog, "loguru._logger": _loguru}[module.__name__](module)


def _logging(logging: Any) -> None:
    from functools import wraps  # `logging` has imported it

    record, logger = logging.LogRecord, logging.Logger
    made, make = record.__init__, logger.makeRecord

    # In the constructor, so that a record factory of the program's own, set before or after, makes such records too.
    @wraps(made)
    def initialised(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        try:
            self.__dict__.update(ids())
        except Exception as error:
            fault("the ids of a log record", error)

    # An ``extra`` may not overwrite what a record has, but the program does not know that it has these.
    @wraps(make)
    def making(
        self: Any,
        name: Any,
        level: Any,
        fn: Any,
        lno: Any,
        msg: Any,
        args: Any,
        exc_info: Any,
        func: Any = None,
        extra: Any = None,
        sinfo: Any = None,
    ) -> Any:
        if extra is not None:
            own = {key: extra[key] for key in _NOTHING if key in extra}
            if own:
                rest = {key: extra[key] for key in extra if key not in own}
                found = make(self, name, level, fn, lno, msg, args, exc_info, func, rest, sinfo)
                found.__dict__.update(own)
                return found
        return make(self, name, level, fn, lno, msg, args, exc_info, func, extra, sinfo)

    record.__init__ = initialised
    logger.makeRecord = making
    _show(logging)


def _show(logging: Any) -> None:
    """``OTEL_PYTHON_LOG_CORRELATION=true``: a handler with a format that shows the ids, where there is none yet."""
    from os import environ

    if environ.get("OTEL_PYTHON_LOG_CORRELATION", "").strip().lower() == "true":
        from tracing_agent.config_logs import Logs
        from tracing_agent.config_reader import Reader

        settings = Logs(Reader(environ))
        logging.basicConfig(format=settings.format, level=settings.level)


def _structlog(base: Any) -> None:
    from functools import wraps

    process = base.BoundLoggerBase._process_event

    @wraps(process)
    def processed(self: Any, method_name: Any, event: Any, event_kw: Any) -> Any:
        try:
            found = ids()
            if found["trace_id"]:
                own = {**self._context, **event_kw}
                # What the program keeps there would lose against what an event has.
                contextvars = sys.modules.get("structlog.contextvars")
                if contextvars is not None:
                    own.update(contextvars.get_contextvars())
                event_kw = {**{key: found[key] for key in ("trace_id", "span_id") if key not in own}, **event_kw}
        except Exception as error:
            fault("the ids of a structlog event", error)
        return process(self, method_name, event, event_kw)

    base.BoundLoggerBase._process_event = processed


def _loguru(module: Any) -> None:
    def patch(record: Any) -> None:
        try:
            extra = record["extra"]
            for key, value in ids().items():
                extra.setdefault(key, value)
        except Exception as error:
            fault("the ids of a loguru record", error)

    # Of the program's own there may be one, set at any time; the record is to have its ids before that sees it.
    def patcher(core: Any) -> Any:
        own = core.__dict__.get("patcher")
        if own is None:
            return patch

        def both(record: Any) -> None:
            patch(record)
            own(record)

        return both

    def keep(core: Any, own: Any) -> None:
        core.__dict__["patcher"] = own

    module.Core.patcher = property(patcher, keep)
