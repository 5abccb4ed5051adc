"""What parts of other distributions start while the agent is set up is not traced: it would set up agents without end.

A sampler or a detector that starts Python finds itself there again. Only what is started by its own thread, or task, is
told so; what the program starts meanwhile is traced.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token

#: Set in the environment of what is not to be traced; `tracing_sitecustomize.bystanders` reads it.
MARK = "_TRACING_AGENT_APART"
_setting_up: ContextVar[bool] = ContextVar("tracing_agent_setting_up", default=False)


class SettingUp:
    """Stands around the calls of other distributions' parts while the agent is set up."""

    def __enter__(self) -> None:
        _watch()
        self._token: Token[bool] = _setting_up.set(True)

    def __exit__(self, *raised: object) -> None:
        _setting_up.reset(self._token)


def _watch() -> None:
    """Patch what starts programs; not before there is somebody else's part, as few have one."""
    import subprocess

    # The place of env behind self, where there is one.
    _replace(subprocess.Popen, "__init__", lambda original: _with_environment(original, 11))
    for name in ("posix_spawn", "posix_spawnp"):
        _replace(os, name, lambda original: _with_environment(original, 2))
    _replace(os, "system", _by_shell)


def _replace(holder: Any, name: str, wrapping: Callable[[Any], Any]) -> None:
    original = getattr(holder, name, None)
    if original is not None and not hasattr(original, "_tracing_agent_apart"):
        replacement: Any = wraps(original)(wrapping(original))
        replacement._tracing_agent_apart = True
        setattr(holder, name, replacement)


def _with_environment(original: Any, place: int) -> Any:
    def start(*args: Any, **kwargs: Any) -> Any:
        if _setting_up.get():
            if len(args) > place:
                args = (*args[:place], _marked(args[place]), *args[place + 1 :])
            else:
                kwargs["env"] = _marked(kwargs.get("env"))
        return original(*args, **kwargs)

    return start


def _marked(environment: Mapping[Any, Any] | None) -> dict[Any, Any]:
    return {**(os.environ if environment is None else environment), MARK: "1"}


def _by_shell(original: Any) -> Any:
    def system(command: Any) -> Any:
        if _setting_up.get() and isinstance(command, str) and os.name == "posix":
            command = f"export {MARK}=1\n{command}"
        return original(command)

    return system
