"""Fixtures of the client tests: servers, certificates, and the library under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clients.library import Library
from clients.requests_library import Requests
from clients.server import AUTHORITY, STRANGER, Proxy, Server
from support.recorder import Recorder

#: A library that joins the suite is added here.
LIBRARIES: tuple[Callable[[], Library], ...] = (Requests,)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that speaks HTTP."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
def tls_server() -> Iterator[Server]:
    """A server whose certificate the test's authority has signed."""
    server = Server(AUTHORITY)
    yield server
    server.close()


@pytest.fixture
def strange_server() -> Iterator[Server]:
    """A server whose certificate nobody trusts."""
    server = Server(STRANGER)
    yield server
    server.close()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """An HTTP proxy."""
    proxy = Proxy()
    yield proxy
    proxy.close()


@pytest.fixture
def trust(tmp_path: Path) -> str:
    """The file with the certificate of the test's authority."""
    path = tmp_path / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.__name__)
def library(request: pytest.FixtureRequest, recorder: Recorder) -> Iterator[Library]:
    """Each library in turn, traced by `recorder`."""
    made: Library = request.param()
    recorder.patch(made.name)
    yield made
    made.close()
