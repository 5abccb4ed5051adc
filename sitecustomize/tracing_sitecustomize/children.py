"""Children that pools fork end by `os._exit`, past all that an interpreter does at its end: theirs is told here."""

from __future__ import annotations

import os

from tracing_agent import ending
from tracing_agent.faults import fault
from tracing_agent.patching.imports import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

#: The process that the bootstrap ran in; its own end is the interpreter's.
_pid = os.getpid()


def watch() -> None:
    """Send what is queued at the end of children of multiprocessing, and of billiard (the pool of Celery)."""
    for name in ("multiprocessing.process", "billiard.process"):
        when_imported(name, _processes)
    when_imported("billiard.pool", _workers)


def _processes(module: ModuleType) -> None:
    process: Any = getattr(module, "BaseProcess", None)
    original = getattr(process, "_bootstrap", None)
    if original is None:
        return

    def _bootstrap(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        finally:
            _ended()

    process._bootstrap = _like(_bootstrap, original)


def _workers(module: ModuleType) -> None:
    worker: Any = getattr(module, "Worker", None)
    original = getattr(worker, "_do_exit", None)
    if original is None:
        return

    def _do_exit(self: Any, *args: Any, **kwargs: Any) -> Any:
        # Before, as it does not return.
        _ended()
        return original(self, *args, **kwargs)

    worker._do_exit = _like(_do_exit, original)


def _ended() -> None:
    if os.getpid() == _pid:
        return
    try:
        ending.run()
    except Exception as error:
        fault("the end of a child", error)


def _like(wrapper: Any, original: Any) -> Any:
    from tracing_agent.patching.targets import like

    return like(wrapper, original)
