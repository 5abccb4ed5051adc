"""The container that this process runs in, by what the kernel shows of it.

Source: semantic conventions 1.44, "Container"; cgroups(7), proc(5): control groups of version 1 and 2 by name, and
where version 2 hides the name, what the runtime mounted into the container.
"""

from __future__ import annotations

import re

# Docker, containerd, CRI-O and podman: 64 digits, alone or as docker-<id>.scope. ECS on Fargate: 32 digits, a number.
_ID = re.compile(r"(?:^|[-/:])([0-9a-f]{64}|[0-9a-f]{32}-[0-9]{9,10})(?:\.scope)?$")
# The id of a pod's pause container (containerd's and CRI-O's sandboxes) is not that of this one.
_MOUNTED = re.compile(r"/(?:containers|overlay-containers)/([0-9a-f]{64})/")
_HOSTNAME = "/etc/hostname"


def container_id(root: str = "") -> str:
    """The id of this process's container; empty outside of one, or where it cannot be told.

    ``root`` stands before the paths that are read.
    """
    return _from_cgroup(read(f"{root}/proc/self/cgroup")) or _from_mounts(read(f"{root}/proc/self/mountinfo"))


def read(path: str) -> str:
    """The content of a small file of the system; empty if there is none that can be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""


def _from_cgroup(text: str) -> str:
    for line in text.splitlines():
        path = line.rpartition(":")[2] if line.startswith("0::") else line.split(":", 2)[-1]
        found = _ID.search(path)
        if found:
            return found[1]
    return ""


def _from_mounts(text: str) -> str:
    for line in text.splitlines():
        fields = line.split()
        # Field 4 is where in its file system the mount begins, field 5 where it is mounted.
        if len(fields) > 4 and fields[4] == _HOSTNAME:
            found = _MOUNTED.search(fields[3])
            if found:
                return found[1]
    return ""
