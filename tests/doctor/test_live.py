"""`OTEL_PYTHON_DOCTOR_SIGNAL`: every process tells its state when asked, and signals of the program stay its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from support.program import run, start
from support.sink import Sink

pytestmark = pytest.mark.process

# Asks itself, and gives the handler the chance to run.
ASK = "import os, signal\ndef ask():\n    os.kill(os.getpid(), signal.SIGUSR2)\n    for _ in range(1000): pass\n"


def states(stderr: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]


def program(folder: Path, text: str, **variables: str) -> tuple[str, str]:
    """(stdout, stderr) of a program that can `ask()`."""
    path = folder / "program.py"
    path.write_text(ASK + text)
    done = run(sys.executable, path, **{"OTEL_PYTHON_DOCTOR_SIGNAL": "SIGUSR2", **variables})
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_the_state_of_each_process(tmp_path: Path, sink: Sink) -> None:
    """Parent and child each tell their own patches, counters, queue and pid, in one line of JSON."""
    text = (
        "import flask\n"
        "client = flask.Flask('shop').test_client()\n"
        "client.get('/'); ask()\n"
        "if os.fork() == 0:\n    ask(); os._exit(0)\n"
        "os.wait()\n"
    )
    _, errors = program(tmp_path, text, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    parent, child = states(errors)
    assert parent["libraries"]["flask"] == child["libraries"]["flask"] == "patched"
    assert parent["pid"] != child["pid"]
    assert (parent["health"]["started"], child["health"]["started"]) == (1, 0)
    assert parent["queue"]["limit"] == 2048
    assert parent["last_export_error"] == ""
    assert parent["faults"] == {}


def test_before_anything_is_traced(tmp_path: Path) -> None:
    """A process that has imported nothing that is traced answers, too, instead of ending by the signal."""
    _, errors = program(tmp_path, "ask()\n")
    (state,) = states(errors)
    assert (state["started"], state["reason"]) == (False, "nothing that is traced was imported yet")


def test_export_errors_and_faults(tmp_path: Path) -> None:
    """The last export error and the faults of an instrumentation are told."""
    text = (
        "import flask\nfrom tracing_agent.agent import running\nfrom tracing_agent.operation import breaker_of\n"
        "flask.Flask('shop').test_client().get('/').close()\n"
        "breaker_of('flask').fault(ValueError('ours'))\n"
        "running().pipeline.flush(30)\n"
        "ask()\n"
    )
    _, errors = program(tmp_path, text, OTEL_BSP_EXPORT_TIMEOUT="200")
    (state,) = states(errors)
    assert "connection refused" in state["last_export_error"]
    assert state["faults"]["flask"]["count"] == 1
    assert state["faults"]["flask"]["last"].startswith("ValueError: ours")
    assert any("flask" in line for line in state["lines"])


def test_a_handler_of_the_program_is_the_only_one(tmp_path: Path) -> None:
    """A handler that the program sets is the one that runs, and it finds and restores what it would untraced."""
    text = (
        "handler = lambda number, frame: print('mine')\n"
        "print(signal.signal(signal.SIGUSR2, handler) is signal.SIG_DFL, signal.getsignal(signal.SIGUSR2) is handler)\n"
        "ask()\n"
        "print(signal.signal(signal.SIGUSR2, signal.SIG_IGN) is handler)\n"
        "ask()\n"
    )
    out, errors = program(tmp_path, text)
    assert out == "True True\nmine\nTrue\n"
    assert states(errors) == []


def test_a_server_that_resets_signals_in_its_workers(tmp_path: Path) -> None:
    """Setting the default again, as gunicorn's workers do, leaves the process able to answer."""
    out, errors = program(tmp_path, "print(signal.signal(signal.SIGUSR2, signal.SIG_DFL) == signal.SIG_DFL)\nask()\n")
    assert out == "True\n"
    assert len(states(errors)) == 1


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "nonsense", "SIGRTMIN+900", "99"])
def test_signals_that_cannot_be_had(name: str) -> None:
    """A name that is no signal, or one that ends programs, costs one line that says what to write."""
    done = run(sys.executable, "-c", "print('ran')", OTEL_PYTHON_DOCTOR_SIGNAL=name)
    assert done.stdout == "ran\n"
    assert done.stderr.count("\n") == 1
    assert f"OTEL_PYTHON_DOCTOR_SIGNAL='{name}'" in done.stderr
    assert "write SIGUSR2" in done.stderr


def test_a_signal_that_was_ignored_stays_ignored(tmp_path: Path) -> None:
    """A signal that the program inherits as ignored is the program's affair."""
    path = tmp_path / "program.py"
    path.write_text(ASK + "ask()\nprint('ran')\n")
    done = run("sh", "-c", f"trap '' USR2; exec {sys.executable} {path}", OTEL_PYTHON_DOCTOR_SIGNAL="USR2")
    assert done.stdout == "ran\n"
    assert "name another one" in done.stderr
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL


def test_workers_of_gunicorn(tmp_path: Path) -> None:
    """A worker of gunicorn, which resets its signals, answers for itself and goes on serving."""
    (tmp_path / "shop.py").write_text(
        "import os, flask\napp = flask.Flask('shop')\napp.route('/')(lambda: str(os.getpid()))\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--workers=2", f"--bind=127.0.0.1:{port}", "shop:app"]
    server = start(*command, cwd=tmp_path, OTEL_PYTHON_DOCTOR_SIGNAL="SIGUSR2")
    # Whoever reads what it prints must not wait for ever.
    limit = threading.Timer(60, server.kill)
    limit.start()
    try:
        pid = int(answer(port))
        os.kill(pid, signal.SIGUSR2)
        assert server.stderr is not None
        state = next(json.loads(line) for line in server.stderr if line.startswith("{"))
        assert (state["pid"], state["libraries"]["flask"], state["service"]) == (pid, "patched", "shop")
        assert answer(port)
    finally:
        limit.cancel()
        server.terminate()
        server.communicate(timeout=60)


def answer(port: int) -> str:
    """What the server answers, once it does."""
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as response:
                return str(response.read().decode())
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)
