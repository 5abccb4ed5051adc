"""uWSGI, which forks past Python and ends its workers from signal handlers in C."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from launchers.applications import write
from launchers.launched import launched, needs, one_service, served
from support.program import run
from support.sink import Sink
from tracing_agent.resource import program_name

pytestmark = pytest.mark.process

UWSGI = ["uwsgi", "--http-socket", "127.0.0.1:0", "--processes", "2", "--module", "shop", "--need-app", "--master"]

SERVERS = {
    "preforked": [],
    "--lazy-apps": ["--lazy-apps"],
    "--threads": ["--threads", "2"],
    "--threads --lazy-apps": ["--threads", "2", "--lazy-apps"],
    "--max-requests": ["--max-requests", "10", "--min-worker-lifetime", "1"],
    "--py-call-osafterfork": ["--py-call-osafterfork"],
}


@pytest.mark.parametrize("server", SERVERS)
def test_workers(server: str, sink: Sink, tmp_path: Path) -> None:
    """User-pain rows 4 and 27: every request gives one span, from the worker that served it, also at its end."""
    needs("pyuwsgi")
    if server == "--py-call-osafterfork" and sys.version_info >= (3, 14):
        pytest.skip("uWSGI 2.0.30 aborts its workers on Python 3.14, untraced too: it unlocks what it has not locked")
    fifo = tmp_path / "fifo"
    command = [*UWSGI, "--master-fifo", str(fifo), *SERVERS[server]]
    with launched(*command, cwd=write(tmp_path), sink=sink, OTEL_SERVICE_NAME="shop") as running:
        running.work(lambda pids: len(pids) >= (3 if server == "--max-requests" else 2))
        # Gracefully: what is in the middle of anything when SIGTERM comes ends without a word to Python.
        fifo.write_text("q")
        assert running.ended() == 0
        assert not running.ours
    assert running.answers.items() <= served(sink.spans).items()
    one_service(sink.spans, "shop")


def test_the_end_by_a_signal(sink: Sink, tmp_path: Path) -> None:
    """SIGTERM is uWSGI's own, in workers that load the application after they have set their handlers, too."""
    needs("pyuwsgi")
    command = [*UWSGI, "--lazy-apps", "--die-on-term"]
    with launched(*command, cwd=write(tmp_path), sink=sink, OTEL_BSP_SCHEDULE_DELAY="50") as running:
        running.work(lambda pids: len(pids) >= 2)
        sink.wait(lambda spans: len(spans) >= len(running.answers))
        assert running.stop() == 0
        assert not [line for line in running.lines if "NO MERCY" in line]
    assert served(sink.spans) == running.answers


NAMES = {
    "--module": (["--module", "shop"], {}),
    "-w": (["-w", "shop:application"], {}),
    "--wsgi-file": (["--wsgi-file", "{folder}/shop.py"], {}),
    "a configuration file": (["--ini", "{folder}/uwsgi.ini"], {}),
    "a variable": ([], {"UWSGI_MODULE": "shop"}),
    "--mount": (["--mount", "/=shop:application"], {}),
}


@pytest.mark.parametrize("how", NAMES)
def test_the_name_of_the_service(how: str, sink: Sink, tmp_path: Path) -> None:
    """User-pain row 27: a service that nobody named is called as its application, however uWSGI was told that."""
    needs("pyuwsgi")
    options, variables = NAMES[how]
    (write(tmp_path) / "uwsgi.ini").write_text(f"[uwsgi]\nchdir = {tmp_path}\nmodule = shop:application\n")
    options = [option.format(folder=tmp_path) for option in options]
    command = ["uwsgi", "--http-socket", "127.0.0.1:0", "--master", "--need-app", "--die-on-term", *options]
    with launched(*command, cwd=tmp_path, sink=sink, OTEL_BSP_SCHEDULE_DELAY="50", **variables) as running:
        assert running.ask("/work/1")
        one_service(sink.wait(bool), "shop")
        assert running.stop() == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ""),
        ({"master": True}, ""),
        ({"mount": b"/a"}, ""),
        ({"mount": [b"/a", b"/b=/srv/shop.py"]}, "shop"),
        ({"file": b"/srv/site.py", "module": "shop.wsgi:app"}, "shop.wsgi"),
        ({"module": 7, "wsgi": b"shop\xff:app"}, "shop\udcff"),
    ],
)
def test_options(options: dict[str, object], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many applications the first gives the name; what names none leaves the server's own."""
    uwsgi = ModuleType("uwsgi")
    uwsgi.opt = options  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    monkeypatch.setattr(sys, "argv", ["uwsgi"])
    assert program_name() == (expected or "uwsgi")


def test_threads_disabled(sink: Sink, tmp_path: Path) -> None:
    """User-pain row 4: where uWSGI runs without threads, one line says what that means and how to change it."""
    (tmp_path / "uwsgi.py").write_text("has_threads = 0\n")
    (tmp_path / "program.py").write_text("import uwsgi\nimport flask\nimport opentelemetry.trace\n")
    done = run(sys.executable, "program.py", cwd=tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("tracing-agent: warning: uWSGI runs without threads") and "enable-threads" in line
