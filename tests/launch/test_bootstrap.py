"""The bootstrap: a traced program finds its interpreter as it would be untraced."""

from __future__ import annotations

import re
import site
import sys
import zipfile
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from support.program import ONPATH, ROOT, run

pytestmark = pytest.mark.process

#: What `tracing-run` leads to; the program's own entries follow.
SOURCES = [str(ROOT / folder) for folder in ("agent", "instrumentations", "sitecustomize")]
#: The interpreter outside of the virtual environment: it has a user site, and nothing of ours.
OUTSIDE = str(Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}"))

Ended = tuple[int, str, str]


def ended(process: CompletedProcess[str]) -> Ended:
    """Exit code, stdout and stderr, without what differs from run to run (addresses) or is our frame in a traceback."""
    frame = rf'  File "{re.escape(str(ONPATH))}.*\n.*\n(?: +\^+\n)?'
    return (
        process.returncode,
        re.sub(r"0x[0-9a-f]+", "0x", process.stdout),
        re.sub(frame, "", re.sub(r"0x[0-9a-f]+", "0x", process.stderr)),
    )


def both(
    *arguments: str | Path, path: str | None = None, python: str = sys.executable, cwd: Path | None = None, **env: str
) -> tuple[Ended, Ended]:
    """How a program ends untraced, and traced by environment alone, where ``path`` is the program's own PYTHONPATH."""
    own = {} if path is None else {"PYTHONPATH": path}
    traced = {"PYTHONPATH": f"{ONPATH}:{path}" if path else str(ONPATH)}
    return (
        ended(run(python, *arguments, cwd=cwd, traced=False, **own, **env)),
        ended(run(python, *arguments, cwd=cwd, traced=False, **traced, **env)),
    )


#: Prints whatever a program could see of the bootstrap.
LOOK = """
import sys
print(sys.path, sys.argv, sys.flags)
own = sys.modules.get("sitecustomize")
try:
    import sitecustomize
    print(sitecustomize is own, sitecustomize.__file__, sitecustomize.__spec__, sorted(vars(sitecustomize)))
except Exception as error:
    print(repr(error), own)
print([type(finder).__name__ for finder in sys.meta_path if "tracing" not in type(finder).__module__])
"""

CUSTOMIZED = {
    "absent": None,
    "printing": "import sys\nprint('own', sys.path)\nprint('words', file=sys.stderr)\n",
    "changing sys.path": "import sys\nsys.path.insert(0, '/first')\nsys.path.append('/last')\n",
    "replacing itself": "import sys\nsys.modules[__name__] = sys\n",
    "raising": "raise ValueError('two\\nlines')\n",
    "missing a module": "import no_such_module\n",
    "denying itself": "raise ImportError('no', name='sitecustomize')\n",
    "not Python": "x = = 1\n",
    "exiting": "import sys\nsys.exit(3)\n",
    "interrupted": "raise KeyboardInterrupt\n",
    "gone": "import os\nos._exit(7)\n",
}


@pytest.mark.parametrize("case", CUSTOMIZED)
def test_the_programs_own_sitecustomize(case: str, tmp_path: Path) -> None:
    """User-pain row 19: the program's own sitecustomize runs once, in its place, and fails as it does untraced."""
    source = CUSTOMIZED[case]
    if source is not None:
        (tmp_path / "sitecustomize.py").write_text("print('runs', flush=True)\n" + source)
    bare, traced = both("-c", LOOK, path=str(tmp_path))
    assert traced == bare
    # Those that fail run again where the program imports them; what is not Python does not even start.
    assert bare[1].count("runs\n") in ((0,) if case in ("absent", "not Python") else (1, 2))


def test_usercustomize(tmp_path: Path) -> None:
    """User-pain row 19: usercustomize runs once and after sitecustomize, and only where it does untraced."""
    user = tmp_path / "user"
    folder = Path(site._get_path(str(user)))  # type: ignore[attr-defined]
    folder.mkdir(parents=True)
    (folder / "usercustomize.py").write_text("print('user')\n")
    (tmp_path / "sitecustomize.py").write_text("print('site')\n")
    for flags in ([], ["-s"]):
        path = ":".join([str(tmp_path), *SOURCES])
        bare, traced = both(*flags, "-c", LOOK, path=path, python=OUTSIDE, PYTHONUSERBASE=str(user))
        assert traced == bare
        assert traced[1].startswith("site\nuser\n" if not flags else "site\n[")


