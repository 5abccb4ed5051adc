"""The import finder, in process: hooks run after the real import, and the import is what it would be without them."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import inspect
import pickle
import pkgutil
import runpy
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from importlib.abc import Loader
from importlib.machinery import BuiltinImporter, ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import wrapt
from wrapt.importer import ImportHookFinder  # type: ignore[import-untyped]

from support.program import run
from tracing_agent.faults import LINES
from tracing_agent.patching import imports
from tracing_agent.patching.imports import Finder, pending, when_executed, when_imported

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write modules (name, source) into a folder on ``sys.path``; hooks and modules are gone after the test."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(**sources: str) -> Path:
        for name, source in sources.items():
            file = tmp_path / (name.replace("__", "/") + ".py")
            file.parent.mkdir(exist_ok=True)
            file.write_text(source)
        importlib.invalidate_caches()
        return tmp_path

    yield write
    imports.forget()
    for name in set(sys.modules) - before:
        del sys.modules[name]


def hooked(*names: str) -> list[str]:
    """Hook these names; the list fills with the names of the modules that were handed to the hooks."""
    seen: list[str] = []
    for name in names:
        when_imported(name, lambda module: seen.append(module.__name__))
    return seen


def facts(module: ModuleType) -> dict[str, Any]:
    """What a module and its spec say about where they come from."""
    spec = module.__spec__
    assert spec is not None
    assert module.__loader__ is spec.loader
    return {
        "file": module.__file__,
        "spec": {key: value for key, value in vars(spec).items() if key != "loader"},
        "loader": (type(spec.loader), vars(spec.loader)),
    }


def test_a_hooked_module_is_what_an_unhooked_one_is(write: Write) -> None:
    """Loader, spec and __file__ of a hooked module are those of the untraced import, also while it executes."""
    write(plain="import sys\nLOADER = __loader__\nSEEN = dict(vars(__spec__.loader))\n")
    bare = importlib.import_module("plain")
    expected = facts(bare), bare.SEEN
    del sys.modules["plain"]
    seen = hooked("plain")
    module = importlib.import_module("plain")
    assert (facts(module), module.SEEN) == expected
    assert module.LOADER is module.__loader__
    assert type(module.__loader__) is SourceFileLoader
    assert seen == ["plain"]


def test_one_look_up_for_a_module_that_is_not_hooked(write: Write) -> None:
    """For a name without hooks the finder looks once into its dictionary and asks no other finder."""
    looked: list[str] = []

    class Counted(dict[str, Any]):
        def __contains__(self, name: object) -> bool:
            looked.append(str(name))
            return super().__contains__(name)

        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(f"the dictionary's {name} was used")

    class Asked:
        def find_spec(self, *arguments: Any) -> None:
            raise AssertionError("another finder was asked")

    finder = Finder()
    finder.hooks = Counted(other=[])
    sys.meta_path[:] = [finder, Asked()]
    assert finder.find_spec("plain") is None
    assert looked == ["plain"]


def test_a_spec_that_is_only_looked_up_is_real(write: Write) -> None:
    """find_spec() of a hooked name gives a spec whose loader has its real type, and compares, copies and pickles."""
    folder = write(plain="ANSWER = 42\n")
    bare = importlib.util.find_spec("plain")
    seen = hooked("plain")
    spec = importlib.util.find_spec("plain")
    assert spec is not None
    assert bare is not None
    assert type(spec.loader) is SourceFileLoader
    assert spec == importlib.util.find_spec("plain")
    assert inspect.getsource(spec.loader.get_code("plain")) == "ANSWER = 42\n"  # type: ignore[arg-type]
    assert spec.loader.get_source("plain") == "ANSWER = 42\n"
    assert {name for _, name, _ in pkgutil.iter_modules([str(folder)])} == {"plain"}
    for twin in (copy.copy(spec), copy.deepcopy(spec), pickle.loads(pickle.dumps(spec))):
        assert type(twin.loader) is SourceFileLoader
        module = importlib.util.module_from_spec(twin)
        twin.loader.exec_module(module)
        assert module.ANSWER == 42
    assert b"tracing_agent" not in pickle.dumps(spec)
    assert runpy.run_module("plain")["ANSWER"] == 42
    assert seen == []
    assert importlib.import_module("plain").ANSWER == 42
    assert seen == ["plain"]


def test_an_import_by_hand(write: Write) -> None:
    """The documented recipe for importing a module is hooked; executing a private copy does not use the hook up."""
    write(plain="ANSWER = 42\n")
    seen = hooked("plain")
    spec = importlib.util.find_spec("plain")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert seen == []
    spec = importlib.util.find_spec("plain")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["plain"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert seen == ["plain"]
    assert vars(spec.loader) == {"name": "plain", "path": str(Path(module.__file__ or ""))}


def test_namespace_packages(write: Write) -> None:
    """A namespace package can be hooked without harm, and a module in one is hooked."""
    write(space__inner="ANSWER = 42\n")
    seen = hooked("space", "space.inner")
    module = importlib.import_module("space.inner")
    assert module.ANSWER == 42
    assert seen[-1] == "space.inner"
    assert getattr(sys.modules["space"], "__file__", None) is None


def test_zip_imports(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that share one loader, as those of a zip file do, are each hooked once, and the loader is left clean."""
    archive = write() / "archive.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("first.py", "import second\n")
        file.writestr("second.py", "import third\n")
        file.writestr("third.py", "")
    monkeypatch.syspath_prepend(str(archive))
    seen = hooked("first", "second")
    module = importlib.import_module("first")
    assert seen == ["second", "first"]
    assert module.__file__ == str(archive / "first.py")
    assert "exec_module" not in vars(module.__loader__)


