"""The driver for tasks: coroutine methods of the program's own work, during which their span is the current one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.semconv.errors import recorded
from tracing_agent.trace.begin import admit, beginner, enter, leave

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracing_agent.operation import Operation
    from tracing_agent.patching.targets import Wrap
    from tracing_agent.trace.engine import Engine


def task(operation: Operation, ours: Callable[[], bool], start: Callable[[Any, Any], None]) -> Wrap:
    """A task as ``original(self)``; ``start(span, self)`` before. ``ours()`` says whether what is current wants one."""

    def wrap(original: Any, engine: Engine) -> Any:
        if getattr(original, "__tracing__", False):
            return original  # two frameworks share it
        begin, breaker = beginner(engine, operation), operation.breaker
        fault = breaker.fault

        async def wrapper(self: Any) -> Any:
            try:
                span: Any = begin() if not breaker.open and ours() else None
                if span is not None:
                    if span.recording:
                        start(span, self)
                        if engine.deferred:
                            span = admit(engine, span)
                    token = enter(span)
            except Exception as error:
                span = None
                fault(error)
            if span is None:
                return await original(self)
            try:
                answer = await original(self)
            except BaseException as error:
                if span.recording:
                    conclude(span, error)
                raise
            finally:
                leave(token)
            if span.recording:
                conclude(span, None)
            return answer

        def conclude(span: Any, error: BaseException | None) -> None:
            try:
                if error is not None:
                    recorded(span, error)
                span.origin.finish(span)
            except Exception as fall:
                fault(fall)

        wrapper.__dict__["__tracing__"] = True
        return wrapper

    return wrap
