"""Post-import hooks: one finder, one dictionary look-up for every import, and the real loader left in place.

Imported by the bootstrap, before the application's first line: nothing but modules that every interpreter has loaded.
"""

from __future__ import annotations

import _frozen_importlib
import os
import sys
from _thread import allocate_lock

from tracing_agent.faults import fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Hook = Callable[[ModuleType], None]
    Execute = Callable[[ModuleType], None]
    Around = Callable[[ModuleType, Execute], None]


class Finder:
    """A meta-path finder that lets the others find, and is told when a hooked module was executed."""

    def __init__(self) -> None:
        self.hooks: dict[str, list[Hook]] = {}
        self.around: dict[str, Around] = {}
        self._imported: list[tuple[str, ModuleType]] = []
        self._turn = allocate_lock()
        self.lock = allocate_lock()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the rest of ``sys.meta_path`` finds, for a hooked name; None for every other."""
        if name not in self.hooks:
            return None
        # A copy, as a finder may change the list. Whoever stands before us was asked before us.
        finders = iter(list(sys.meta_path))
        for finder in finders:
            if finder is self:
                break
        for finder in finders:
            spec = _ask(finder, name, path, target)
            if spec is not None:
                self.attach(spec)
                return spec
        return None

    def attach(self, spec: ModuleSpec) -> None:
        """Have the hooks of the spec's module run as soon as its loader has executed it."""
        try:
            holder: Any = spec
            # What is found lazily is hooked where it is loaded, and not loaded for the hook's sake.
            while isinstance(holder.loader, _lazy("LazyLoader")):
                holder = holder.loader
            # Without exec_module (a namespace package, a loader of old) there is no moment to hook.
            if hasattr(holder.loader, "exec_module"):
                _attach(holder, spec.name, self)
        except Exception as error:
            fault(f"the import hook of {spec.name}", error)

    def execute(self, name: str, module: ModuleType, execute: Execute) -> None:
        """Execute a hooked module, by what was asked to stand around its execution, and run its hooks."""
        around = self.around.get(name)
        if around is None:
            execute(module)
        else:
            around(module, execute)
        self.run(name)

    def run(self, name: str) -> None:
        """Run the hooks of a module that was just executed, once; a hook that fails never fails the import."""
        module = sys.modules.get(name)
        if module is None:
            return  # executed by hand, outside of sys.modules: it is not what an import will give
        self.around.pop(name, None)
        self._imported.append((name, module))
        # One thread at a time runs hooks, and none waits for it: a thread that comes by meanwhile (it holds locks of
        # modules that the hooks may import) leaves its module to it. So does a hook that itself imports one.
        turn = self._turn
        while self._imported and turn.acquire(False):
            try:
                while self._imported:
                    self._run(*self._imported.pop(0))
            finally:
                turn.release()

    def _run(self, name: str, module: ModuleType) -> None:
        for hook in self.hooks.pop(name, ()):
            try:
                hook(module)
            except Exception as error:
                fault(f"the import hook of {name}", error)

    def forked(self) -> None:
        """In a forked child: the threads that held these may not exist here."""
        self._turn = allocate_lock()
        self.lock = allocate_lock()


