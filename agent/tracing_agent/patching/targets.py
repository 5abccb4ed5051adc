"""Targets: where to cut, resolved and applied all together or not at all, and put back as they were."""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from tracing_agent.trace.engine import Engine

    Wrap = Callable[[Any, Engine], Any]

_COPIED = ("__module__", "__name__", "__qualname__", "__doc__", "__type_params__")


class Target:
    """Where to cut: a module, a dotted path in it, and the driver that wraps what is found there.

    ``wrap(original, engine)`` gives the replacement of a plain function (static and class methods are unwrapped
    before and wrapped again after). ``optional`` targets may be missing in a version of the library.
    """

    __slots__ = ("module", "optional", "path", "wrap")

    def __init__(self, module: str, path: str, wrap: Wrap, optional: bool = False) -> None:
        self.module = module
        self.path = path
        self.wrap = wrap
        self.optional = optional


class Missing(Exception):
    """A target is not where it should be; the message names it."""


#: The patches in force in this process.
APPLIED: list[Patch] = []


class Patch:
    """One applied change: ``holder.name`` was ``original`` (found in the holder itself if ``own``)."""

    __slots__ = ("holder", "name", "original", "own")

    def __init__(self, holder: Any, name: str, original: Any, own: bool) -> None:
        self.holder = holder
        self.name = name
        self.original = original
        self.own = own

    def undo(self) -> None:
        """Put the original back."""
        APPLIED.remove(self)
        if self.own:
            setattr(self.holder, self.name, self.original)
        else:
            delattr(self.holder, self.name)


def resolve(target: Target) -> tuple[Any, str, Any, bool]:
    """(holder, name, what stands there unbound, whether in the holder itself). Raises `Missing`."""
    module: ModuleType | None = sys.modules.get(target.module)
    if module is None:
        raise Missing(f"module {target.module} is not imported")
    holder: Any = module
    *path, name = target.path.split(".")
    for step in path:
        holder = getattr(holder, step, None)
        if holder is None:
            raise Missing(f"{target.module}.{target.path} is missing")
    if isinstance(holder, type):
        # Through the MRO's dictionaries: getattr on a class binds, and hides static and class methods.
        for cls in holder.__mro__:
            if name in cls.__dict__:
                return holder, name, cls.__dict__[name], cls is holder
    elif hasattr(holder, name):
        return holder, name, getattr(holder, name), True
    raise Missing(f"{target.module}.{target.path} is missing")


def apply(targets: Iterable[Target], engine: Engine) -> list[Patch]:
    """Patch all targets, or none if one that is not optional is missing (raises `Missing`)."""
    found = []
    for target in targets:
        try:
            found.append((target, resolve(target)))
        except Missing:
            if not target.optional:
                raise
    ready = [
        (holder, name, original, own, _wrapped(target, holder, original, engine))
        for target, (holder, name, original, own) in found
    ]
    patches = []
    for holder, name, original, own, replacement in ready:
        if replacement is original:
            continue  # under these settings there is nothing to do
        setattr(holder, name, replacement)
        patches.append(Patch(holder, name, original, own))
    APPLIED.extend(patches)
    return patches


def _wrapped(target: Target, holder: Any, original: Any, engine: Engine) -> Any:
    kind = type(original)
    if kind is staticmethod or kind is classmethod:
        return kind(like(target.wrap(original.__func__, engine), original.__func__))
    if kind is FunctionType or not isinstance(holder, type) or not hasattr(kind, "__get__"):
        return like(target.wrap(original, engine), original)
    # Somebody else's wrapper (wrapt's, for one), which knows its instance only if it is bound as the interpreter binds.
    if isinstance(original, staticmethod):
        return staticmethod(like(target.wrap(original.__get__(None, holder), engine), original))
    if isinstance(original, classmethod):
        return classmethod(like(target.wrap(_of_class(original), engine), original))
    return like(target.wrap(_of_instance(original), engine), original)


def _of_instance(descriptor: Any) -> Any:
    def function(self: Any, *args: Any, **kwargs: Any) -> Any:
        return descriptor.__get__(self, type(self))(*args, **kwargs)

    return function


def _of_class(descriptor: Any) -> Any:
    def function(cls: Any, *args: Any, **kwargs: Any) -> Any:
        return descriptor.__get__(None, cls)(*args, **kwargs)

    return function


def like(wrapper: Any, original: Any) -> Any:
    """Make a wrapper look like what it wraps, as `functools.wraps` does."""
    if wrapper is original or not isinstance(wrapper, FunctionType):
        return wrapper
    # From Python 3.14 on annotations are evaluated when somebody asks for them, and may raise then (PEP 649): what
    # evaluates them is taken over, for the program to call or not. Those that somebody has assigned have none.
    lazy = getattr(original, "__annotate__", None) is not None
    for name in (*_COPIED, "__annotate__" if lazy else "__annotations__"):
        try:
            setattr(wrapper, name, getattr(original, name))
        except AttributeError:
            pass
    wrapper.__dict__.update(getattr(original, "__dict__", {}))
    wrapper.__wrapped__ = original  # type: ignore[attr-defined]
    return wrapper
