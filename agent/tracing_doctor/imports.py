"""Carries out what a program imports, and none of its other statements: for the doctor, which must not run it.

Of a script these are the imports at its top level, in branches too; of a server that is told an application
(``gunicorn shop:app``) also the import of that application's module, as the server does it.
"""

from __future__ import annotations

import ast
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tracing_agent.faults import describe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType

_SERVERS = ("gunicorn", "uvicorn", "hypercorn", "granian", "daphne", "waitress-serve", "fastapi", "flask", "celery")
_APP_OPTIONS = ("--app", "-A")


def carry_out(code: CodeType) -> str:
    """Import what the program whose main module is ``code`` imports; what went wrong, "" if nothing did."""
    try:
        source = _source(code)
        if source is not None:
            _run(ast.parse(source).body, _namespace(code))
        return _application(sys.argv)
    except BaseException as error:
        return describe(error)


def _source(code: CodeType) -> str | None:
    if code.co_filename == "<string>":
        arguments = sys.orig_argv
        return arguments[arguments.index("-c") + 1] if "-c" in arguments[:-1] else None
    try:
        with open(code.co_filename, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except OSError:
        return None


def _namespace(code: CodeType) -> dict[str, Any]:
    main = sys.modules["__main__"]
    # A name of its own, so that nothing in it takes itself for the program.
    return {
        "__name__": "__tracing_doctor__",
        "__file__": code.co_filename,
        "__package__": getattr(main, "__package__", None),
        "__builtins__": __builtins__,
    }


def _run(statements: Sequence[ast.stmt], names: dict[str, Any]) -> None:
    for statement in statements:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            _execute(statement, names)
        elif isinstance(statement, ast.Try):
            try:
                _run(statement.body, names)
            except Exception:
                if not statement.handlers:
                    raise
                _attempt(statement.handlers[0].body, names)
        elif isinstance(statement, ast.If):
            if "TYPE_CHECKING" not in ast.unparse(statement.test):
                # Which branch is taken is not known: one of them may fail.
                _attempt(statement.body, names)
            _attempt(statement.orelse, names)
        elif isinstance(statement, ast.With):
            _run(statement.body, names)
        elif isinstance(statement, ast.Expr) and ast.unparse(statement).startswith("sys.path."):
            _attempt_one(statement, names)


def _attempt(statements: Sequence[ast.stmt], names: dict[str, Any]) -> None:
    for statement in statements:
        try:
            _run([statement], names)
        except Exception:
            pass


def _attempt_one(statement: ast.stmt, names: dict[str, Any]) -> None:
    try:
        _execute(statement, names)
    except Exception:
        pass


def _execute(statement: ast.stmt, names: dict[str, Any]) -> None:
    exec(compile(ast.Module([statement], []), str(names["__file__"]), "exec"), names)


def _application(argv: Sequence[str]) -> str:
    """Import the application that a server was told; what went wrong."""
    name = _served(argv)
    if not name:
        return ""
    folder, file = os.path.split(name)
    sys.path.insert(0, os.path.abspath(folder))
    try:
        import_module(file.removesuffix(".py"))
    except BaseException as error:
        return f"importing {name}: {describe(error)}"
    return ""


def _served(argv: Sequence[str]) -> str:
    """The module or file of the application: ``shop`` of ``gunicorn shop:app``; "" where there is none."""
    program = os.path.basename(argv[0]).removesuffix(".py")
    if program == "__main__":
        program = os.path.basename(os.path.dirname(argv[0]))
    if program not in _SERVERS:
        return ""
    rest = list(argv[1:])
    for position, argument in enumerate(rest[:-1]):
        if argument in _APP_OPTIONS:
            return rest[position + 1].partition(":")[0]
    if program == "flask":
        told = os.environ.get("FLASK_APP", "").partition(":")[0]
        return told or next((name for name in ("wsgi", "app") if os.path.isfile(name + ".py")), "")
    for argument in rest:
        module, colon, _ = argument.partition(":")
        if not argument.startswith("-") and (
            argument.endswith(".py") or (colon and module.replace(".", "").isidentifier())
        ):
            return module
    return ""
