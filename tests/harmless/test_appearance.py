"""What a program can see of the libraries is what it sees untraced: every function that is cut, looked at and used."""

from __future__ import annotations

import asyncio
import copy
import importlib
import inspect
import pickle
import re
import sys
import typing
import weakref
from types import FunctionType
from typing import Any
from unittest import mock

import pytest

from harmless.program import Program, outcome, traced
from harmless.test_faults import PROGRAMS
from tracing_agent.patching.targets import Patch

KINDS = (
    *(inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction, inspect.isfunction),
    *(inspect.ismethod, inspect.isbuiltin, inspect.isroutine, callable),
    # From Python 3.14 on it warns that it will go.
    *((asyncio.iscoroutinefunction,) if sys.version_info < (3, 14) else ()),
)
NAMES = ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "__isabstractmethod__")


@pytest.fixture(params=PROGRAMS, ids=lambda program: program.name)
def program(request: pytest.FixtureRequest) -> Program:
    """Each program, with its server."""
    given: Program = request.param
    return given.at(request)


def plain(held: Any) -> Any:
    """The function in what a class or module holds."""
    return getattr(held, "__func__", held)


def held(patch: Patch) -> Any:
    """What stands at the place of a patch, unbound."""
    return patch.holder.__dict__[patch.name]


def look(function: Any) -> dict[str, Any]:
    """What can be asked of a function."""
    seen: dict[str, Any] = {name: getattr(function, name, None) for name in NAMES}
    seen.update({kind.__name__: kind(function) for kind in KINDS})
    seen["signature"] = str(inspect.signature(function))
    seen["source"] = inspect.getsource(function)
    try:
        seen["hints"] = typing.get_type_hints(function)
    except Exception as error:
        seen["hints"] = type(error), str(error)
    # From Python 3.14 on each function makes them anew, when it is asked first.
    for name in ("__annotations__", "hints"):
        seen[name] = re.sub(r" at 0x\w+", "", repr(seen[name]))
    seen["unwrapped"] = inspect.unwrap(function)
    seen["attributes"] = {key: value for key, value in vars(function).items() if key != "__wrapped__"}
    seen["attributes"].pop("__tracing__", None)
    return seen


def test_functions_look_the_same(program: Program) -> None:
    """Names, documentation, signature, type hints, source, kind and attributes of every function that is cut stay."""
    with traced(program) as recorder:
        assert recorder.patches
        for patch in recorder.patches:
            now = held(patch)
            assert type(now) is type(patch.original)
            assert now is not patch.original
            assert look(plain(now)) == look(plain(patch.original)), f"{patch.holder}.{patch.name}"
            assert inspect.unwrap(plain(now)) is inspect.unwrap(plain(patch.original))


def test_functions_behave_the_same(program: Program) -> None:
    """They are bound, copied, pickled and referred to weakly as ever."""
    with traced(program) as recorder:
        for patch in recorder.patches:
            function, now = plain(held(patch)), held(patch)
            assert copy.copy(function) is copy.deepcopy(function) is function
            assert weakref.ref(function)() is function
            assert len({function, function}) == 1
            found = getattr(patch.holder, patch.name)
            if not patch.name.startswith("_") or patch.own:
                assert pickle.loads(pickle.dumps(found)) == found
            if isinstance(now, FunctionType):
                bound = now.__get__(instance := object())
                assert (bound.__func__, bound.__self__) == (function, instance)
            if isinstance(patch.holder, type):
                child: Any = type("Child", (patch.holder,), {})
                assert plain(inspect.getattr_static(child, patch.name)) is function


def specification(patch: Patch) -> list[Any]:
    """What a mock of a function, and of its class, takes over from it."""
    seen: list[Any] = []
    for mocked in (
        mock.create_autospec(getattr(patch.holder, patch.name)),
        getattr(mock.create_autospec(patch.holder), patch.name),
    ):
        seen += [type(mocked).__name__, str(inspect.signature(mocked)), *(kind(mocked) for kind in KINDS)]
    return seen


def test_mocks_on_what_is_cut(program: Program) -> None:
    """A function that is cut can be replaced by a mock with its specification, and comes back."""
    with traced(program) as recorder:
        patches = list(recorder.patches)
    untraced = [outcome(specification, patch) for patch in patches]
    with traced(program) as recorder:
        assert [outcome(specification, patch) for patch in recorder.patches] == untraced
        for patch in recorder.patches:
            before = held(patch)
            with mock.patch.object(patch.holder, patch.name, autospec=True):
                assert held(patch) is not before
            assert held(patch) is before


def test_undoing_leaves_nothing(program: Program) -> None:
    """Classes and modules are afterwards what they were before."""
    with traced(program) as recorder:
        patches = list(recorder.patches)
    first = {(patch.holder, patch.name): patch for patch in reversed(patches)}
    for (holder, name), patch in first.items():
        assert (name in vars(holder)) == patch.own
        if patch.own:
            assert held(patch) is patch.original


def test_frames(program: Program) -> None:
    """Where a function of the library is called through us, there are at most two frames of ours above it."""
    deep: dict[str, list[str]] = {}
    ours = tuple(
        importlib.import_module(name).__path__[0] for name in ("tracing_agent.drivers", "tracing_instrumentations")
    )

    def profile(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code in codes:
            above, caller = [], frame.f_back
            while caller is not None and caller.f_code.co_filename.startswith(ours):
                above.append(f"{caller.f_code.co_filename.rpartition('/')[2]}:{caller.f_lineno}")
                caller = caller.f_back
            reached.add(frame.f_code)
            if len(above) > len(deep.get(frame.f_code.co_name, "12")):
                deep[frame.f_code.co_name] = above

    reached: set[Any] = set()
    with traced(program) as recorder:
        codes = {
            code for patch in recorder.patches for code in [getattr(plain(patch.original), "__code__", None)] if code
        }
        sys.setprofile(profile)
        try:
            program.run()
        finally:
            sys.setprofile(None)
    assert len(reached) > len(codes) / 3
    assert deep == {}
