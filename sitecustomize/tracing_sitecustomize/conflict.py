"""Says which package of the program's own keeps the agent from being imported; loaded only where one does."""

from __future__ import annotations

import os
import sys
from importlib.metadata import distributions
from types import ModuleType

from tracing_agent.faults import describe


def reason(error: BaseException) -> str:
    """Why the agent cannot be imported: package, version and what to do, where a package is the reason."""
    owner = _owner(_file_of(error))
    if not owner:
        return describe(error)
    return f"{owner} does not fit the agent ({describe(error)}); install a newer one"


def _file_of(error: BaseException) -> str:
    """The file that lacks a name or a module, or else the one in which the exception was raised."""
    path = getattr(error, "path", None)
    if path:
        return str(path)
    lacking = getattr(error, "obj", None)  # of an AttributeError
    name = getattr(error, "name", None) or ""
    while lacking is None and isinstance(error, ImportError) and "." in name:
        name = name.rpartition(".")[0]
        lacking = sys.modules.get(name)
    if isinstance(lacking, ModuleType) and getattr(lacking, "__file__", None):
        return str(lacking.__file__)
    traceback, file = error.__traceback__, ""
    while traceback is not None:
        here = traceback.tb_frame.f_code.co_filename
        # The import machinery's own frames, and compiled modules, have no file.
        file = here if os.path.isfile(here) else file
        traceback = traceback.tb_next
    return file


def _owner(file: str) -> str:
    """Name and version of the distribution that a file belongs to; empty if it is nobody's, or the agent's own."""
    for root in sys.path:
        inside = os.path.relpath(file, root) if file and os.path.isabs(root) else os.pardir
        if inside.startswith(os.pardir):
            continue
        for distribution in distributions(path=[root]):
            if any(str(one) == inside.replace(os.sep, "/") for one in distribution.files or ()):
                name = distribution.metadata["Name"]
                return "" if name == "tracing-agent" else f"{name} {distribution.version}"
    return ""
