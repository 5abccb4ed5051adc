"""The standard library as it was before gevent or eventlet replaced parts of it.

The export thread is a thread of the system. What these libraries put in place of sockets belongs to the thread that
used it first, and asks for other threads to look up names, which cannot be had when the process ends.
"""

from __future__ import annotations

import builtins
import sys
from importlib import import_module
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

#: Modules of which a process with replaced sockets gets copies of our own. They stand on `_socket` and `_ssl`, which
#: nobody replaces.
_COPIED = ("socket", "ssl", "http.client")


def original(module: str, name: str) -> Any:
    """``module.name``, or what it was before."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None:
        return gevent.get_original(module, name)
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None:
        return getattr(eventlet.original(module), name)
    return getattr(import_module(module), name)


def library(name: str) -> Any:
    """A module of `_COPIED`, or our copy of it where sockets were replaced."""
    return _copy(name) if _replaced() else import_module(name)


def _replaced() -> bool:
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    return bool(
        (gevent is not None and gevent.is_module_patched("socket"))
        or (eventlet is not None and eventlet.is_monkey_patched("socket"))
    )


def _copy(name: str) -> ModuleType:
    # By a name of its own in sys.modules: enumerations of these modules look themselves up there.
    own = f"{__name__}:{name}"
    module = sys.modules.get(own)
    if module is None:
        # Not by the module's own __spec__, which old copies of `six` (as in urllib3 1.26) put their own in place of.
        package, _, _ = name.rpartition(".")
        spec = PathFinder.find_spec(name, import_module(package).__path__ if package else None)
        if spec is None or spec.loader is None:
            return import_module(name)
        code = spec.loader.get_code(name)  # type: ignore[attr-defined]
        module = sys.modules[own] = ModuleType(own)
        module.__dict__["__builtins__"] = {**builtins.__dict__, "__import__": _import}
        exec(code, module.__dict__)
    return module


def _import(name: str, *more: Any) -> Any:
    """What an import statement of a copied module does."""
    return _copy(name) if name in _COPIED else builtins.__import__(name, *more)
