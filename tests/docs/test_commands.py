"""Every shell block of the README and of the first steps is run as it stands, by a new user in a clean folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from support.sink import Sink

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "docs" / "getting-started.md")
# What makes the distribution.
SOURCES = ("agent", "instrumentations", "sitecustomize", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE")
# The program of somebody who has read no further.
APP = """
from flask import Flask

app = Flask(__name__)

@app.get("/hello/<name>")
def hello(name):
    return f"hello {name}"

if __name__ == "__main__":
    print(app.test_client().get("/hello/world").text)
"""
LIMIT = 300.0


def blocks() -> list[Any]:
    """The shell blocks by page and number."""
    return [
        pytest.param(block, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, block in enumerate(re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE))
    ]


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An environment with Flask and gunicorn, and a package index that has the agent as it is now."""
    folder = tmp_path_factory.mktemp("newcomer")
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, checkout / name)
    environment = folder / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "install", "flask", "gunicorn"], check=True, timeout=LIMIT)
    subprocess.run([*pip, "wheel", "--no-deps", "-w", folder / "index", checkout], check=True, timeout=LIMIT)
    return {"checkout": checkout, "environment": environment, "index": folder / "index"}


@pytest.fixture
def folder(newcomer: dict[str, Any], tmp_path: Path) -> Path:
    """A checkout, and in it the program."""
    found = tmp_path / "folder"
    shutil.copytree(newcomer["checkout"], found)
    (found / "app.py").write_text(APP)
    return found


def variables(newcomer: dict[str, Any], sink: Sink) -> dict[str, str]:
    """What a new user's shell has; a collector listens."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTHON", "_TRACING"))}
    return {
        **plain,
        "PATH": f"{newcomer['environment'] / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(newcomer["environment"]),
        "PIP_FIND_LINKS": str(newcomer["index"]),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "GUNICORN_CMD_ARGS": "--bind 127.0.0.1:0",
    }


@pytest.mark.parametrize("block", blocks())
def test_block(block: str, newcomer: dict[str, Any], folder: Path, sink: Sink) -> None:
    """A block ends with success and the program's output; spans arrive where it does not name another collector."""
    if "scripts/" in block:
        # They are what runs this test, and what tests/examples runs.
        for name in re.findall(r"^(scripts/\w+)", block, re.MULTILINE):
            assert os.access(ROOT / name, os.X_OK)
        return
    environ = variables(newcomer, sink)
    if "pip install" not in block:
        subprocess.run(["pip", "install", "-q", "tracing-agent"], env=environ, check=True, timeout=LIMIT)
    if "gunicorn" in block:
        serve(block, folder, environ, sink)
        return
    done = subprocess.run(
        ["bash", "-e", "-c", block], check=False, cwd=folder, env=environ, capture_output=True, text=True, timeout=LIMIT
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if "doctor" in block:
        assert "flask" in done.stdout.lower()
    elif "app.py" in block:
        assert "hello world" in done.stdout
        if "watch" in block:
            assert "GET /hello/<name> 200" in done.stdout
            return
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" in block or any(span["name"] == "GET /hello/<name>" for span in sink.spans)


def serve(block: str, folder: Path, environ: dict[str, str], sink: Sink) -> None:
    """A block that serves until it is stopped."""
    process = subprocess.Popen(
        ["bash", "-e", "-c", block],
        cwd=folder,
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            listening = re.search(r"Listening at: (http://[\d.:]+)", line)
            if listening:
                answer = subprocess.run(
                    [
                        sys.executable,
                        "-c",
                        f"import urllib.request as u; print(u.urlopen('{listening[1]}/hello/x').read())",
                    ],
                    check=False,
                    capture_output=True,
                    text=True,
                    timeout=60,
                )
                assert "hello x" in answer.stdout, answer.stderr
                break
        else:
            raise AssertionError("it did not begin to listen")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)
    assert [span["name"] for span in sink.spans] == ["GET /hello/<name>"]
