"""The server, through psycopg's one kind and the other."""

from __future__ import annotations

import pytest

from databases.postgresql.kinds import Database
from services import PostgreSQL


@pytest.fixture(params=["sync", "async"])
def database(request: pytest.FixtureRequest, postgres: PostgreSQL) -> Database:
    """A real server, and the sync or the async classes of psycopg."""
    return Database(request.param == "async", postgres)
