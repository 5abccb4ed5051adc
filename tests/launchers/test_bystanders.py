"""Processes that are not worth a start-up get none of the agent; what they start does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from launchers.launched import launched, needs
from support.program import ONPATH, run
from support.sink import Sink
from tracing_sitecustomize.bystanders import bystander

TRACKER = "from multiprocessing.resource_tracker import main"
PYTHON = "/venv/bin/python"

#: Command lines, the environment's additions, and what they are.
COMMANDS: list[tuple[list[str], dict[str, str], str]] = [
    (["python", "-m", "pip", "install", "x"], {}, "pip"),
    (["python", "-I", "-m", "pip"], {}, "pip"),
    (["python", "-Im", "pip"], {}, "pip"),
    (["python", "-mpip"], {}, "pip"),
    (["python", "-W", "ignore", "-Xdev", "-X", "utf8", "-m", "compileall", "."], {}, "compileall"),
    (["python", "--check-hash-based-pycs", "never", "-m", "ensurepip"], {}, "ensurepip"),
    (["python", "/venv/bin/pip3.11", "list"], {}, "pip"),
    (["python", "/venv/bin/pyflakes", "a.py"], {}, "pyflakes"),
    (["python", "/home/me/pip", "list"], {}, ""),
    (["python", "pip.py"], {}, ""),
    (
        ["python", "-c", "from multiprocessing.resource_tracker import main;main(3)"],
        {},
        "multiprocessing's resource tracker",
    ),
    (["python", "-c", "from multiprocessing.forkserver import main; main(3)"], {}, ""),
    (["python", "-c", "from multiprocessing.spawn import spawn_main; spawn_main()"], {}, ""),
    (["python", "-c", "import pip"], {}, ""),
    (["python", "app.py", "-m", "pip"], {}, ""),
    (["python", "-m", "app", "pip"], {}, ""),
    (["python", "-"], {}, ""),
    (["python"], {}, ""),
    (["python", "-m"], {}, ""),
    (["python", "-m", "uvicorn", "a:b", "--reload"], {}, "the supervisor of uvicorn's reloader"),
    (["python", "/venv/bin/uvicorn", "a:b"], {}, ""),
    (["python", "/venv/bin/fastapi", "dev", "a.py"], {}, "the supervisor of fastapi's reloader"),
    (["python", "/venv/bin/fastapi", "dev", "--no-reload"], {}, ""),
    (["python", "/venv/bin/fastapi", "run", "--reload"], {}, "the supervisor of fastapi's reloader"),
    (["python", "/venv/bin/fastapi", "run"], {}, ""),
    (["python", "/venv/bin/flask", "run", "--debug"], {}, "the supervisor of flask's reloader"),
    (["python", "-m", "flask", "--debug", "run"], {}, "the supervisor of flask's reloader"),
    (["python", "/venv/bin/flask", "run", "--debug"], {"WERKZEUG_RUN_MAIN": "true"}, ""),
    (["python", "/venv/bin/flask", "run", "--debug", "--no-reload"], {}, ""),
    (["python", "/venv/bin/flask", "run", "--debug"], {"FLASK_RUN_RELOAD": "0"}, ""),
    (["python", "/venv/bin/flask", "run"], {"FLASK_DEBUG": "1"}, "the supervisor of flask's reloader"),
    (["python", "/venv/bin/flask", "run", "--no-debug"], {"FLASK_DEBUG": "1"}, ""),
    (["python", "/venv/bin/flask", "run"], {"FLASK_DEBUG": "false"}, ""),
    (["python", "/venv/bin/flask", "--debug", "shell"], {}, ""),
]


@pytest.mark.parametrize(("command", "environ", "expected"), COMMANDS)
def test_command_lines(command: list[str], environ: dict[str, str], expected: str) -> None:
    """A process is known for what it is by its command line alone, before anything is imported."""
    assert bystander(command, environ, PYTHON) == expected


@pytest.mark.process
def test_a_tool_starts_nothing(sink: Sink, tmp_path: Path) -> None:
    """A tool that imports what is traced, and the API, is left alone: no agent, no hooks, no spans."""
    (tmp_path / "pyflakes").mkdir()
    (tmp_path / "pyflakes" / "__main__.py").write_text(
        "import sys, flask\nfrom opentelemetry.trace import get_tracer\nget_tracer('own').start_span('a').end()\n"
        "print(sys.meta_path, [name for name in sys.modules if name.startswith('tracing_agent.agent')])\n"
    )
    bare, done = (
        run(sys.executable, "-m", "pyflakes", cwd=tmp_path, traced=traced, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
        for traced in (False, True)
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("class") == bare.stdout.count("class")
    assert done.stdout.endswith("[]\n")
    assert sink.spans == []


IMPORTING = """
from flask import Flask, jsonify
import os
from opentelemetry.trace import get_tracer
get_tracer("own").start_span("imported").end()
app = Flask(__name__)

@app.get("/work/<number>")
def work(number):
    return jsonify(os.getpid())
"""


@pytest.mark.process
def test_a_supervisor_sends_nothing(sink: Sink, tmp_path: Path) -> None:
    """Flask's reloader imports the application twice; what that does is traced once, in the process that serves."""
    needs("flask")
    (tmp_path / "shop.py").write_text(IMPORTING)
    command = ["flask", "--app", "shop", "run", "--port", "0", "--debug"]
    with launched(*command, cwd=tmp_path, sink=sink, OTEL_BSP_SCHEDULE_DELAY="50") as running:
        running.said("Debugger PIN")
        (pid,) = running.work(bool)
        spans = sink.wait(lambda spans: len(spans) > len(running.answers))
        assert {span.pid for span in spans} == {pid}
        assert [span["name"] for span in spans].count("imported") == 1


@pytest.mark.process
def test_environment() -> None:
    """What a program sees of its environment is the untraced one, but for the folder on PYTHONPATH."""
    code = "import os, json; import flask; print(json.dumps(dict(os.environ)))"
    bare, traced = (
        json.loads(run(sys.executable, "-c", code, traced=traced, LC_ALL="C.UTF-8").stdout) for traced in (False, True)
    )
    path = traced.pop("PYTHONPATH")
    assert Path(path) == ONPATH
    assert traced == bare
