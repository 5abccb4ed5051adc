"""The live state of a process, on request: one line of JSON on standard error for each signal that comes.

Imported only where ``OTEL_PYTHON_DOCTOR_SIGNAL`` names a signal.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
from time import time
from typing import Any

from tracing_agent import __version__
from tracing_agent.faults import INFO, LINES, WARN, describe, say

VARIABLE = "OTEL_PYTHON_DOCTOR_SIGNAL"

_number = 0


def listen(name: str) -> None:
    """Answer the signal ``name`` (``SIGUSR2``, ``USR2`` or a number), unless the program handles it itself."""
    global _number
    number = _signal(name)
    if number is None:
        say(
            WARN,
            f"{VARIABLE}={name!r} is no signal that a program may have for itself; "
            "write SIGUSR2, or SIGRTMIN+1 where the program uses that",
        )
        return
    try:
        if signal.getsignal(number) is not signal.SIG_DFL:
            say(WARN, f"{VARIABLE}={name}: the program handles this signal itself; name another one")
            return
        signal.signal(number, answer)
    except ValueError:
        return  # not the main thread
    _number = number
    signal.signal = _keeping(signal.signal)


def _signal(text: str) -> int | None:
    name, _, offset = text.strip().upper().partition("+")
    allowed = {"USR1", "USR2", "PROF", "WINCH", "URG", "IO", "HUP", "QUIT", "RTMIN", "VTALRM"}
    names = {each.name.removeprefix("SIG"): int(each) for each in signal.Signals}
    if name.isdigit():
        number = int(name)
        return number if any(names.get(each) == number for each in allowed) or 32 < number < signal.NSIG else None
    found = names.get(name.removeprefix("SIG")) if name.removeprefix("SIG") in allowed else None
    if found is not None and offset:
        return found + int(offset) if offset.isdigit() and found + int(offset) <= signal.NSIG - 1 else None
    return found


def _keeping(original: Any) -> Any:
    """`signal.signal` for a program that resets all signals in its workers, as gunicorn does, which would have this
    one end them. A handler that the program sets is set, and is the only one.
    """

    @functools.wraps(original)
    def set_handler(signalnum: int, handler: Any) -> Any:
        if signalnum == _number and handler == signal.SIG_DFL:
            before = signal.getsignal(signalnum)
            if before is answer:
                return signal.SIG_DFL
            original(signalnum, answer)
            return before
        before = original(signalnum, handler)
        if before is answer:
            say(INFO, f"the program set its own handler of {VARIABLE}, which stays alone; name another signal")
        return signal.SIG_DFL if before is answer else before

    return set_handler


def answer(number: int, frame: object) -> None:
    """The handler: never raises, and holds nothing that the interrupted code may hold."""
    try:
        line = json.dumps(state(), default=str)
    except Exception as error:
        line = json.dumps({"pid": os.getpid(), "error": describe(error)})
    try:
        # Past buffers, whose locks the interrupted code may hold; None where it was closed from the start.
        if sys.__stderr__ is not None:
            os.write(sys.__stderr__.fileno(), line.encode() + b"\n")
    except Exception:
        pass


def state() -> dict[str, Any]:
    """This process at this moment: ``libraries`` (state by name), ``patches``, ``health`` (the counters and the queue,
    see `export.health.snapshot`), ``last_export_error``, ``faults`` (by library), ``lines`` said and how often again.
    """
    module = sys.modules.get("tracing_agent.agent")
    agent = module.running() if module is not None else None
    found: dict[str, Any] = {
        "tracing_agent": __version__,
        "pid": os.getpid(),
        "time": time(),
        "argv": sys.argv,
        "started": agent is not None,
        "lines": dict(LINES.repeats),
    }
    if agent is None or module is None:
        found["reason"] = "nothing that is traced was imported yet"
        return found
    health = agent.health()
    found.update(
        service=agent.provider.resource.attributes.get("service.name"),
        provider=agent.adopted or "tracing-agent",
        libraries=dict(agent.states),
        patches=len(agent.patches),
        faults={
            name: {"count": breaker.count, "switched_off": breaker.open, "last": breaker.last}
            for name, breaker in module.BREAKERS.items()
            if breaker.count
        },
        health=health,
        queue={"length": health["queued"], "limit": health["queue_limit"]},
        exporting_to=agent.pipeline.health.where,
        last_export_error=health["last_error"],
    )
    return found
