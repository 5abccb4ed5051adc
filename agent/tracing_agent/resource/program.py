"""What the program is called, and which version of it runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_SERVERS = ("gunicorn", "uvicorn", "hypercorn", "granian", "fastapi", "daphne", "waitress-serve")
# uWSGI's options that name an application, as command lines, configuration files and variables all come to them.
_UWSGI = ("module", "wsgi", "wsgi-file", "file", "mount")


def program_name() -> str:
    """What the process runs, as people would call it: a script, a module, or the application that a server serves."""
    try:
        return _program_name()
    except Exception:
        return "unknown_service:python"


def _program_name() -> str:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    script = sys.argv[0] if sys.argv else ""
    if spec is not None and spec.name:
        name = str(spec.name).removesuffix(".__main__")
    elif script in ("", "-c", "-m", "-"):
        return "unknown_service:python"
    else:
        name = os.path.basename(script).removesuffix(".py").removesuffix(".pyz")
        if name == "__main__":
            name = os.path.basename(os.path.dirname(os.path.abspath(script)))
    served = _served(name)
    return served or name or "unknown_service:python"


def _served(launcher: str) -> str:
    """The application's module where the program is a server that was told one (``gunicorn shop.wsgi:app``)."""
    launcher = launcher.partition(".")[0]
    arguments = sys.argv[1:]
    if launcher in ("flask", "celery"):
        for flag in ("--app", "-A"):
            if flag in arguments[:-1]:
                return _module(arguments[arguments.index(flag) + 1])
        if launcher == "flask":
            return _module(os.environ.get("FLASK_APP", ""))
    elif launcher == "uwsgi":
        return _of_uwsgi(getattr(sys.modules.get("uwsgi"), "opt", {}))
    elif launcher in _SERVERS:
        for argument in arguments:
            if not argument.startswith("-") and (":" in argument or argument.endswith(".py")):
                module = _module(argument)
                if module and not module[0].isdigit():
                    return module
    return ""


def _of_uwsgi(options: Mapping[str, Any]) -> str:
    """The first application among uWSGI's options, which it gives as bytes, or as a list where one is repeated."""
    for option in _UWSGI:
        given = options.get(option, ())
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, (bytes, str)):
                target = os.fsdecode(value)
                # Where it is mounted stands before it; a mount that is in force has been cut to that.
                module = _module(target.partition("=")[2] if option == "mount" else target)
                if module:
                    return module
    return ""


def _module(target: str) -> str:
    module = target.partition(":")[0]
    return os.path.basename(module).removesuffix(".py")


def program_version(name: str) -> str:
    """The version of what `program_name` names: of the installed distribution, or what its package says; else empty."""
    top = name.partition(".")[0]
    package = sys.modules.get(top)
    # The OpenTelemetry API has loaded it. A script that happens to be called like a distribution is not that one.
    metadata = sys.modules.get("importlib_metadata") or sys.modules.get("importlib.metadata")
    file = getattr(package, "__file__", None) or ""
    installed = "-packages" in file or getattr(sys.modules.get("__main__"), "__package__", None) == top
    if metadata is not None and installed:
        try:
            return str(metadata.version(top))
        except Exception:
            pass
    version = getattr(package, "__version__", "")
    return version if isinstance(version, str) else ""
