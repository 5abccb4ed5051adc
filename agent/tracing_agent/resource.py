"""The resource: which service, which process of it, on which machine and runtime.

Source: semantic conventions 1.44, "Resource"; specification, "Resource SDK" (precedence of the two variables).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.version import __version__ as sdk_version

from tracing_agent import __version__
from tracing_agent.operation import SCHEMA_URL

if TYPE_CHECKING:
    from tracing_agent.config import Settings

_SERVERS = ("gunicorn", "uvicorn", "hypercorn", "granian", "fastapi", "uwsgi", "daphne", "waitress-serve")


def resource(settings: Settings) -> Resource:
    """The resource of this process; a forked child needs one of its own."""
    attributes: dict[str, str | int] = {
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": sdk_version,
        "telemetry.distro.name": "tracing-agent",
        "telemetry.distro.version": __version__,
        "service.instance.id": _instance_id(),
        "process.pid": os.getpid(),
        "process.executable.name": os.path.basename(sys.executable or "python"),
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": _runtime_version(),
        "process.runtime.description": sys.version.replace("\n", ""),
    }
    host = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    if host:
        attributes["host.name"] = host
    attributes.update(settings.resource_attributes)
    name = settings.service_name or settings.resource_attributes.get("service.name")
    attributes["service.name"] = name or program_name()
    return Resource(attributes, SCHEMA_URL)


def _instance_id() -> str:
    """A random UUID, version 4 (RFC 9562), without the import of `uuid`."""
    bits = bytearray(os.urandom(16))
    bits[6] = bits[6] & 0x0F | 0x40
    bits[8] = bits[8] & 0x3F | 0x80
    text = bits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _runtime_version() -> str:
    version = sys.implementation.version
    parts = version[:3] if version.releaselevel == "final" and not version.serial else version
    return ".".join(map(str, parts))


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
