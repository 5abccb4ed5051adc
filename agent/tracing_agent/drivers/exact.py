"""Wrappers with the very signature of what they wrap, for methods that are called with many arguments by name.

What passes on any arguments has to collect them first and to spread them again, which takes longer than most of what
else there is to do. Where a version of the library has another signature, they are passed on so.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

#: Stands for an argument that was not given.
ABSENT: Any = object()

# Flags of code that takes any arguments.
_ANY_POSITIONAL, _ANY_NAMED = 0x04, 0x08


def stands_for(function: Any, original: Any) -> bool:
    """Whether ``function`` can be called in the very ways in which ``original`` can; then it has its defaults."""
    if not same(function, original):
        return False
    function.__defaults__ = original.__defaults__
    return True


def same(function: Any, original: Any) -> bool:
    """Whether ``original`` is a function with the signature of ``function``, the values of defaults aside."""
    if type(original) is not FunctionType or original.__kwdefaults__:
        return False
    return _signature(function) == _signature(original)


def _signature(function: FunctionType) -> tuple[Any, ...]:
    code = function.__code__
    spread = code.co_flags & _ANY_POSITIONAL, code.co_flags & _ANY_NAMED
    count = code.co_argcount + code.co_kwonlyargcount + sum(map(bool, spread))
    numbers = code.co_posonlyargcount, code.co_argcount, code.co_kwonlyargcount, len(function.__defaults__ or ())
    return (*spread, *numbers, *code.co_varnames[:count])
