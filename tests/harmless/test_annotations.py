"""Annotations of what is cut: the program's to ask for, and what they are untraced."""

from __future__ import annotations

import inspect
import re
import sys
import typing
from types import ModuleType
from typing import Any

import pytest

from support.recorder import Recorder
from tracing_agent.patching.targets import Target, apply


def module_of(source: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A library whose annotations mean what its Python makes of them, whatever this file has imported."""
    module = ModuleType("annotated")
    monkeypatch.setitem(sys.modules, "annotated", module)
    exec(compile(source, "annotated.py", "exec", dont_inherit=True), vars(module))
    return module


def cut(recorder: Recorder) -> None:
    """Have the library's function wrapped."""

    def wrap(original: Any, engine: Any) -> Any:
        def function(*args: Any, **kwargs: Any) -> Any:
            return original(*args, **kwargs)

        return function

    recorder.patches += apply([Target("annotated", "function", wrap)], recorder.engine)


def test_nothing_is_evaluated(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patching evaluates no annotation; asked for, they are what they were."""
    library = module_of(
        """
asked = []
def kind():
    asked.append("kind")
    return int
def function(value: kind()) -> "str": ...
""",
        monkeypatch,
    )
    before, original = list(library.asked), library.function
    cut(recorder)
    assert library.function is not original
    assert library.asked == before
    assert library.function.__annotations__ == {"value": int, "return": "str"} == original.__annotations__
    assert typing.get_type_hints(library.function) == {"value": int, "return": str}
    assert inspect.signature(library.function) == inspect.signature(original)


def test_assigned_annotations(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Annotations that somebody has assigned are there afterwards."""
    library = module_of("def function(value: int): ...\nfunction.__annotations__ = {'value': str}", monkeypatch)
    cut(recorder)
    assert library.function.__annotations__ == {"value": str}


@pytest.mark.skipif(sys.version_info < (3, 14), reason="until Python 3.14 such a module could not be imported")
def test_names_for_type_checkers_only(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function whose annotations name what is not there is cut as any other, and shows them in every format."""
    import annotationlib

    def look() -> list[Any]:
        seen: list[Any] = []
        for format in (annotationlib.Format.STRING, annotationlib.Format.FORWARDREF, annotationlib.Format.VALUE):
            try:
                seen.append(annotationlib.get_annotations(library.function, format=format))
                seen.append(inspect.signature(library.function, annotation_format=format))
            except NameError as error:
                seen.append(error)
        # The function itself is in what stands for names that are not there.
        return [re.sub(r"<function function at \w+>", "<function>", str(one)) for one in seen]

    library = module_of("def function(value: Absent, other: list[Absent]) -> int: ...", monkeypatch)
    original, untraced = library.function, look()
    assert untraced[-1] == "name 'Absent' is not defined"
    cut(recorder)
    assert library.function is not original
    assert look() == untraced
