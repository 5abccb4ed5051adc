"""`tracing-run watch`: the command line, and the loop between receiver, assembly and screen."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from tracing_watch.child import Run, exit_code, pointed_at, start, traced, unusable
from tracing_watch.receiver import Receiver
from tracing_watch.saved import Unreadable, read
from tracing_watch.screen import Screen, Selection
from tracing_watch.session import Session
from tracing_watch.text import clean, cut

NAME = "tracing-run watch"
DEFAULT_PORT = 4318
EVERYWHERE = ("0.0.0.0", "::")
STANDARD_ERROR = 2

DESCRIPTION = """\
Shows traces in the terminal, each as a waterfall, as soon as it is finished.

Alone it listens for OTLP over HTTP, for programs that are started elsewhere; with a command
it runs that under the agent, shows its traces, and ends with its exit code; with FILE it
shows again what --save kept (or what a collector's file exporter wrote)."""


class _Usage(Exception):
    """The arguments are wrong."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments"):
            message += " (a command goes after --)"
        raise _Usage(message)


def main(arguments: list[str], run: Run | None = None) -> int:
    """What comes after `tracing-run watch`; gives the exit code.

    `run` says how a command is run under the agent, see `child.Run`.
    """
    own, separator, command = _split(arguments)
    try:
        options = _parser().parse_args(own)
        if separator and not command:
            raise _Usage("no command after --")
        if options.file and command:
            raise _Usage("either FILE or a command")
    except _Usage as error:
        return _fail(f"{error}; see {NAME} --help", 2)
    except SystemExit as end:  # --help
        return int(end.code or 0)
    if command and (reason := unusable(command[0])):
        return _fail(*reason)
    warn = _warn_once()
    try:
        screen = _screen(options, warn)
    except OSError as error:
        return _fail(f"{options.save} cannot be written: {error.strerror or error}", 1)
    if options.file:
        return _show_again(options.file, screen)
    return _receive(options, screen, warn, command, run or traced)


def _receive(
    options: argparse.Namespace, screen: Screen, warn: Callable[[str], None], command: list[str], run: Run
) -> int:
    """Shows what comes, until the command or somebody ends it."""
    session = Session(screen, ends_unread=not command)
    port = options.port if options.port is not None else 0 if command else DEFAULT_PORT
    try:
        receiver = Receiver(options.host, port, session.take, warn)
    except OSError as error:
        return _fail(_cannot_listen(options.host, port, error), 1)
    with receiver:
        # The interval is how long the end waits for the thread.
        serve = threading.Thread(target=receiver.serve_forever, args=(0.1,), daemon=True, name="otlp receiver")
        serve.start()
        try:
            # What the program itself prints is no JSON.
            output = STANDARD_ERROR if options.json else None
            code = _watch_command(session, receiver, command, run, output) if command else _watch(session, receiver)
        finally:
            receiver.shutdown()
    if screen.gone:
        _close_stdout()
        return code if command else 128 + signal.SIGPIPE
    _say(session.account())
    return code


def _screen(options: argparse.Namespace, warn: Callable[[str], None]) -> Screen:
    selection = Selection(options.slower_than, options.errors, options.service)
    # Appended to: what is there already may be the only trace of what somebody looks for.
    file = Path(options.save).open("a", encoding="utf-8") if options.save else None  # noqa: SIM115  # till the end
    return Screen(sys.stdout, selection, options.full, warn, machine=options.json, file=file)


def _show_again(file: str, screen: Screen) -> int:
    """The traces of a file."""
    try:
        traces = read(Path(file))
    except (OSError, Unreadable) as error:
        reason = f"{file}: {error.strerror or error}" if isinstance(error, OSError) else str(error)
        return _fail(reason, 1)
    for trace in traces:
        screen.show(trace)
    if screen.gone:
        _close_stdout()
        return 128 + signal.SIGPIPE
    hidden = f"; {screen.hidden} more did not match the options" if screen.hidden else ""
    _say(f"{screen.traces} of {len(traces)} traces of {file}{hidden}")
    return 0


def _split(arguments: list[str]) -> tuple[list[str], bool, list[str]]:
    if "--" not in arguments:
        return arguments, False, []
    at = arguments.index("--")
    return arguments[:at], True, arguments[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=NAME,
        usage=f"{NAME} [OPTION...] [-- COMMAND [ARG...] | FILE]",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine only)")
    add("--port", type=_port, help=f"port to listen on ({DEFAULT_PORT}; with a command any free one)")
    add("--slower-than", type=float, default=0.0, metavar="MS", help="show only traces that take longer")
    add("--errors", action="store_true", help="show only traces with an error")
    add("--service", default="", metavar="NAME", help="show only traces with spans of this service")
    add("--json", action="store_true", help="print each trace as one line of JSON, with all spans and findings")
    add("--save", default="", metavar="FILE", help="append the traces that are shown to FILE, one a line")
    add("file", nargs="?", default="", metavar="FILE", help="show the traces that were saved to FILE")
    add("--full", action="store_true", help="draw every span, also where many are alike")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 65535")
    return port


def _watch(session: Session, receiver: Receiver) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, frame: session.end())
    endpoint = _endpoint(receiver)
    pointed = "" if receiver.port == DEFAULT_PORT else f"OTEL_EXPORTER_OTLP_ENDPOINT={endpoint} "
    _say(f"listening on {endpoint} (OTLP over HTTP); in another terminal: {pointed}tracing-run COMMAND")
    session.show_until_end()
    session.show_rest()
    return 0


def _watch_command(session: Session, receiver: Receiver, command: list[str], run: Run, output: int | None) -> int:
    environment = pointed_at(_endpoint(receiver), os.environ)
    told = cut(clean(" ".join(command)), 60, "...")
    _say(f"listening on {_endpoint(receiver)} for the traces of: {told}")
    process = start(run(command, environment), environment, output)

    def end_with_it() -> None:
        process.wait()
        session.end()

    threading.Thread(target=end_with_it, daemon=True, name="command").start()
    session.show_until_end()
    session.show_rest()
    return exit_code(process.wait())


def _endpoint(receiver: Receiver) -> str:
    host = str(receiver.server_address[0])
    if host in EVERYWHERE:
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{receiver.port}" if ":" in host else f"http://{host}:{receiver.port}"


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; stop what listens there, or take another port with --port"
    if error.errno == errno.EACCES:
        return f"port {port} needs privileges; take one above 1023 with --port"
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{host} is no address of this machine; give one with --host"
    return f"cannot listen on {host} port {port}: {error.strerror}; give others with --host and --port"


def _warn_once() -> Callable[[str], None]:
    told: set[str] = set()

    def warn(message: str) -> None:
        if message not in told and len(told) < 20:
            told.add(message)
            _say(message)

    return warn


def _close_stdout() -> None:
    # Python would try to write what is left at its exit, and print an error on that.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message: str) -> None:
    try:
        print(f"{NAME}: {message}", file=sys.stderr, flush=True)
    except OSError:
        pass  # the terminal is gone


def _fail(message: str, code: int) -> int:
    _say(message)
    return code
