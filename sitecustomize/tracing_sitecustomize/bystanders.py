"""Processes that are not worth a start-up: installers, compilers and checkers of code, and supervisors of reloaders.

What they start is traced: they inherit, and pass on, the environment. Nor is what the agent's own start has started,
with all its children. Read before the application's first line.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Modules run by ``python -m``, and commands beside the interpreter.
_TOOLS = frozenset(
    {
        "black",
        "build",
        "compileall",
        "ensurepip",
        "flake8",
        "isort",
        "mypy",
        "pip",
        "pipenv",
        "poetry",
        "py_compile",
        "pycodestyle",
        "pyflakes",
        "pylint",
        "ruff",
        "tabnanny",
        "twine",
        "venv",
        "virtualenv",
    }
)
_TRACKER = "from multiprocessing.resource_tracker import"


def bystander(command: Sequence[str], environ: Mapping[str, str], executable: str) -> str:
    """What this process is, where it is not worth tracing; empty where it is.

    ``command`` is `sys.orig_argv`, ``executable`` the interpreter, beside which installed commands are.
    """
    # `tracing_agent.apart.MARK`, without the import.
    if environ.get("_TRACING_AGENT_APART"):
        return "what the agent's own start has started"
    kind, name, rest = _program(command)
    if kind == "c":
        return "multiprocessing's resource tracker" if name.startswith(_TRACKER) else ""
    if kind == "script":
        folder, name = os.path.split(name)
        # A program of the user's that happens to be called so is somewhere else.
        if folder != os.path.dirname(executable):
            return ""
        name = name.rstrip("0123456789.")
    if name in _TOOLS:
        return name
    return f"the supervisor of {name}'s reloader" if _supervises(name, rest, environ) else ""


def _program(command: Sequence[str]) -> tuple[str, str, Sequence[str]]:
    """("m", module), ("c", code) or ("script", path), and its arguments; as the interpreter reads its own options."""
    index = 1
    while index < len(command):
        word = command[index]
        index += 1
        if not word.startswith("-") or word == "-":
            return "script", word, command[index:]
        if word.startswith("--"):
            index += word == "--check-hash-based-pycs"
            continue
        for position, letter in enumerate(word[1:], 2):
            attached = word[position:]
            if letter in "cm":
                if attached:
                    return letter, attached, command[index:]
                return letter, command[index] if index < len(command) else "", command[index + 1 :]
            if letter in "WX":
                index += not attached
                break
    return "", "", ()


def _supervises(name: str, rest: Sequence[str], environ: Mapping[str, str]) -> bool:
    if name == "uvicorn":
        return "--reload" in rest
    if name == "fastapi":
        return "--reload" in rest or ("dev" in rest and "--no-reload" not in rest)
    if name != "flask" or "run" not in rest or environ.get("WERKZEUG_RUN_MAIN") == "true":
        return False
    if "--no-reload" in rest or "FLASK_RUN_RELOAD" in environ:
        return False
    debug = environ.get("FLASK_DEBUG", "").lower() not in ("", "0", "false", "no")
    return "--reload" in rest or "--debug" in rest or (debug and "--no-debug" not in rest)
