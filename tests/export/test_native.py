"""Where gevent or eventlet replaced sockets, the export thread has its own."""

from __future__ import annotations

import http.client
import socket
import ssl
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest

from export.pipelines import exporting, settings
from export.servers import collector
from export.test_tls import Certificates
from tracing_agent.export import native
from tracing_agent.export.otlp_http import OtlpHttpExporter


class Refusing:
    """Stands for what must not be used."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise AssertionError("a replaced part was used")


def replaced(monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """Replace what gevent and eventlet replace, by what must not be used, and say so as they do."""
    thread, sleep = __import__("_thread").start_new_thread, time.sleep
    known = {("_thread", "start_new_thread"): thread, ("time", "sleep"): sleep}
    module: Any = types.ModuleType(by)
    if by == "gevent.monkey":
        module.is_module_patched = lambda name: True
        module.get_original = lambda name, item: known[name, item]
    else:
        module.is_monkey_patched = lambda name: True
        module.original = lambda name: types.SimpleNamespace(start_new_thread=thread, sleep=sleep)
    monkeypatch.setitem(sys.modules, by, module)
    monkeypatch.setattr(socket, "getaddrinfo", Refusing)
    monkeypatch.setattr(socket, "create_connection", Refusing)
    monkeypatch.setattr(ssl, "SSLContext", Refusing)
    monkeypatch.setattr(http.client, "HTTPConnection", Refusing)


@pytest.mark.parametrize("by", ["gevent.monkey", "eventlet.patcher"])
@pytest.mark.parametrize("secure", [False, True])
def test_exports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, by: str, secure: bool) -> None:
    """Spans go out over original sockets and TLS, from an original thread, though all of them were replaced."""
    certificates = Certificates(tmp_path)
    with collector(certificates.context() if secure else None) as server:
        replaced(monkeypatch, by)
        found = settings(EXPORTER_OTLP_ENDPOINT=server.endpoint, EXPORTER_OTLP_CERTIFICATE=certificates.trusted)
        with exporting(OtlpHttpExporter(found)) as running:
            for name in "ab":
                running.spans(name)
                assert running.pipeline.flush(10)
            assert running.health["exported"] == 2, running.health["last_error"]
        assert [request.names for request in server.requests] == [["a"], ["b"]] and server.connections == 1


def test_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program with the usual sockets shares the usual modules; so does one that imported gevent for its queues."""
    assert native.library("http.client") is http.client
    gevent: Any = types.ModuleType("gevent.monkey")
    gevent.is_module_patched = lambda name: False
    monkeypatch.setitem(sys.modules, "gevent.monkey", gevent)
    assert native.library("ssl") is ssl


def test_copies_leave_the_originals_alone() -> None:
    """Our copies add nothing to, and change nothing in, the modules that the program uses."""
    before = {name: dict(vars(sys.modules[name])) for name in ("socket", "ssl", "http.client", "enum")}
    copy: Any = native._copy("http.client")
    assert copy is native._copy("http.client") and copy is not http.client
    assert copy.socket is not socket and copy.ssl is not ssl and copy.ssl.socket is not socket.socket
    assert {name: vars(sys.modules[name]) for name in before} == before
