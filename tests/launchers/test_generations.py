"""Servers that replace their processes: recycled, reloaded by a signal, or by a change of a file; preloaded."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from launchers.applications import FASTAPI, FLASK, write
from launchers.launched import Launched, launched, needs, one_service, served
from support.sink import Sink

pytestmark = pytest.mark.process

GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "-w", "1"]

RECYCLED: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "gunicorn sync": ([*GUNICORN, "--max-requests", "10", "shop:app"], ("gunicorn",)),
    "gunicorn gthread": (
        [*GUNICORN, "-k", "gthread", "--threads", "2", "--max-requests", "10", "shop:app"],
        ("gunicorn",),
    ),
    "gunicorn gevent": ([*GUNICORN, "-k", "gevent", "--max-requests", "10", "shop:app"], ("gunicorn", "gevent")),
    "uvicorn --workers": (
        ["uvicorn", "--port", "0", "--workers", "2", "--limit-max-requests", "10", "shop_async:app"],
        ("uvicorn",),
    ),
}


@pytest.mark.parametrize("server", RECYCLED)
def test_recycled_workers(server: str, sink: Sink, tmp_path: Path) -> None:
    """User-pain row 11: workers that end after so many requests leave no span behind."""
    command, modules = RECYCLED[server]
    needs(*modules)
    with launched(*command, cwd=write(tmp_path), sink=sink) as running:
        running.work(lambda pids: len(pids) >= 2)
        running.stop()
        assert not running.ours
    # What was cut off may have been served.
    assert running.answers.items() <= served(sink.spans).items()
    one_service(sink.spans, command[-1].partition(":")[0])


@pytest.mark.parametrize("preload", [False, True])
def test_graceful_reload(preload: bool, sink: Sink, tmp_path: Path) -> None:
    """User-pain row 4: after SIGHUP gunicorn's new workers are traced as the old ones were, whose spans all arrived."""
    needs("gunicorn")
    command = [*GUNICORN, *(["--preload"] if preload else []), "shop:app"]
    with launched(*command, cwd=write(tmp_path), sink=sink) as running:
        first = running.work(bool)
        running.process.send_signal(signal.SIGHUP)
        running.work(lambda pids: bool(pids - first))
        assert running.stop() == 0
        assert not running.ours
    # What was cut off may have been served.
    assert running.answers.items() <= served(sink.spans).items()
    one_service(sink.spans, "shop")


TRAFFIC = (
    FLASK
    + """
app.test_client().get("/work/before")
from opentelemetry.trace import get_tracer_provider
SENT
"""
)


@pytest.mark.parametrize("sent", [False, True], ids=["waiting", "sent"])
def test_preloaded_with_traffic(sent: bool, sink: Sink, tmp_path: Path) -> None:
    """User-pain row 4: traffic before gunicorn's fork is the master's, waiting or sent; the workers go on as usual."""
    needs("gunicorn")
    (tmp_path / "shop.py").write_text(
        TRAFFIC.replace("SENT", "assert get_tracer_provider().force_flush()" if sent else "")
    )
    with launched(*GUNICORN, "-w", "2", "--preload", "shop:app", cwd=tmp_path, sink=sink) as running:
        running.work(lambda pids: len(pids) >= 2)
        assert running.stop() == 0
        assert not running.ours
        master = running.process.pid
    assert served(sink.spans) == {**running.answers, "/work/before": master}
    one_service(sink.spans, "shop")


def change(running: Launched, file: Path, source: str, started: str) -> None:
    """Write a new version of a file, as often as it takes: reloaders miss what changes before their first look."""
    for number in range(1, 4):
        before = file.stat().st_mtime
        file.write_text(source + f"\nCHANGED = {number}\n")
        # A time that none can take for the old one's.
        os.utime(file, (before + 10, before + 10))
        if running.says(started, times=2, within=15.0):
            return
    running.said(started, times=2)


#: The command, its module and source, what it prints as often as it starts, and what has to be installed.
RELOADERS: dict[str, tuple[list[str], str, str, str, tuple[str, ...]]] = {
    "flask run --debug": (
        ["flask", "--app", "shop", "run", "--port", "0", "--debug"],
        "shop.py",
        FLASK,
        "Debugger PIN",
        ("flask",),
    ),
    "uvicorn --reload": (
        ["uvicorn", "--port", "0", "--reload", "shop_async:app"],
        "shop_async.py",
        FASTAPI,
        "startup complete",
        ("uvicorn",),
    ),
}


@pytest.mark.parametrize("reloader", RELOADERS)
def test_reloaders(reloader: str, sink: Sink, tmp_path: Path) -> None:
    """User-pain row 5: after a change of the program its new process is traced; the reloader itself sends nothing."""
    command, file, source, started, modules = RELOADERS[reloader]
    needs(*modules)
    write(tmp_path)
    with launched(*command, cwd=tmp_path, sink=sink, OTEL_BSP_SCHEDULE_DELAY="50") as running:
        running.said(started)
        began = time.monotonic()
        # For so long that the reloader has had its first look.
        first = running.work(lambda pids: time.monotonic() > began + 1)
        sink.wait(lambda spans: len(spans) >= len(running.answers))
        # Nobody asks meanwhile: reloaders cut off what their process is at.
        change(running, tmp_path / file, source, started)
        second = running.work(bool)
        spans = sink.wait(lambda spans: len(spans) >= len(running.answers))
        assert not running.ours
        assert running.process.pid not in first | second
    assert len(first) == len(second) == 1 and first != second
    assert served(spans) == running.answers
    one_service(spans, file.removesuffix(".py"))
