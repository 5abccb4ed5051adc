"""Which version of a library is there, and whether it is one to patch.

The default, `NEWER`: versions newer than those that were tested are traced, older ones are not. A new version is the
common case, and mostly one where nothing moved: if something did, a target is missing (then nothing of the library is
patched) or extractors fail (then it is switched off), and neither hurts the program. What is older than the oldest
tested version was left behind on purpose: functions may stand where they were and mean something else.
"""

from __future__ import annotations

import sys

#: The values of ``OTEL_PYTHON_UNTESTED_VERSIONS``: newer ones are traced, all are, none is.
NEWER, ALL, NONE = "newer", "true", "false"

_SWITCH = "set OTEL_PYTHON_UNTESTED_VERSIONS=true to have it traced all the same"


def version_of(distribution: str, trigger: str) -> str:
    """The version of an imported library, asked of the module ``trigger`` first; empty if nobody knows it."""
    package = sys.modules.get(trigger.partition(".")[0])
    # Not getattr: Flask computes this name when it is asked for it, and warns.
    found = vars(package).get("__version__") if package is not None else None
    if isinstance(found, str):
        return found
    try:
        from importlib.metadata import version

        return version(distribution) or ""
    except Exception:
        return ""


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: (3, 1, 0) of ``3.1.0rc1``; none of what is no version."""
    found = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if digits:
            found.append(int(digits))
        if digits != part:
            break
    return tuple(found)


def outside(version: str, tested: tuple[tuple[int, ...], tuple[int, ...]]) -> int:
    """-1 for a version older than the tested ones, 1 for a newer one, 0 for a tested or unknown one."""
    found = numbers(version)
    if not found:
        return 0
    return -1 if found < tested[0] else 1 if found >= tested[1] else 0


def refusal(distribution: str, version: str, tested: tuple[tuple[int, ...], tuple[int, ...]], policy: str) -> str:
    """Why this version is not to be patched under ``policy``, and what to do; empty if it is."""
    side = outside(version, tested)
    if not side or policy == ALL or (side > 0 and policy == NEWER):
        return ""
    oldest, untested = (".".join(map(str, one)) for one in tested)
    if side < 0:
        return f"{distribution} {version} is older than {oldest}, the oldest tested version; {_SWITCH}"
    return f"{distribution} {version} is newer than the tested versions, which end before {untested}; {_SWITCH}"
