"""`tracing-run doctor`: the command line."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from tracing_agent import __version__
from tracing_doctor.findings import Findings, in_two, judge, merged
from tracing_doctor.launch import Found, examine, isolated
from tracing_doctor.process import SCHEMA
from tracing_doctor.screen import screen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAME = "tracing-run doctor"

DESCRIPTION = """\
Answers "why do I see no spans?" for the current environment, or for what COMMAND would get.

COMMAND is started with the agent and stopped when its imports are done: none of its other statements
runs. With --run it runs to its end (stop a server with Ctrl-C). Exit code: 0 healthy, 1 a problem."""


class _Usage(Exception):
    """The arguments are wrong."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments"):
            message += " (a command goes after --)"
        raise _Usage(message)


def main(arguments: list[str], environment: Callable[[Mapping[str, str]], dict[str, str]]) -> int:
    """What comes after `tracing-run doctor`; gives the exit code.

    ``environment`` makes of an environment one in which Python is traced.
    """
    at = arguments.index("--") if "--" in arguments else len(arguments)
    command = arguments[at + 1 :]
    try:
        options = _parser().parse_args(arguments[:at])
        if at < len(arguments) and not command:
            raise _Usage("no command after --")
        if options.run and not command:
            raise _Usage("--run needs a command after --")
    except _Usage as error:
        print(f"{NAME}: {error}; see {NAME} --help", file=sys.stderr)
        return 2
    except SystemExit as end:  # --help
        return int(end.code or 0)
    report = diagnose(command, environment, run=options.run, send=options.send)
    print(json.dumps(report, indent=2) if options.json else screen(report), end="\n" if options.json else "")
    return 0 if report["healthy"] else 1


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=NAME,
        usage=f"{NAME} [--json] [--send] [--run] [-- COMMAND [ARG...]]",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print the report for machines (docs/doctor.md)")
    parser.add_argument("--send", action="store_true", help="send one test span, and tell how that went step by step")
    parser.add_argument("--run", action="store_true", help="let COMMAND run to its end")
    return parser


def diagnose(
    command: list[str], environment: Callable[[Mapping[str, str]], dict[str, str]], *, run: bool, send: bool
) -> dict[str, Any]:
    """The whole report: see docs/doctor.md for its shape."""
    environ = environment(os.environ)
    # With it, nothing of the agent would be there to report.
    off = environ.pop("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    found = Findings()
    try:
        examined = examine(command, environ, run)
    except OSError as error:
        examined = Found(said=f"{command[0]}: {error.strerror or error}", code=127)
    report = merged(examined.reports) if examined.reports else _empty()
    given = report.pop("environ", {})
    report["mode"] = "run" if run else "imports" if command else "libraries"
    report["command"] = command
    report["send"] = _send({**environ, **given}) if send else None
    if examined.reports:
        found = judge(report, command)
    else:
        found.problem("agent", *_not_loaded(command, examined))
    if off:
        found.problems.insert(
            0,
            {
                "about": "settings",
                "problem": "OTEL_SDK_DISABLED=true switches the agent off (the rest is what would be without it)",
                "next": "unset OTEL_SDK_DISABLED",
            },
        )
    report["problems"], report["notes"] = found.problems, found.notes
    report["healthy"] = not found.problems
    return report


def _send(environ: dict[str, str]) -> dict[str, Any]:
    from tracing_agent.config import Settings
    from tracing_agent.faults import LINES, NONE
    from tracing_doctor.delivery import Delivery

    # Proxies and the official exporter read the process's own environment.
    os.environ.update(environ)
    LINES.level = NONE
    return Delivery(Settings(environ)).report()


def _not_loaded(command: list[str], examined: Found) -> tuple[str, str]:
    """No process had the agent: (what is wrong, what to do)."""
    for line in examined.said.splitlines():
        told = line.partition("tracing-agent: warning: not tracing: ")[2]
        if told:
            problem, following = in_two(told)
            return f"it is not loaded: {problem}", following or "use a supported interpreter"
    if flag := isolated(command):
        return f"{flag} keeps Python from reading PYTHONPATH or sitecustomize", f"start the program without {flag}"
    last = next((line for line in reversed(examined.said.splitlines()) if line.strip()), "")
    if examined.code == 127:
        return f"the command could not be started: {last}", "correct the command; a script starts with: python"
    if examined.code is None:
        return "the command started no Python that the agent was loaded in", "name the Python command itself after --"
    ended = f"the command ended with code {examined.code}" + (f", saying: {last}" if last else "")
    return (
        f"{ended}; no Python in it loaded the agent",
        "name the Python command itself after --; -I, -E and -S, and an emptied PYTHONPATH, keep the agent out",
    )


def _empty() -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "agent": {"version": __version__, "location": os.path.dirname(os.path.dirname(os.path.abspath(__file__)))},
        "python": {},
        "pid": 0,
        "argv": [],
        "processes": 0,
        "sitecustomize": {"agent": "", "program": ""},
        "settings": [],
        "rejected": [],
        "misspelt": [],
        "without_effect": [],
        "libraries": [],
        "export": {},
        "other_agents": [],
        "propagators": [],
        "sampler": "",
        "resource": {},
        "provider": "",
        "health": {},
        "error": "",
        "lines": [],
    }