@pytest.mark.parametrize("path", [None, "", ":", "a:b:a", "a::b", "./a/:", "{tmp}/a:{tmp}/z.zip", "none:/none"])
def test_sys_path(path: str | None, tmp_path: Path) -> None:
    """User-pain row 19: sys.path is the untraced one, entry by entry, however PYTHONPATH and the program are given."""
    for folder in ("a", "b", "package"):
        (tmp_path / folder).mkdir()
    for file in ("app.py", "package/__main__.py"):
        (tmp_path / file).write_text(LOOK)
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("__main__.py", LOOK)
    given = None if path is None else path.format(tmp=tmp_path)
    for arguments in (["app.py"], ["-m", "package"], ["-c", LOOK], ["z.zip"]):
        bare, traced = both(*arguments, path=given, cwd=tmp_path)
        assert traced == bare
    launched = run(sys.executable, "app.py", cwd=tmp_path, **({} if given is None else {"PYTHONPATH": given}))
    assert ended(launched) == both("app.py", path=given, cwd=tmp_path)[0]


def test_a_pth_file(tmp_path: Path) -> None:
    """User-pain row 19: what .pth files of the user site add to sys.path stays in its place."""
    user = tmp_path / "user"
    folder = Path(site._get_path(str(user)))  # type: ignore[attr-defined]
    folder.mkdir(parents=True)
    (tmp_path / "added").mkdir()
    (folder / "added.pth").write_text(f"{tmp_path / 'added'}\n")
    bare, traced = both("-c", LOOK, path=":".join(SOURCES), python=OUTSIDE, PYTHONUSERBASE=str(user))
    assert traced == bare
    assert str(tmp_path / "added") in traced[1]


STARTED = "import sys; print('tracing_agent.patching.imports' in sys.modules)\n"


@pytest.mark.parametrize(
    "flags", [["-W", "error"], ["-B"], ["-O"], ["-OO"], ["-s"], ["-u"], ["-b"], ["-X", "dev"], ["-X", "utf8"], ["-P"]]
)
def test_flags_of_the_interpreter(flags: list[str]) -> None:
    """Under the interpreter's flags the bootstrap works and changes nothing else."""
    if flags == ["-P"] and sys.version_info < (3, 11):
        pytest.skip("-P is new in Python 3.11")
    bare, traced = both(*flags, "-c", LOOK)
    assert traced == bare
    assert run(sys.executable, *flags, "-c", STARTED).stdout == "True\n"


@pytest.mark.parametrize("flag", ["-I", "-E", "-S"])
def test_flags_that_leave_the_environment_out(flag: str) -> None:
    """With -I, -E and -S the program runs untraced, without a word, also if it imports a sitecustomize itself."""
    process = run(
        sys.executable, flag, "-c", "try:\n    import sitecustomize\nexcept ImportError:\n    pass\n" + STARTED
    )
    assert ended(process) == (0, "False\n", "")


def test_the_folder_twice(tmp_path: Path) -> None:
    """The folder may be on PYTHONPATH more than once, also under another name: the bootstrap comes to an end."""
    (tmp_path / "alias").symlink_to(ONPATH)
    (tmp_path / "sitecustomize.py").write_text("print('own')\n")
    bare, traced = both("-c", LOOK, path=str(tmp_path))
    again = both("-c", LOOK, path=f"{ONPATH}/:{tmp_path / 'alias'}:{ONPATH}:{tmp_path}")[1]
    assert again == traced == bare
    hooks = "from tracing_agent.patching.imports import _FINDER as found; print(*map(len, found.hooks.values()))"
    assert both("-c", hooks, path=f"{ONPATH}/:{tmp_path / 'alias'}")[1] == both("-c", hooks)[1]


MODULES = "import sys; print(*sorted(sys.modules))"


def test_what_the_bootstrap_imports() -> None:
    """User-pain rows 12, 13 and 32: after the bootstrap nothing is imported but a few small modules of our own."""
    bare, traced = both("-c", MODULES)
    assert (traced[0], traced[2]) == (0, "")
    added = set(traced[1].split()) - set(bare[1].split())
    heavy = {"asyncio", "opentelemetry", "requests", "socket", "ssl", "threading", "urllib3", "wrapt"}
    assert not added & heavy
    assert {name for name in added if not name.startswith("tracing_")} <= {"__future__", "atexit"}
    assert added >= {"tracing_agent.patching.imports", "tracing_instrumentations.registry"}
    assert len(added) < 15


DISABLED = """
import os, sys, threading
import flask, requests
import opentelemetry.trace
requests.Session()
print([name for name in sys.modules if name.startswith("tracing_")])
print([finder for finder in sys.meta_path if "tracing" in type(finder).__module__])
print(hasattr(flask.Flask.wsgi_app, "__wrapped__"), hasattr(requests.adapters.HTTPAdapter.send, "__wrapped__"))
print(type(opentelemetry.trace.get_tracer_provider()).__name__, threading.active_count())
print(len(os.listdir("/proc/self/fd")))
"""


