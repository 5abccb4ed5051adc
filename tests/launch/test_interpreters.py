"""Interpreters that are not for us: too old, not CPython, or of another environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from support.program import ONPATH, run

pytestmark = pytest.mark.process

CODE = (
    "import sys; sys.stdout.write('%d.%d %s\\n' % (sys.version_info[:2] + "
    "([name for name in sys.path + list(sys.modules) if 'onpath' in name or 'tracing_' in name],)))"
)


@cache
def interpreter(version: str) -> str:
    """A Python of this version: on PATH, or one of pyenv's; skips the test if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    found = [shutil.which(f"python{version}"), *map(str, pyenv.glob(f"versions/{version}.*/bin/python{version}"))]
    for candidate in filter(None, found):
        # pyenv's entries on PATH may stand for nothing.
        if subprocess.run([candidate, "-c", "pass"], capture_output=True, check=False).returncode == 0:
            return candidate
    pytest.skip(f"no Python {version} on this machine")


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7", "3.8", "3.9"])
def test_too_old(version: str) -> None:
    """User-pain row 20: an interpreter that is too old gets one line, and runs its program untraced."""
    ended = run(interpreter(version), "-c", CODE, PYTHONDONTWRITEBYTECODE="1")
    assert (ended.returncode, ended.stdout) == (0, f"{version} []\n")
    assert ended.stderr == (
        f"tracing-agent: warning: not tracing: Python {version} is too old, the agent needs 3.10 or later\n"
    )


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.9"])
def test_too_old_and_a_sitecustomize(version: str, tmp_path: Path) -> None:
    """An interpreter that is too old runs the program's own sitecustomize, once."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.stdout.write('own\\n')\n")
    python = interpreter(version)
    code = CODE + "; import sitecustomize; sys.stdout.write(sitecustomize.__file__ + '\\n')"
    own = run(python, "-B", "-c", code, traced=False, PYTHONPATH=str(tmp_path))
    ended = run(python, "-B", "-c", code, traced=False, PYTHONPATH=f"{ONPATH}:{tmp_path}")
    assert (ended.returncode, ended.stdout) == (0, own.stdout)
    assert own.stdout.startswith("own\n")
    assert ended.stderr.count("\n") == 1


def outside() -> str:
    """The interpreter that this virtual environment was made from: it does not see what is installed here."""
    if sys.prefix == sys.base_prefix:
        pytest.skip("not in a virtual environment")
    return str(Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}"))


def test_of_another_environment() -> None:
    """User-pain row 3: a Python that does not see the agent's packages gets one line that says so, and is untraced."""
    ended = run(outside(), "-c", CODE)
    assert ended.returncode == 0
    assert ended.stdout.endswith(" []\n")
    assert ended.stderr.startswith("tracing-agent: warning: not tracing: tracing-agent is not installed for ")
    assert outside() in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_not_cpython(tmp_path: Path) -> None:
    """An interpreter that is not CPython gets one line that names it."""
    code = f"import sys; sys.implementation.name = 'pypy'; sys.path.insert(0, {str(ONPATH)!r}); import sitecustomize"
    code = f"try:\n    {code}\nexcept ImportError:\n    print('no other')"
    ended = run(sys.executable, "-c", code, cwd=tmp_path, traced=False)
    assert (ended.returncode, ended.stdout) == (0, "no other\n")
    assert ended.stderr == "tracing-agent: warning: not tracing: pypy is not supported, the agent needs CPython\n"


PARENT = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"


def test_children_of_a_traced_program() -> None:
    """What a traced program starts is traced if it can be, and told nothing if it cannot."""
    started = "import sys; print('tracing_agent.patching.imports' in sys.modules)"
    ended = run(sys.executable, "-c", PARENT, sys.executable, "-c", started)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True\n", "")
    ended = run(sys.executable, "-c", PARENT, outside(), "-c", CODE)
    assert (ended.returncode, ended.stdout[-4:], ended.stderr) == (0, " []\n", "")


def test_a_script_that_starts_the_program(tmp_path: Path) -> None:
    """A program that a launched shell script starts is told why it is not traced, as if it had been launched itself."""
    script = tmp_path / "start.sh"
    script.write_text('#!/bin/sh\n"$@"\nexit $?\n')
    script.chmod(0o755)
    ended = run(script, outside(), "-c", CODE)
    assert (ended.returncode, ended.stderr.count("\n")) == (0, 1)


def test_a_launch_within_a_traced_program() -> None:
    """`tracing-run` within a traced program speaks to the user as anywhere else."""
    launch = [sys.executable, "-m", "tracing_sitecustomize.command"]
    ended = run(sys.executable, "-c", PARENT, *launch, outside(), "-c", CODE)
    assert (ended.returncode, ended.stderr.count("\n")) == (0, 1)


@pytest.mark.parametrize("level", ["none", "ERROR"])
def test_silence_on_request(level: str) -> None:
    """OTEL_LOG_LEVEL=none and =error silence the bootstrap's warning too."""
    ended = run(outside(), "-c", CODE, OTEL_LOG_LEVEL=level)
    assert (ended.returncode, ended.stderr) == (0, "")
