"""Servers with several workers: every request gives its span, once, from the process that served it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from launchers.applications import write
from launchers.launched import free_port, launched, needs, one_service, served
from support.sink import Sink

pytestmark = pytest.mark.process

GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "-w", "2"]

#: The command, the number of processes that answer, and what has to be installed.
SERVERS: dict[str, tuple[list[str], int, tuple[str, ...]]] = {
    "gunicorn sync": ([*GUNICORN, "shop:app"], 2, ("gunicorn",)),
    "gunicorn gthread": ([*GUNICORN, "-k", "gthread", "--threads", "2", "shop:app"], 2, ("gunicorn",)),
    "gunicorn --preload": ([*GUNICORN, "--preload", "shop:app"], 2, ("gunicorn",)),
    "gunicorn gevent": ([*GUNICORN, "-k", "gevent", "shop:app"], 2, ("gunicorn", "gevent")),
    "gunicorn gevent --preload": ([*GUNICORN, "-k", "gevent", "--preload", "shop:app"], 2, ("gunicorn", "gevent")),
    "gunicorn uvicorn-worker": (
        [*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "shop_async:app"],
        2,
        ("gunicorn", "uvicorn_worker"),
    ),
    "uvicorn": (["uvicorn", "--port", "0", "shop_async:app"], 1, ("uvicorn",)),
    "uvicorn --workers": (["uvicorn", "--port", "0", "--workers", "2", "shop_async:app"], 2, ("uvicorn",)),
    "flask run": (["flask", "--app", "shop", "run", "--port", "0"], 1, ("flask",)),
    "fastapi run": (["fastapi", "run", "--port", "PORT", "shop_async.py"], 1, ("fastapi_cli",)),
    "fastapi run --workers": (
        ["fastapi", "run", "--port", "PORT", "--workers", "2", "shop_async.py"],
        2,
        ("fastapi_cli",),
    ),
    "hypercorn": (["hypercorn", "-b", "127.0.0.1:PORT", "-w", "2", "shop_async:app"], 2, ("hypercorn",)),
    "granian ASGI": (
        ["granian", "--port", "PORT", "--workers", "2", "--interface", "asgi", "shop_async:app"],
        2,
        ("granian",),
    ),
    "granian WSGI": (
        ["granian", "--port", "PORT", "--workers", "2", "--interface", "wsgi", "shop:app"],
        2,
        ("granian",),
    ),
}


@pytest.mark.parametrize("server", SERVERS)
def test_workers(server: str, sink: Sink, tmp_path: Path) -> None:
    """User-pain rows 4, 5 and 27: every request gives one span, from the worker that served it, also at its end."""
    command, workers, modules = SERVERS[server]
    needs(*modules)
    port = free_port() if any("PORT" in word for word in command) else 0
    words = [word.replace("PORT", str(port)) for word in command]
    # These end while threads of theirs still close what they have answered with.
    abrupt = server in ("granian WSGI", "flask run")
    delay = "50" if abrupt else "5000"
    with launched(*words, cwd=write(tmp_path), sink=sink, port=port, OTEL_BSP_SCHEDULE_DELAY=delay) as running:
        running.work(lambda pids: len(pids) >= workers)
        if abrupt:
            sink.wait(lambda spans: len(spans) >= len(running.answers))
        running.stop(signal.SIGTERM)
        assert not running.ours
        assert not [line for line in running.lines if "Warning" in line or "Traceback" in line]
    assert served(sink.spans) == running.answers
    one_service(sink.spans, "shop_async" if any("shop_async" in word for word in command) else "shop")
