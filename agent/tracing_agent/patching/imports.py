"""Post-import hooks: one finder, one dictionary look-up for every import, and the real loader left in place.

Imported by the bootstrap, before the application's first line: standard library only, and of that only `sys`.
"""

from __future__ import annotations

import sys

from tracing_agent.faults import fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Hook = Callable[[ModuleType], None]


class Finder:
    """A meta-path finder that lets the others find, and wraps the loader of a hooked module."""

    def __init__(self) -> None:
        self.hooks: dict[str, list[Hook]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the rest of ``sys.meta_path`` finds, for a hooked name; None for every other."""
        if name not in self.hooks:
            return None
        # Everything is asked, not only what follows: the application may have put finders before us since. A copy,
        # as a finder may change the list.
        for finder in list(sys.meta_path):
            if finder is self:
                continue
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(name, path, target)
            if spec is not None:
                loader = spec.loader
                # Without exec_module (namespace packages, very old loaders) there is no moment to hook.
                if loader is not None and hasattr(loader, "exec_module"):
                    spec.loader = _Loader(loader, spec, self)  # type: ignore[assignment]
                return spec
        return None

    def run(self, name: str, module: ModuleType) -> None:
        """Run the hooks of a module that was just imported, once; a hook that fails never fails the import."""
        for hook in self.hooks.pop(name, ()):
            try:
                hook(module)
            except Exception as error:
                fault(f"the import hook of {name}", error)


class _Loader:
    """Stands in for the real loader until the module is executed, and forwards everything else to it."""

    def __init__(self, loader: Any, spec: ModuleSpec, finder: Finder) -> None:
        self._loader = loader
        self._spec = spec
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        create = getattr(self._loader, "create_module", None)
        module: ModuleType | None = None if create is None else create(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        # Put back first: what the module sees of itself while it executes is what it would see untraced.
        spec = getattr(module, "__spec__", None)
        for holder, attribute in ((spec, "loader"), (self._spec, "loader"), (module, "__loader__")):
            if holder is not None and getattr(holder, attribute, None) is self:
                setattr(holder, attribute, self._loader)
        self._loader.exec_module(module)
        self._finder.run(self._spec.name, sys.modules.get(self._spec.name, module))


_FINDER = Finder()


def when_imported(name: str, hook: Hook) -> None:
    """Call ``hook(module)`` once, after the module ``name`` was imported; now, if it was already."""
    module = sys.modules.get(name)
    # A module that is just being executed has not finished: its own loader will come by.
    if module is not None and not getattr(getattr(module, "__spec__", None), "_initializing", False):
        _FINDER.hooks.setdefault(name, []).append(hook)
        _FINDER.run(name, module)
        return
    _FINDER.hooks.setdefault(name, []).append(hook)
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def pending() -> list[str]:
    """The modules that hooks wait for."""
    return sorted(_FINDER.hooks)


def forget() -> None:
    """Take the finder away and drop every hook."""
    _FINDER.hooks.clear()
    if _FINDER in sys.meta_path:
        sys.meta_path.remove(_FINDER)
