"""Jaeger for the tests of this folder; without its binary they are not run, and with CI=true they fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backends.server import Jaeger, program
from services.plugin import do_without
from services.service import Missing


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    """The binary is there."""
    try:
        program()
    except Missing as missing:
        do_without(str(missing))


@pytest.fixture(scope="session")
def jaeger(built: None) -> Iterator[Jaeger]:
    """A Jaeger for the whole session: give each program a service name of its own."""
    with Jaeger() as found:
        found.start()
        yield found