def test_reload(write: Write) -> None:
    """importlib.reload() of a hooked module executes it again and runs its hook no second time."""
    write(plain="COUNT = globals().get('COUNT', 0) + 1\n")
    seen = hooked("plain")
    module = importlib.import_module("plain")
    assert importlib.reload(module).COUNT == 2
    assert seen == ["plain"]


def test_a_failed_import_is_hooked_when_it_succeeds(write: Write) -> None:
    """A hooked module whose import raises does so as untraced, and is hooked when a later import succeeds."""
    write(plain="import sys\nif not getattr(sys, '_ready', False):\n    raise ImportError('not yet')\n")
    seen = hooked("plain")
    for _ in range(2):
        with pytest.raises(ImportError, match="not yet"):
            importlib.import_module("plain")
    assert seen == []
    sys._ready = True  # type: ignore[attr-defined]
    try:
        importlib.import_module("plain")
    finally:
        del sys._ready  # type: ignore[attr-defined]
    assert seen == ["plain"]


def test_lazy_loaders(write: Write) -> None:
    """A lazily imported module stays unloaded until it is used, and is hooked then, however it was made lazy."""
    write(one="import sys\nsys._loaded.append('one')\nANSWER = 42\n", two="import sys\nsys._loaded.append('two')\n")
    loaded: list[str] = []
    sys._loaded = loaded  # type: ignore[attr-defined]

    class Lazy:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
            spec = PathFinder.find_spec(name, path, target)
            if spec is not None and name in ("one", "two"):
                assert spec.loader is not None
                spec.loader = importlib.util.LazyLoader(spec.loader)
            return spec

    sys.meta_path.insert(0, Lazy)
    before = importlib.import_module("two")
    sys.meta_path.remove(Lazy)
    seen = hooked("one", "two")
    sys.meta_path.insert(1, Lazy)
    after = importlib.import_module("one")
    assert (loaded, seen) == ([], [])
    assert after.ANSWER == 42
    assert before.__doc__ is None
    assert (loaded, seen) == (["one", "two"], ["one", "two"])
    del sys._loaded  # type: ignore[attr-defined]


def test_the_documented_lazy_import(write: Write) -> None:
    """The recipe of importlib's documentation for a lazy import works on a hooked name, and is hooked at first use."""
    write(plain="ANSWER = 42\n")
    seen = hooked("plain")
    spec = importlib.util.find_spec("plain")
    assert spec is not None
    assert spec.loader is not None
    loader = importlib.util.LazyLoader(spec.loader)
    spec.loader = loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["plain"] = module
    loader.exec_module(module)
    assert seen == []
    assert module.ANSWER == 42
    assert seen == ["plain"]


def test_circular_imports(write: Write) -> None:
    """Two hooked modules that import each other are hooked, each after it was executed to its end."""
    write(left="import right\nDONE = True\n", right="import left\nDONE = True\n")
    done = []
    for name in ("left", "right"):
        when_imported(name, lambda module: done.append((module.__name__, module.DONE)))
    importlib.import_module("left")
    assert done == [("right", True), ("left", True)]


def test_modules_imported_before(write: Write) -> None:
    """A module that was imported before it is hooked is handed to its hook at once, and no finder waits for it."""
    write(plain="")
    importlib.import_module("plain")
    assert hooked("plain") == ["plain"]
    assert pending() == []


