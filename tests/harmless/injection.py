"""Makes any function of the agent raise: found by looking through its modules, and given code that does nothing else.

A function's code is replaced and not the function, so that whoever holds it (a closure, another module, a target that
was made before) calls the raising one. Nested functions are replaced in the constants of the function around them.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import pkgutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple


class Injected(Exception):
    """What injected functions raise."""


class Function(NamedTuple):
    """A function of the agent: the one around it in its module or class (or itself), and the way to its code."""

    name: str
    outermost: FunctionType
    way: tuple[int, ...]

    @property
    def code(self) -> CodeType:
        """Its code."""
        code = self.outermost.__code__
        for index in self.way:
            code = code.co_consts[index]
        return code


def modules_of(package: str) -> list[ModuleType]:
    """A package with all its modules, or a module."""
    found = importlib.import_module(package)
    modules = [found]
    for info in pkgutil.iter_modules(getattr(found, "__path__", ())):
        modules += modules_of(f"{package}.{info.name}")
    return modules


def functions_of(module: ModuleType) -> list[Function]:
    """All functions that are written in a module: methods and nested ones, too."""
    found: list[Function] = []
    for value in vars(module).values():
        holders = vars(value).values() if isinstance(value, type) and value.__module__ == module.__name__ else (value,)
        for held in holders:
            function: Any = getattr(held, "__wrapped__", None) if callable(held) else None
            function = function or getattr(held, "__func__", None) or getattr(held, "fget", None) or held
            if isinstance(function, FunctionType) and function.__code__.co_filename == module.__file__:
                _nested(found, f"{module.__name__}.{function.__qualname__}", function, function.__code__, ())
    return list({function.code: function for function in found}.values())


def _nested(found: list[Function], name: str, outermost: FunctionType, code: CodeType, way: tuple[int, ...]) -> None:
    found.append(Function(name, outermost, way))
    for index, constant in enumerate(code.co_consts):
        if isinstance(constant, CodeType) and _is_function(constant):
            _nested(found, f"{name}.{constant.co_name}", outermost, constant, (*way, index))


def _is_function(code: CodeType) -> bool:
    """Whether this is neither the body of a class nor a comprehension, which is no function of its own.

    Nor what evaluates annotations, from Python 3.14 on.
    """
    if code.co_name == "__annotate__":
        return False
    named = not code.co_name.startswith("<") or code.co_name == "<lambda>"
    return named and bool(code.co_flags & inspect.CO_OPTIMIZED)


_calls: list[str] = []


def reached(name: str) -> None:
    """Called by injected functions."""
    _calls.append(name)
    raise Injected(name)


@contextmanager
def raising(function: Function) -> Iterator[list[str]]:
    """Let ``function`` raise. Gives the list of its calls, one item for each."""
    original = function.outermost.__code__
    code = function.code
    kind = "async def" if code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR) else "def"
    generates = code.co_flags & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR)
    source = (
        f"def around({', '.join(code.co_freevars)}):\n"
        f"  {kind} injected(*args, **kwargs):\n"
        f"    if 0: ({', '.join([*code.co_freevars, ''])})\n"
        f"    __import__('sys').modules[{__name__!r}].reached({function.name!r})\n"
        f"    {'yield' if generates else 'pass'}\n"
    )
    space: dict[str, Any] = {}
    exec(compile(source, "<injected>", "exec"), space)
    (replacement,) = [one for one in space["around"].__code__.co_consts if isinstance(one, CodeType)]
    _calls.clear()
    # Nested functions that were made when their module was imported live on.
    made = [one for one in gc.get_objects() if type(one) is FunctionType and one.__code__ is code]
    function.outermost.__code__ = _replaced(original, function.way, replacement)
    for one in made:
        one.__code__ = replacement
    try:
        yield _calls
    finally:
        function.outermost.__code__ = original
        for one in made:
            one.__code__ = code


def _replaced(code: CodeType, way: tuple[int, ...], replacement: CodeType) -> CodeType:
    if not way:
        return replacement
    constants = list(code.co_consts)
    constants[way[0]] = _replaced(constants[way[0]], way[1:], replacement)
    return code.replace(co_consts=tuple(constants))


def called(run: Callable[[], object]) -> set[CodeType]:
    """The code of the functions that were called meanwhile, in any thread that began meanwhile."""
    codes: set[CodeType] = set()

    def profile(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            codes.add(frame.f_code)

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    return codes