def _ask(finder: Any, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
    find = getattr(finder, "find_spec", None)
    spec: ModuleSpec | None = None
    if find is not None:
        spec = find(name, path, target)
    # Python 3.10 and 3.11 still ask finders that have find_module only.
    elif hasattr(_frozen_importlib, "_find_spec_legacy"):
        spec = _frozen_importlib._find_spec_legacy(finder, name, path)  # the machinery's own, with its warning
    return spec


def _lazy(name: str) -> Any:
    """A class of `importlib.util` for an isinstance test, without importing that; an empty tuple if nobody did."""
    return getattr(sys.modules.get("importlib.util"), name, ())


# -- the moment after the execution --------------------------------------------------------------------------------


def _attach(holder: Any, name: str, finder: Finder) -> None:
    loader = holder.loader
    kind: Any = type(loader)
    with finder.lock:
        own = getattr(loader, "__dict__", {}).get("exec_module")
        if not isinstance(own, _Execution):
            plain = kind.__setattr__ is object.__setattr__ and kind.__getattribute__ is object.__getattribute__
            own = _Execution(loader, finder) if plain and own is None else None
        if own is not None:
            own.names.add(name)
            loader.exec_module = own
            return
    # Proxies, classes, loaders that others have changed: what is set on them may land anywhere.
    holder.loader = _Loader(loader, holder, finder)


class _Execution:
    """``exec_module`` of one loader, in place until the hooked modules that it was found for are executed.

    An attribute of the real loader, so that its type, and whatever `inspect`, `pkgutil` or the program asks of it, are
    the real loader's own. Some loaders (those of zip files) serve many modules.
    """

    __slots__ = ("exec_module", "finder", "loader", "names")

    def __init__(self, loader: Any, finder: Finder) -> None:
        self.loader = loader
        self.exec_module = loader.exec_module
        self.finder = finder
        self.names: set[str] = set()

    def __call__(self, module: ModuleType) -> None:
        name = module.__name__
        # Out of the way first: what the module sees of itself while it executes is what it would see untraced.
        with self.finder.lock:
            hooked = name in self.names
            self.names.discard(name)
            if not self.names:
                self.loader.__dict__.pop("exec_module", None)
        if hooked:
            self.finder.execute(name, module, self.exec_module)
        else:
            self.exec_module(module)

    # A spec that somebody only looked up compares, copies and pickles as without this.

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Execution)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> Any:
        return getattr, (self.loader, "exec_module")


class _Loader:
    """Stands in for a loader that cannot take an attribute, until the module is executed."""

    def __init__(self, loader: Any, holder: Any, finder: Finder) -> None:
        self._loader = loader
        self._holder = holder
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        if name == "_loader":  # asked of a copy in the making
            raise AttributeError(name)
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        create = getattr(self._loader, "create_module", None)
        module: ModuleType | None = None if create is None else create(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        spec = getattr(module, "__spec__", None)
        for holder, attribute in ((spec, "loader"), (self._holder, "loader"), (module, "__loader__")):
            if holder is not None and getattr(holder, attribute, None) is self:
                setattr(holder, attribute, self._loader)
        self._finder.execute(module.__name__, module, self._loader.exec_module)


# -- the process's finder ------------------------------------------------------------------------------------------

_FINDER = Finder()


def when_imported(name: str, hook: Hook) -> None:
    """Call ``hook(module)`` once, after the module ``name`` was imported; now, if it was already."""
    _FINDER.hooks.setdefault(name, []).append(hook)
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    module = sys.modules.get(name)
    if module is None:
        return
    if isinstance(module, _lazy("_LazyModule")):
        # Any plain look at it would load it.
        _FINDER.attach(object.__getattribute__(module, "__spec__"))
    # A module that is just being executed has not finished: its own loader will come by.
    elif not getattr(getattr(module, "__spec__", None), "_initializing", False):
        _FINDER.run(name)


def when_executed(name: str, around: Around) -> None:
    """Have ``around(module, execute)`` execute the module ``name``: it calls ``execute(module)`` itself, and no more.

    For a module whose body must not run as it is. What it raises is what the import raises. Nothing if it was imported.
    """
    if name not in sys.modules:
        _FINDER.around[name] = around
        when_imported(name, lambda module: None)


def pending() -> list[str]:
    """The modules that hooks wait for."""
    return sorted(_FINDER.hooks)


def forget() -> None:
    """Take the finder away and drop every hook."""
    _FINDER.hooks.clear()
    _FINDER.around.clear()
    if _FINDER in sys.meta_path:
        sys.meta_path.remove(_FINDER)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_FINDER.forked)