def test_two_threads_import_at_once(write: Write) -> None:
    """Threads that import modules whose hooks import each other's modules all come to an end, and all hooks run."""
    write(
        left="",
        right="import sys\nsys._body.set()\nassert sys._hook.wait(20)\n",
        tail="",
    )
    body, hook = threading.Event(), threading.Event()
    sys._body, sys._hook = body, hook  # type: ignore[attr-defined]
    ran = []

    def left(module: ModuleType) -> None:
        assert body.wait(20)
        hook.set()
        # `right` is being executed by the other thread, whose own hook comes next.
        importlib.import_module("right")
        importlib.import_module("tail")
        ran.append("left")

    when_imported("left", left)
    when_imported("right", lambda module: ran.append("right"))
    when_imported("tail", lambda module: ran.append("tail"))
    threads = [
        threading.Thread(target=importlib.import_module, args=(name,), daemon=True) for name in ("left", "right")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert sorted(ran) == ["left", "right", "tail"]
    assert pending() == []
    del sys._body, sys._hook  # type: ignore[attr-defined]


def test_no_thread_waits_for_the_hooks_of_another(write: Write) -> None:
    """While one thread runs a hook, another thread's hooked import returns; its hook runs as soon as it can."""
    write(left="", right="")
    started, go = threading.Event(), threading.Event()

    def left(module: ModuleType) -> None:
        started.set()
        assert go.wait(20)

    when_imported("left", left)
    seen = hooked("right")
    first = threading.Thread(target=importlib.import_module, args=("left",), daemon=True)
    first.start()
    assert started.wait(20)
    second = threading.Thread(target=importlib.import_module, args=("right",), daemon=True)
    second.start()
    second.join(20)
    assert not second.is_alive()
    assert seen == []
    go.set()
    first.join(20)
    assert seen == ["right"]


FORKED = """
import os, sys, threading, warnings
from tracing_agent.patching.imports import when_imported

started, go = threading.Event(), threading.Event()
when_imported("ftplib", lambda module: (started.set(), go.wait(20)))
when_imported("poplib", lambda module: print("hooked", flush=True))
thread = threading.Thread(target=__import__, args=("ftplib",))
thread.start()
started.wait(20)
warnings.simplefilter("ignore")
child = os.fork()
if child == 0:
    import poplib
    os._exit(0)
os.waitpid(child, 0)
go.set()
thread.join()
"""


def test_hooks_in_a_forked_child() -> None:
    """A child that was forked while another thread ran a hook has its own imports hooked."""
    ended = run(sys.executable, "-c", FORKED, traced=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "hooked\n", "")


class Claims:
    """An application's own finder of one module."""

    def __init__(self, name: str, loader: Any) -> None:
        self.name = name
        self.loader = loader

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self.loader) if name == self.name else None


class Own(Loader):
    """An application's own loader."""

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.ANSWER = 42  # type: ignore[attr-defined]


@pytest.mark.parametrize("place", [0, 1])
def test_the_applications_own_finders(write: Write, place: int) -> None:
    """A finder of the application's own finds what it found before; behind ours its modules are hooked."""
    loader = Own()
    seen = hooked("plain")
    sys.meta_path.insert(place, Claims("plain", loader))
    module = importlib.import_module("plain")
    assert module.ANSWER == 42
    assert module.__loader__ is loader
    assert vars(loader) == {}
    assert seen == ["plain"] * place


@pytest.mark.parametrize("place", [0, 1])
def test_another_import_hook_on_the_same_module(write: Write, place: int) -> None:
    """wrapt's post-import hooks, which put a proxy in the loader's place, and ours both run, in either order."""
    write(plain="ANSWER = 42\n")
    others: list[str] = []
    seen = hooked("plain")
    wrapt.register_post_import_hook(lambda module: others.append(module.__name__), "plain")
    sys.meta_path.insert(place, ImportHookFinder())
    assert importlib.import_module("plain").ANSWER == 42
    assert (others, seen) == (["plain"], ["plain"])


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="finders without find_spec are gone since Python 3.12")
def test_finders_of_old(write: Write) -> None:
    """A finder that has find_module only still finds, with Python's own warning."""

    class Old:
        def find_module(self, name: str, path: Any = None) -> Any:
            return Own() if name == "plain" else None

    seen = hooked("plain")
    sys.meta_path.insert(1, Old())  # type: ignore[arg-type]
    with pytest.warns(ImportWarning, match="find_spec"):
        module = importlib.import_module("plain")
    assert module.ANSWER == 42
    assert seen == ["plain"]


def test_a_class_as_loader(write: Write) -> None:
    """A built-in module, whose loader is a class shared by all of them, is hooked and the class is left alone."""
    name = next(name for name in sys.builtin_module_names if name not in sys.modules)
    shared: Any = BuiltinImporter
    before = dict(vars(shared))
    seen = hooked(name)
    module = importlib.import_module(name)
    assert module.__loader__ is shared
    assert module.__spec__ is not None
    assert module.__spec__.loader is shared
    assert dict(vars(shared)) == before
    assert seen == [name]


def test_around_an_execution(write: Write) -> None:
    """What stands around a module's execution does so until an import succeeds; a private copy does not use it up."""
    write(plain="import sys\nsys._attempts.append(1)\nif len(sys._attempts) == 2:\n    raise ImportError('no')\n")
    sys._attempts = []  # type: ignore[attr-defined]
    around: list[str] = []

    def execute(module: ModuleType, body: Callable[[ModuleType], None]) -> None:
        around.append("before")
        body(module)
        around.append("after")

    when_executed("plain", execute)
    spec = importlib.util.find_spec("plain")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    with pytest.raises(ImportError, match="no"):
        importlib.import_module("plain")
    module = importlib.import_module("plain")
    assert around == ["before", "after", "before", "before", "after"]
    importlib.reload(module)
    assert len(around) == 5
    del sys._attempts  # type: ignore[attr-defined]


def test_a_failing_hook(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """A hook that raises costs one line; the import succeeds and the module's other hooks run."""
    write(plain="ANSWER = 42\n")
    LINES.strict = False

    def failing(module: ModuleType) -> None:
        raise ZeroDivisionError

    when_imported("plain", failing)
    seen = hooked("plain")
    assert importlib.import_module("plain").ANSWER == 42
    assert seen == ["plain"]
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "import hook of plain failed (ZeroDivisionError" in err
