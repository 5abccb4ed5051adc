"""What is known of a process at once: the service, the process, its runtime, the machine's name.

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
from tracing_agent.resource.program import program_name

if TYPE_CHECKING:
    from tracing_agent.config import Settings


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
