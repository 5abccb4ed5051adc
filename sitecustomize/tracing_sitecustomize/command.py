"""The `tracing-run` command: puts the bootstrap on PYTHONPATH and becomes the command that it was given."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: `errno.ENOEXEC`, the same wherever there is exec.
ENOEXEC = 8

USAGE = """\
usage: tracing-run COMMAND [ARGUMENT...]      run a Python program with tracing
       tracing-run watch [-- COMMAND...]      receive traces and print them as waterfalls
       tracing-run compare A B                compare traces that watch saved
       tracing-run doctor [-- COMMAND...]     say why there are no spans, and what to do
       tracing-run --print-path               the folder to put on PYTHONPATH in a container
       tracing-run --version | --help

  tracing-run python app.py
  tracing-run gunicorn app:app
  tracing-run watch -- python app.py

Everything is configured by OTEL_* variables: OTEL_SERVICE_NAME names the service, OTEL_EXPORTER_OTLP_ENDPOINT says
where spans go (default http://localhost:4318), OTEL_TRACES_EXPORTER=console prints them, OTEL_SDK_DISABLED=true
switches everything off.
"""

#: The one folder, holding one file, that children inherit through PYTHONPATH.
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "onpath")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line ``arguments`` (by default the process's); returns only where nothing was launched."""
    arguments = sys.argv[1:] if arguments is None else arguments
    first = arguments[0] if arguments else ""
    if not __package__:
        # Run by its path, as is possible after `pip install --target DIR`.
        sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if first in ("-h", "--help"):
        return _write(1, USAGE, 0)
    if first == "--version":
        from tracing_agent import __version__

        return _write(1, f"tracing-run {__version__}\n", 0)
    if first == "--print-path":
        return _write(1, FOLDER + "\n", 0)
    if first == "watch":
        from tracing_watch.cli import main as watch

        return watch(arguments[1:])
    if first == "compare":
        from tracing_watch.compare import main as compare

        return compare(arguments[1:])
    if first == "doctor":
        from tracing_doctor.cli import main as doctor

        return doctor(arguments[1:], environment)
    if first == "--":
        arguments = arguments[1:]
    elif first.startswith("-"):
        return _write(2, f"tracing-run: unknown option {first}; see tracing-run --help\n", 2)
    if not arguments:
        return _write(2, USAGE, 2)
    return launch(arguments, environment(os.environ))


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment in which a Python program is traced."""
    changed = dict(environ)
    # By a slash children know what a traced program started. What is launched on purpose is told why it is not traced,
    # also from within one.
    path = os.pathsep.join(
        FOLDER if entry == FOLDER + os.sep else entry for entry in changed.get("PYTHONPATH", "").split(os.pathsep)
    )
    # An empty entry is the working directory and stays; an empty variable is none.
    if not path:
        changed["PYTHONPATH"] = FOLDER
    else:
        changed["PYTHONPATH"] = path if path.split(os.pathsep)[0] == FOLDER else FOLDER + os.pathsep + path
    if changed.get("LC_CTYPE") in ("C.UTF-8", "C.utf8", "UTF-8"):
        _restore_locale(changed)
    return changed


def _restore_locale(environ: dict[str, str]) -> None:
    """Take back the locale that the Python which runs this command may have given itself (PEP 538)."""
    try:
        with open("/proc/self/environ", "rb") as file:
            given = dict(entry.partition(b"=")[::2] for entry in file.read().split(b"\0"))
    except OSError:
        return
    if b"LC_CTYPE" in given:
        environ["LC_CTYPE"] = os.fsdecode(given[b"LC_CTYPE"])
    else:
        del environ["LC_CTYPE"]


def launch(command: list[str], environ: dict[str, str]) -> int:
    """Become ``command``: same process, so that exit code, signals and streams are its own.

    Returns only if that fails, with what a shell gives: 127 if there is no such command, 126 if it can't be executed.
    """
    name = command[0]
    path = find(name, environ.get("PATH", os.defpath))
    script = f"; run a script with: tracing-run python {name}" if name.endswith(".py") else ""
    if path is None:
        return _write(2, f"tracing-run: {name or repr(name)}: command not found on PATH{script}\n", 127)
    _restore_signals()
    try:
        os.execve(path, command, environ)
    except OSError as error:
        if error.errno == ENOEXEC and _is_text(path):
            # A script without a first line that names an interpreter: as execvp(3) and shells do.
            os.execve("/bin/sh", ["sh", path, *command[1:]], environ)
        reason, code = error.strerror or str(error), 126
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            # The file may be there all the same.
            reason = "the interpreter named in its first line is missing" if os.path.exists(path) else reason
            code = 127
        elif os.path.isdir(path):
            reason = "it is a directory"
        return _write(2, f"tracing-run: {name}: {reason}{script}\n", code)


def find(name: str, path: str) -> str | None:
    """Where a shell would find the command: along ``path``, unless the name has a slash."""
    # Not shutil.which, whose import costs half as much as starting Python.
    if os.sep in name or (os.altsep and os.altsep in name):
        return name
    denied = None
    for folder in path.split(os.pathsep):
        candidate = os.path.join(folder, name)
        if name and os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            denied = denied or candidate
    return denied


def _restore_signals() -> None:
    """Python ignores these two from its start on, and what is ignored stays ignored across exec."""
    # The built-in part of `signal`, whose own import costs as much as the rest of this command.
    import _signal  # type: ignore[import-not-found]

    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(_signal, name):
            _signal.signal(getattr(_signal, name), _signal.SIG_DFL)


def _is_text(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return b"\0" not in file.read(128)
    except OSError:
        return False


def _write(descriptor: int, text: str, code: int) -> int:
    """Write to standard output (1) or error (2), which may be closed; returns ``code``."""
    try:
        os.write(descriptor, os.fsencode(text))
    except OSError:
        pass
    return code


if __name__ == "__main__":
    raise SystemExit(main())
