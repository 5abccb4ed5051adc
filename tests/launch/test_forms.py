"""Every form of launching a program gives spans: under `tracing-run`, and by environment alone."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request
import zipapp
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest

from support.program import ONPATH, TRACING_RUN, environment
from support.sink import Sink

pytestmark = pytest.mark.process

BIN = Path(sys.executable).parent

SPAN = """
import os, sys
from opentelemetry.trace import get_tracer

def main():
    with get_tracer("own").start_as_current_span("worked"):
        print(os.getpid())
"""

FORMS = {
    "a script": [sys.executable, "app.py"],
    "a module": [sys.executable, "-m", "package"],
    "code": [sys.executable, "-c", "import package; package.main()"],
    "runpy": [sys.executable, "-c", "import runpy; runpy.run_path('app.py', run_name='__main__')"],
    "a zipapp": [sys.executable, "app.pyz"],
    "a console script": ["own-command"],
    "a shebang script": ["./script"],
    "a shell script": ["./start.sh"],
    "env": ["env", "OWN=1", sys.executable, "app.py"],
    "another name of the interpreter": [f"python{sys.version_info[0]}.{sys.version_info[1]}", "app.py"],
}


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with one program in every form."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text(SPAN)
    (package / "__main__.py").write_text("import package\npackage.main()\n")
    zipapp.create_archive(tmp_path, tmp_path / "app.pyz", main="package:main")
    console = "from package import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
    for name, source in {
        "app.py": "import package\npackage.main()\n",
        "script": f"#!{sys.executable}\nimport package\npackage.main()\n",
        "bin/own-command": f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(tmp_path)!r})\n{console}",
        "start.sh": f"#!/bin/sh\n{sys.executable} app.py\nexit $?\n",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(source)
        file.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("by", ["tracing-run", "PYTHONPATH"])
@pytest.mark.parametrize("form", FORMS)
def test_a_program(form: str, by: str, programs: Path, sink: Sink) -> None:
    """User-pain row 5: a program's span arrives, from the process that made it, in whatever form it was launched."""
    path = {} if by == "tracing-run" else {"PYTHONPATH": str(ONPATH)}
    given = environment(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, **path)
    given["PATH"] = f"{programs / 'bin'}:{BIN}:{given['PATH']}"
    ended = subprocess.run(
        [*(TRACING_RUN if by == "tracing-run" else []), *FORMS[form]],
        cwd=programs,
        env=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    (span,) = sink.wait(len)
    assert (span["name"], span.pid) == ("worked", int(ended.stdout))


FLASK = """
import os
from flask import Flask

app = Flask(__name__)

@app.get("/pid")
def pid():
    return str(os.getpid())
"""

ASGI = """
import os
from opentelemetry.trace import get_tracer

async def app(scope, receive, send):
    if scope["type"] == "http":
        with get_tracer("own").start_as_current_span("GET /pid"):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""

SERVERS = {
    "flask run": ["flask", "--app", "served", "run", "--port", "0"],
    "python -m flask": ["python", "-m", "flask", "--app", "served", "run", "--port", "0"],
    "gunicorn": ["gunicorn", "--bind", "127.0.0.1:0", "served:app"],
    "gunicorn --preload -w 2": ["gunicorn", "--bind", "127.0.0.1:0", "--preload", "-w", "2", "served:app"],
    "uvicorn": ["uvicorn", "--port", "0", "served_async:app"],
    "uvicorn --workers 2": ["uvicorn", "--port", "0", "--workers", "2", "served_async:app"],
}


class Server:
    """A server that was launched, on the port that it says it listens on."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.port = 0
        assert process.stderr is not None
        while not self.port:
            line = process.stderr.readline()
            assert line, f"ended before it listened: {self.lines}"
            self.lines.append(line)
            found = re.search(r"http://127\.0\.0\.1:([1-9]\d*)", line)
            self.port = int(found[1]) if found else 0

    def pid(self) -> int:
        """The process that answers a request, as soon as one does: some name their port before they listen on it."""
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/pid", timeout=20) as answer:
                    return int(answer.read())
            except URLError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


@contextmanager
def served(command: list[str], folder: Path, sink: Sink) -> Iterator[Server]:
    (folder / "served.py").write_text(FLASK)
    (folder / "served_async.py").write_text(ASGI)
    given = environment(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, OTEL_BSP_SCHEDULE_DELAY="50", PYTHONUNBUFFERED="1")
    given["PATH"] = f"{BIN}:{given['PATH']}"
    process = subprocess.Popen(
        [*TRACING_RUN, *command], cwd=folder, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        yield Server(process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.mark.parametrize("form", SERVERS)
def test_a_server(form: str, tmp_path: Path, sink: Sink) -> None:
    """User-pain row 5: a request gives its span, from the process that served it, however the server was launched."""
    with served(SERVERS[form], tmp_path, sink) as server:
        pid = server.pid()
        (span,) = sink.wait(len)
    assert (span["name"], span.pid) == ("GET /pid", pid)
    assert not [line for line in server.lines if "tracing-agent" in line]


def test_the_reloader(tmp_path: Path, sink: Sink) -> None:
    """User-pain row 5: under Flask's reloader spans arrive from the serving process, also after a change."""
    with served(["flask", "--app", "served", "run", "--port", "0", "--debug"], tmp_path, sink) as server:
        first = server.pid()
        sink.wait(lambda spans: [span for span in spans if span.pid == first])
        (tmp_path / "served.py").write_text(FLASK + "\nCHANGED = True\n")
        assert server.process.stderr is not None
        # The new process says so before it listens on the socket that it inherited.
        while "Debugger PIN" not in server.process.stderr.readline():
            assert server.process.poll() is None
        while "Debugger PIN" not in server.process.stderr.readline():
            assert server.process.poll() is None
        second = server.pid()
        assert second not in (first, server.process.pid)
        sink.wait(lambda spans: [span for span in spans if span.pid == second])
