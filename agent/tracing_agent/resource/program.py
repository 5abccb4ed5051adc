"""What the program is called, and which version of it runs."""

from __future__ import annotations

import os
import sys

_SERVERS = ("gunicorn", "uvicorn", "hypercorn", "granian", "fastapi", "uwsgi", "daphne", "waitress-serve")


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
    elif launcher in _SERVERS:
        for argument in arguments:
            if not argument.startswith("-") and (":" in argument or argument.endswith(".py")):
                module = _module(argument)
                if module and not module[0].isdigit():
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
