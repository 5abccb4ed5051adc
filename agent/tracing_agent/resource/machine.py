"""The operating system, the host, and what the system knows of this process. Imported where spans are exported only."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone
from typing import Any

from tracing_agent.resource.container import read

#: As the conventions write them.
_ARCHITECTURES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv7l": "arm32",
    "armv6l": "arm32",
    "i386": "x86",
    "i686": "x86",
    "ppc64le": "ppc64",
    "ppc64": "ppc64",
    "s390x": "s390x",
}
_SYSTEMS = {"win32": "windows", "cygwin": "windows", "sunos5": "solaris"}


def operating_system(root: str = "") -> dict[str, str]:
    """The kind of system, and name and version of the distribution. ``root`` stands before the paths that are read."""
    platform = sys.platform.rstrip("0123456789") if sys.platform.startswith("freebsd") else sys.platform
    found = {"os.type": _SYSTEMS.get(platform, platform)}
    release = read(f"{root}/etc/os-release") or read(f"{root}/usr/lib/os-release")
    pairs = dict(line.split("=", 1) for line in release.splitlines() if "=" in line and not line.startswith("#"))
    for attribute, key in (("os.name", "NAME"), ("os.version", "VERSION_ID"), ("os.description", "PRETTY_NAME")):
        value = pairs.get(key, "").strip().strip("\"'")
        if value:
            found[attribute] = value
    return found


def host(identified: bool, root: str = "") -> dict[str, str]:
    """The machine's architecture, and if ``identified`` its id."""
    machine = (
        os.uname().machine.lower() if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "").lower()
    )
    found = {"host.arch": _ARCHITECTURES.get(machine, machine)}
    if identified:
        found["host.id"] = (read(f"{root}/etc/machine-id") or read(f"{root}/var/lib/dbus/machine-id")).strip()
    return found


def running(root: str = "") -> dict[str, Any]:
    """What the system knows of this process: command, owner, and when it was created."""
    found: dict[str, Any] = {"process.command": sys.argv[0] if sys.argv else ""}
    try:
        import pwd

        found["process.owner"] = pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError, AttributeError):
        pass  # not this system's way, or a user without a name, as containers have
    created = _created(read(f"{root}/proc/self/stat"), read(f"{root}/proc/stat"))
    if created is not None:
        found["process.creation.time"] = created
    return found


def _created(stat: str, system: str) -> str | None:
    """When the process was created, in UTC (RFC 3339): by its ``stat``, and the time of boot in the system's."""
    boot = next((line.split()[1] for line in system.splitlines() if line.startswith("btime ")), "")
    # The second field, the name, may hold anything; field 22 is in ticks since the boot.
    fields = stat.rpartition(")")[2].split()
    if not boot or len(fields) < 20:
        return None
    seconds = int(boot) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
