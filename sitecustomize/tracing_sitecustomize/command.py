"""The `tracing-run` command: puts the bootstrap on PYTHONPATH and becomes the command that it was given."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

USAGE = """\
usage: tracing-run COMMAND [ARGUMENT...]      run a Python program with tracing
       tracing-run watch [-- COMMAND...]      receive traces and print them as waterfalls
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
    if not arguments:
        sys.stderr.write(USAGE)
        return 2
    first = arguments[0]
    if first in ("-h", "--help"):
        sys.stdout.write(USAGE)
        return 0
    if first == "--version":
        from tracing_agent import __version__

        sys.stdout.write(f"tracing-run {__version__}\n")
        return 0
    if first == "--print-path":
        sys.stdout.write(FOLDER + "\n")
        return 0
    if first == "watch":
        from tracing_watch.cli import main as watch

        return watch(arguments[1:])
    if first == "--":
        arguments = arguments[1:]
    elif first.startswith("-"):
        sys.stderr.write(f"tracing-run: unknown option {first}; see tracing-run --help\n")
        return 2
    if not arguments:
        sys.stderr.write(USAGE)
        return 2
    return launch(arguments, environment(os.environ))


def environment(environ: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """The environment in which a Python program is traced."""
    found = dict(environ)
    rest = [entry for entry in found.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != FOLDER]
    found["PYTHONPATH"] = os.pathsep.join([FOLDER, *rest])
    found["_TRACING_RUN_PID"] = str(os.getpid())
    return found


def launch(command: list[str], environ: dict[str, str]) -> NoReturn:
    """Become ``command``: same process, so that exit code, signals and streams are its own."""
    # As a shell finds it: along PATH, unless it has a slash.
    name = command[0]
    from shutil import which

    path = name if os.sep in name else which(name)
    if path is None:
        _stop(127, f"{name}: command not found")
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(path, command, environ)
    except FileNotFoundError:
        _stop(
            127,
            f"{name}: command not found" if not os.path.exists(path) else f"{name}: its interpreter is missing",
        )
    except OSError as error:
        _stop(126, f"{name}: {error.strerror or error}")


def _stop(code: int, message: str) -> NoReturn:
    sys.stderr.write(f"tracing-run: {message}\n")
    raise SystemExit(code)


if __name__ == "__main__":
    raise SystemExit(main())