@pytest.mark.parametrize("value", ["true", " TRUE "])
def test_disabled(value: str) -> None:
    """User-pain row 24: OTEL_SDK_DISABLED=true leaves no module, finder, patch, thread or socket of ours."""
    bare, traced = both("-c", DISABLED, OTEL_SDK_DISABLED=value)
    assert traced == bare
    assert traced[1].startswith("[]\n[]\nFalse False\n")


def test_a_deleted_working_directory(tmp_path: Path) -> None:
    """The launch and the bootstrap work in a working directory that no longer exists."""
    folder = tmp_path / "folder"
    for launch in (f"{sys.executable} -m tracing_sitecustomize.command {sys.executable}", sys.executable):
        folder.mkdir()
        variables = {} if "command" in launch else {"PYTHONPATH": str(ONPATH)}
        process = run(
            "sh", "-c", f'rmdir "$PWD"; exec {launch} -c "$0"', STARTED, cwd=folder, traced=False, **variables
        )
        assert ended(process) == (0, "True\n", "")


def test_a_read_only_working_directory(tmp_path: Path) -> None:
    """The bootstrap writes nothing into the working directory, which may be read-only."""
    tmp_path.chmod(0o555)
    assert ended(run(sys.executable, "-c", STARTED, cwd=tmp_path)) == (0, "True\n", "")
    assert list(tmp_path.iterdir()) == []


def test_modules_in_the_working_directory_that_hide_others(tmp_path: Path) -> None:
    """Modules of the program's own that have the names of the standard library's or ours are not touched."""
    for name in ("logging", "opentelemetry", "threading", "typing", "wrapt", "tracing_agent", "atexit", "re"):
        (tmp_path / f"{name}.py").write_text("print('imported', __name__)\n")
    (tmp_path / "app.py").write_text(STARTED)
    for arguments in (["app.py"], ["-m", "app"]):
        bare, traced = both(*arguments, cwd=tmp_path)
        assert bare == (0, "False\n", "")
        assert traced == (0, "True\n", "")


SHADOWED = """
import flask, requests
print(hasattr(flask.Flask.wsgi_app, "__wrapped__"))
import opentelemetry
print(opentelemetry.OWN, opentelemetry.__file__)
"""


@pytest.mark.parametrize("name", ["opentelemetry.py", "opentelemetry/__init__.py"])
def test_the_programs_own_opentelemetry(name: str, tmp_path: Path) -> None:
    """Where a module of the program's own is called opentelemetry, one line names it, and the program has it alone."""
    own = tmp_path / name
    own.parent.mkdir(exist_ok=True)
    own.write_text("print('imported')\nOWN = 1\n")
    (tmp_path / "app.py").write_text(SHADOWED)
    bare, traced = both("app.py", cwd=tmp_path)
    assert traced[:2] == bare[:2] == (0, f"False\nimported\n1 {own}\n")
    assert traced[2].count("\n") == 1
    assert str(own) in traced[2]


def test_an_agent_that_cannot_start(tmp_path: Path) -> None:
    """A bootstrap that fails, however it does, is one line, and the program runs as untraced."""
    package = tmp_path / "tracing_instrumentations"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for source, words in {
        "raise ValueError('two\\nlines')": "two lines",
        "raise SystemExit(3)": "SystemExit",
        "import no_such_module": "no_such_module",
        "x = = 1": "SyntaxError",
    }.items():
        (package / "registry.py").write_text(source)
        bare, traced = both("-B", "-c", LOOK, path=str(tmp_path))
        assert traced[:2] == bare[:2]
        assert traced[2].startswith("tracing-agent: warning: not tracing: ")
        assert words in traced[2]
        assert traced[2].count("\n") == 1


def test_opentelemetry_that_cannot_be_imported(tmp_path: Path) -> None:
    """Where OpenTelemetry cannot be imported, one line says why, and what was to be traced works untraced."""
    package = tmp_path / "opentelemetry" / "sdk"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('too old')\n")
    (tmp_path / "app.py").write_text("import flask, requests\nprint(hasattr(flask.Flask.wsgi_app, '__wrapped__'))\n")
    process = run(sys.executable, "app.py", PYTHONPATH=str(tmp_path), cwd=tmp_path)
    assert (process.returncode, process.stdout, process.stderr.count("\n")) == (0, "False\n", 1)
    assert "too old" in process.stderr
