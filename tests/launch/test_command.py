"""The command `tracing-run`: what it launches is as if it had been launched without it."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from support.program import ONPATH, environment, run, start

pytestmark = pytest.mark.process

#: The installed console script.
SCRIPT = Path(sys.executable).with_name("tracing-run")


def shell(script: str, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script in which ``"$0"`` is `tracing-run`."""
    return run("sh", "-c", script, SCRIPT, *arguments, traced=False, **variables)


def test_the_same_process(tmp_path: Path) -> None:
    """The command runs in the launched process itself, with its own arguments, streams and exit code."""
    argument = b"caf\xe9 \xff"
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\n"
        "print(os.getpid(), os.fsencode(sys.argv[1]), sys.stdin.read(), flush=True)\n"
        "print('complaint', file=sys.stderr)\n"
        "sys.exit(7)\n"
    )
    process = subprocess.Popen(
        [SCRIPT, sys.executable, program, argument],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, err = process.communicate("input", timeout=60)
    assert out == f"{process.pid} {argument!r} input\n"
    assert err == "complaint\n"
    assert process.returncode == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_ended_by_a_signal(number: signal.Signals) -> None:
    """A launched program that a signal ends has the exit status and the last words that it has untraced."""
    # Not one long sleep, during which a signal that came just before it would wait.
    code = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.01)"
    endings = []
    for traced in (True, False):
        process = start(sys.executable, "-c", code, traced=traced)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        # The place in the code where the signal came may differ.
        endings.append((out, err.splitlines()[-1:], process.returncode))
    assert endings[0] == endings[1]
    assert endings[0][2] == -number


@pytest.mark.parametrize("name", ["PIPE", "XFSZ"])
def test_signals_that_python_ignores(name: str) -> None:
    """The signals that Python ignores from its start on have their default action in a launched program."""
    ended = run("sh", "-c", f"kill -s {name} $$; echo alive")
    assert ended.stdout == ""
    assert ended.returncode == -getattr(signal, f"SIG{name}")


def test_commands_that_cannot_run(tmp_path: Path) -> None:
    """What cannot be launched is one line that names it and a shell's exit code: 127 not found, 126 not executable."""
    plain, orphan, binary = tmp_path / "plain.py", tmp_path / "orphan", tmp_path / "binary"
    plain.write_text("pass\n")
    orphan.write_text("#!/nowhere/python\n")
    binary.write_bytes(b"\x7fNOT\0ELF")
    for file in (orphan, binary):
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    expected = {
        "no-such-command": (127, "command not found"),
        "": (127, "command not found"),
        "./no-such-file": (127, "No such file"),
        "plain.py/child": (127, "Not a directory"),
        "./orphan": (127, "interpreter"),
        "./plain.py": (126, "tracing-run python ./plain.py"),
        "plain.py": (127, "tracing-run python plain.py"),
        "./binary": (126, "Exec format error"),
        str(tmp_path): (126, "directory"),
    }
    for command, (code, words) in expected.items():
        ended = run(command, cwd=tmp_path)
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (code, "", 1), (command, ended)
        assert ended.stderr.startswith(f"tracing-run: {command or repr('')}: "), ended
        assert words in ended.stderr, ended


def test_found_along_path(tmp_path: Path) -> None:
    """A command is found along PATH as a shell finds it: the first that can be executed, or 126 if none can be."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, words in ((first, "echo first"), (second, "echo second")):
        folder.mkdir()
        (folder / "tool").write_text(f"#!/bin/sh\n{words}\n")
    (second / "tool").chmod(0o755)
    assert run("tool", PATH=f"{first}:{second}").stdout == "second\n"
    ended = run("tool", PATH=str(first))
    assert (ended.returncode, ended.stderr.count("\n")) == (126, 1)


def test_a_script_without_a_first_line(tmp_path: Path) -> None:
    """A script that names no interpreter is run by the shell, as shells and execvp(3) do."""
    script = tmp_path / "start.sh"
    script.write_text('echo "$1" && exit 3\n')
    script.chmod(0o755)
    ended = run("./start.sh", "two words", cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "two words\n", "")


def test_usage() -> None:
    """No command is the usage on stderr and exit code 2; an unknown option is one line and 2; --help is on stdout."""
    for script in ('"$0"', '"$0" --'):
        ended = shell(script)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith("usage: tracing-run COMMAND")
    for option in ("-h", "--help"):
        ended = shell(f'"$0" {option}')
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith("usage: tracing-run COMMAND")
    ended = shell('"$0" --trace app.py')
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "--trace" in ended.stderr


def test_closed_streams() -> None:
    """A closed standard output or error is no traceback."""
    for script, code in (('"$0" --help >&-', 0), ('"$0" 2>&-', 2), ('"$0" no-such-command 2>&-', 127)):
        ended = shell(script)
        assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", "")


def test_options() -> None:
    """--version names the command and its version; --print-path names the folder that holds the one bootstrap file."""
    words = shell('"$0" --version').stdout.split()
    assert words[0] == "tracing-run"
    assert words[1][0].isdigit()
    assert shell('"$0" --print-path').stdout == f"{ONPATH}\n"


def test_a_command_named_like_an_option() -> None:
    """After -- everything is the command, whatever it is named."""
    ended = run(SCRIPT, "--", "watch", traced=False, PATH="/nowhere")
    assert (ended.returncode, ended.stderr) == (127, "tracing-run: watch: command not found on PATH\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "{folder}"),
        ("", "{folder}"),
        ("one:two", "{folder}:one:two"),
        (":one::", "{folder}::one::"),
        ("{folder}:one", "{folder}:one"),
        ("one:{folder}", "{folder}:one:{folder}"),
    ],
)
def test_the_environment(before: str | None, after: str) -> None:
    """The command puts its folder first on PYTHONPATH, once, and changes nothing else of the environment."""
    given = environment() if before is None else environment(PYTHONPATH=before.format(folder=ONPATH))
    ended = subprocess.run([SCRIPT, "env", "-0"], env=given, capture_output=True, text=True, check=True)
    found = dict(line.split("=", 1) for line in ended.stdout.split("\0") if line)
    assert found == {**given, "PYTHONPATH": after.format(folder=ONPATH)}


@pytest.mark.parametrize("locale", [{}, {"LC_CTYPE": ""}, {"LC_CTYPE": "C.UTF-8"}, {"LC_ALL": "C"}])
def test_the_locale(locale: dict[str, str]) -> None:
    """The locale that Python gives itself where none is set does not reach the launched command."""
    bare = {key: value for key, value in environment().items() if key != "LANG" and not key.startswith("LC_")}
    given = {**bare, **locale}
    ended = subprocess.run([SCRIPT, "env"], env=given, capture_output=True, text=True, check=True)
    found = [line for line in ended.stdout.splitlines() if line.startswith("LC_")]
    assert found == [f"{key}={value}" for key, value in locale.items()]


def test_the_command_imports_next_to_nothing() -> None:
    """Launching imports the command's own module and what every interpreter has loaded (user-pain row 32)."""
    code = (
        "import os, sys; before = set(sys.modules)\n"
        "os.execve = lambda *arguments: print(*sorted(set(sys.modules) - before))\n"
        "from tracing_sitecustomize.command import main\n"
        "main(['true'])\n"
    )
    ended = run(sys.executable, "-c", code, traced=False)
    assert ended.stdout.split() == ["__future__", "tracing_sitecustomize", "tracing_sitecustomize.command"]
    assert ended.stderr == ""
